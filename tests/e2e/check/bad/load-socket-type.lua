local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders/pay", socket = 8080, rate = 1 }
