local bo, t, orders, db = require "base"()
bo.log "listening on ("
