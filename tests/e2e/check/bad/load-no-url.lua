local bo, t, orders, db = require "base"()
t:load "pay" { rate = 1 }
