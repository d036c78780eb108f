local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders:8080/", arrivals = "burst", burst = { count = 5, every = "1s" }, rate = 1 }
