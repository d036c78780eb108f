local bo, t, orders, db = require "base"()
bo.tpc(5432)
