local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):stall { port = 5432, share = "30%" })
t:during("fault", t:link(orders, db):stall { port = 5432, share = "50%" })
