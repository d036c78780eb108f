local bo, t, orders, db = require "base"()
t:guard "recovery > 5s"
