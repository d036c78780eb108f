local bo, t, orders, db = require "base"()
t:dependency "pay" (bo.stub { port = 80, mode = "rest" })
