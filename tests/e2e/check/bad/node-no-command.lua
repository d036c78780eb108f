local bo, t, orders, db = require "base"()
t:dependency "cache" { memory = "64MiB" }
