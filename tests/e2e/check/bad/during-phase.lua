local bo, t, orders, db = require "base"()
t:during("falt", db:kill())
