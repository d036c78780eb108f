local bo, t, orders, db = require "base"()
t:during("fault", orders:cpu "50%")
