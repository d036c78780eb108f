local bo, t, orders, db = require "base"()
bo.tcp(80, { deadline = "0" })
