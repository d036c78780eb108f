-- requires a module that requires this one
require "pool"
