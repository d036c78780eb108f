local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders/pay", socket = "orders.sock", rate = 1 }
