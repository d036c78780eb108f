local bo, t, orders, db = require "base"()
t:load "pay" { url = "https://orders:8443/", rate = 1 }
