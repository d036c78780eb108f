local bo, t, orders, db = require "base"()
t:load "pay" { url = "tcp://orders:6379", rate = 1, tcp = { expect = "+PONG" } }
