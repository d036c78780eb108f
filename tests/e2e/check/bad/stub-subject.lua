local bo, t, orders, db = require "base"()
t:subject "pay" (bo.stub { port = 80 })
