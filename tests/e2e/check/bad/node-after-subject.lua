local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, after = { "orders" } }
