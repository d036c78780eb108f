require "loop"
