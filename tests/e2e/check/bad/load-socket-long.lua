local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders/pay", socket = "/tmp/" .. ("x"):rep(103), rate = 1 }
