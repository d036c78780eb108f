local bo, t, orders, db = require "base"()
t:guard "errors.ratio > 50% for 5"
