local bo, t, orders, db = require "base"()
t:load "pay" { url = "orders:8080", rate = 1 }
