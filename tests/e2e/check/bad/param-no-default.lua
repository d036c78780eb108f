local bo = require "brownout"
local rate = bo.param("rate")
