local bo, t, orders, db = require "base"()
t:dependency "cache" { command = { "cache" }, probes = { prof = "http://cache:6060/" } }
