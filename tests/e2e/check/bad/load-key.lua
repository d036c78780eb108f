local bo, t, orders, db = require "base"()
t:load "pay" { uri = "http://orders:8080/", rate = 1 }
