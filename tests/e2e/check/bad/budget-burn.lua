local bo, t, orders, db = require "base"()
t:budget 'burn(1h/5m) < 14.4'
