local bo, t, orders, db = require "base"()
bo.scenario "another" { phases = { base = "1s" } }
