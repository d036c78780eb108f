local bo, t, orders, db = require "base"()
t:during("fault", "base", db:kill())
