local bo, t, orders, db = require "base"()
t:budget 'latency.p99{route=pay} <= 250ms in fault'
