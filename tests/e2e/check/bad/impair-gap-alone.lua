local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):impair { delay = "10ms", gap = 5 })
