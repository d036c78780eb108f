local bo, t, orders, db = require "base"()
t:during("fault", db:delay "50ms")
