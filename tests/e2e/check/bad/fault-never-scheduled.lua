local bo, t, orders, db = require "base"()
db:kill()
t:during("fault", db:kill())
