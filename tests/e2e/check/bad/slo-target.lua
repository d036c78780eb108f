local bo = require "brownout"
bo.scenario "x" { slo = { target = "100%" } }
