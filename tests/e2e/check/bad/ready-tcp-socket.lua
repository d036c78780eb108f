local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, ready = bo.tcp(80, { socket = "/tmp/c.sock" }) }
