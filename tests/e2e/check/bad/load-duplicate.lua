local bo, t, orders, db = require "base"()
t:load "checkout" { url = "http://orders:8080/", rate = 1 }
