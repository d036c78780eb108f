local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders/pay", socket = "/tmp/o.sock", hold = { count = 5, vanish = true } }
