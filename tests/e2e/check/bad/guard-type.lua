local bo, t, orders, db = require "base"()
t:guard { "wall > 1m" }
