local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):loss { model = "gilbert", p = "1%" })
