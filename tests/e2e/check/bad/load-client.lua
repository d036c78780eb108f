local bo, t, orders, db = require "base"()
t:load "pay" { url = "http://client:8080/", rate = 1 }
