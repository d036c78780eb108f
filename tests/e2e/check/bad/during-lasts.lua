local bo, t, orders, db = require "base"()
t:during("fault", db:pause(), { after = "2s", lasts = "9s" })
