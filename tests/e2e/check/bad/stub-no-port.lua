local bo, t, orders, db = require "base"()
t:dependency "pay" (bo.stub { protocol = "http" })
