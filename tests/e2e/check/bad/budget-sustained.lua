local bo, t, orders, db = require "base"()
t:budget 'latency.p99 <= 250ms in fault sustained for 1h'
