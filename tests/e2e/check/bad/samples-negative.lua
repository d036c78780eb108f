local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):delay { samples = "traces/negative.txt" })
