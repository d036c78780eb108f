local bo, t, orders, db = require "base"()
t:load "pay" { url = "tcp://orders:6379/x", rate = 1, tcp = { send = "x", bytes = 1 } }
