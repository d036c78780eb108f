local bo, t, orders, db = require "base"()
t:during("fault", db:kill(), { before = "2s" })
