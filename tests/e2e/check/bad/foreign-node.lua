local bo, t, orders, db = require "base"()
t:during("fault", orders:crash())
