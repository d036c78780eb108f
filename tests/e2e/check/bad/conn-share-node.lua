local bo, t, orders, db = require "base"()
t:during("fault", db:kill { share = "30%" })
