local bo, t, orders, db = require "base"()
t:during("fault", t.client:kill())
