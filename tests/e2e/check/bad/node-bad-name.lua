local bo, t, orders, db = require "base"()
t:dependency "My_DB" { command = { "db" } }
