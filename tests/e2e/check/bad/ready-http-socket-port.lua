local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, ready = bo.http("http://cache:80/", { socket = "/tmp/c.sock" }) }
