local bo, t, orders, db = require "base"()
t:subject { command = { "web" } }
