local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):delay("100ms", { share = "30%" }))
