local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):stall { port = 5432 })
t:during("fault", t:link(orders, db):stall("1KiB", { toward = db }))
