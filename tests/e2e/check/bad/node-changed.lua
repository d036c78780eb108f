local bo, t, orders, db = require "base"()
orders.memory = "1GiB"
