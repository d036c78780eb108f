local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):slot { min = "10ms", max = "5ms" })
