local bo, t, orders, db = require "base"()
t:link(orders, db):record { size = "1MB" }
