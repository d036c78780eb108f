local bo, t, orders, db = require "base"()
t:guard "latency.max > 2 * timeout"
