local bo, t, orders, db = require "base"()
t:during("heal", db:kill())
