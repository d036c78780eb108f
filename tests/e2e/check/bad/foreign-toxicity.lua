local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):reset { port = 5432, toxicity = 0.3 })
