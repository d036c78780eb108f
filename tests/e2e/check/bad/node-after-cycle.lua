local bo, t, orders, db = require "base"()
t:dependency "a" { command = { "a" }, after = { "b" } }
t:dependency "b" { command = { "b" }, after = { "a" } }
