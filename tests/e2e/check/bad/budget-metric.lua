local bo, t, orders, db = require "base"()
t:budget "latenzy.p99 <= 250ms in fault"
