local bo, t, orders, db = require "base"()
t:guard "latency.p95{route=pay} > 5s"
