local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://localhost:8080/", rate = 1 }
