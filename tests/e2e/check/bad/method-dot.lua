local bo, t, orders, db = require "base"()
t.budget "errors.ratio <= 1%"
