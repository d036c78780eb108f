local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):corrupt("1%", { toward = t.client }))
