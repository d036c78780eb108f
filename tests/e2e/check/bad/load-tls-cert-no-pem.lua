local bo, t, orders, db = require "base"()
t:load "pay" { url = "https://orders/", rate = 1, tls = { insecure = true, cert = "expected.txt", key = "expected.txt" } }
