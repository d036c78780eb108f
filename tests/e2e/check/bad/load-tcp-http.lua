local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://orders:8080/", rate = 1, tcp = { send = "x", bytes = 1 } }
