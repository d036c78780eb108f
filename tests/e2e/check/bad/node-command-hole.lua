local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { [1] = "cache", [3] = "x" } }
