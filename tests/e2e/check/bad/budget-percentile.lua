local bo, t, orders, db = require "base"()
t:budget "p99 < 200ms in fault"
