local bo, t, orders, db = require "base"()
t:guard "rss{node=orderz} > 1GB"
