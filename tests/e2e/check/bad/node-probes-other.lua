local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, probes = { pprof = "http://db:6060/debug/pprof" } }
