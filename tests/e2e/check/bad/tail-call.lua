local bo, t, orders, db = require "base"()
return t:budget(5)
