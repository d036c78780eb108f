local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, ready = bo.http "http://db:5432/" }
