local bo, t, orders, db = require "base"()
t:dependency "client" { command = { "db" } }
