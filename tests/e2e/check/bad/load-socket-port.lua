local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders:8080/pay", socket = "/tmp/orders.sock", rate = 1 }
