local bo, t, orders, db = require "base"()
t:budget "latency.p99 <= "
