local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):delay { from = "1ms", to = "10ms", over = "2s", every = "1s", down = "100ms" })
