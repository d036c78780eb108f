local bo, t, orders, db = require "base"()
t:budgt "errors.ratio <= 1%"
