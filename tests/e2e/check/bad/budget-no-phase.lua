local bo, t, orders, db = require "base"()
t:budget "goroutines.delta <= 5 at hold"
