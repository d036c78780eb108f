local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):impair { jitter = "20ms", loss = "1%" })
