local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):impair { trace = "traces/good.trace", rate = "1Mbit/s" })
