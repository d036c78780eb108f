local bo, t, orders, db = require "base"()
bo.tcp(70000)
