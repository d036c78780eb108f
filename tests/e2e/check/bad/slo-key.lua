local bo = require "brownout"
bo.scenario "x" { slo = { targt = "99.9%" } }
