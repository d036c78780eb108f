local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):drop { share = "130%" })
