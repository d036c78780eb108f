local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):refuse { port = 5432, share = 30 })
