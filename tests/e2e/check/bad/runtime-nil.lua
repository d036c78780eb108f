local bo = require "brownout"
local nothing
nothing.more = 1
