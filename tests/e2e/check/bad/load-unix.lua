local bo, t, orders, db = require "base"()
t:load "pay" { url = "unix:///run/orders.sock", rate = 1 }
