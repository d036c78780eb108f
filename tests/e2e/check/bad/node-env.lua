local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, env = { "A=1" } }
