local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):loss { model = "state", p13 = "60%", p14 = "60%" })
