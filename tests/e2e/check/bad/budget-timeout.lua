local bo, t, orders, db = require "base"()
t:budget 'latency.max <= 1.2 * timeout in fault'
