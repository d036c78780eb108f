local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders:8080/", arrivals = "closed", clients = 5, max_inflight = 10 }
