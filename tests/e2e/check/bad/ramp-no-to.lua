local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):delay { from = "1ms", over = "2s" })
