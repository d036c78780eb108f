local bo, t, orders, db = require "base"()
t:dependency "db" { command = { "db" } }
