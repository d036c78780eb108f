local bo, t, orders, db = require "base"()
t:during(db:kill())
