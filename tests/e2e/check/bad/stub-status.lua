local bo, t, orders, db = require "base"()
t:dependency "pay" (bo.stub { protocol = "tcp", port = 80, status = 500 })
