local bo, t, orders, db = require "base"()
local link = t:link(orders, db)
t:during("fault", link:trace "traces/good.trace")
t:during("fault", link:rate "1Mbit/s")
