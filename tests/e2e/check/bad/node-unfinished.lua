local bo, t, orders, db = require "base"()
t:dependency "cache"
t:budget "errors.ratio <= 1%"
