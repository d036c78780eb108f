local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):half_open { share = true })
