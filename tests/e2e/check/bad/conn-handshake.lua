local bo, t, orders, db = require "base"()
t:during("fault", t:link(orders, db):drop { port = 53, protocol = "udp", handshake = false })
