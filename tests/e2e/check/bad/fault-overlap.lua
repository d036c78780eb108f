local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):delay "50ms")
t:during("fault", t:link(orders, db):delay "80ms", { after = "5s" })
