local bo, t, orders, db = require "base" { driver = "netem" }
t:during("fault", t:link(orders, db):trace "traces/good.trace")
