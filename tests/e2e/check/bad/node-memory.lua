local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, memory = "64 megs" }
