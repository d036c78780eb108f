local bo, t, orders, db = require "base" { phases = { base = "5s", fault = "10s", heal = "5s" } }
t:during("fault", t:link(orders, db):blackhole())
t:budget 'recovery{fault="blackhol db-orders #1"} <= 3s'
