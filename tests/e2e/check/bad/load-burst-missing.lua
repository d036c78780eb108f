local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders:8080/", arrivals = "burst" }
