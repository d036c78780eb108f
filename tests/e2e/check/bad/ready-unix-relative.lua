local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, ready = bo.unix "cache.sock" }
