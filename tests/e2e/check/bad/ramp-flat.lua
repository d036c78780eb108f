local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):loss { from = "1%", to = "1%", over = "2s" })
