local bo, t, orders, db = require "base"()
t:link(orders, db):record { snaplen = 10 }
