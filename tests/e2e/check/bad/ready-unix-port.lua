local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, ready = bo.unix(8080) }
