local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):loss { model = "gemodel", p = "1%", p13 = "2%" })
