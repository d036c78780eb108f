local bo, t, orders, db = require "base"()
t:subject "web" {
  command = { "web" },
