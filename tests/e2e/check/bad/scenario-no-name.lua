local bo = require "brownout"
bo.scenario { phases = { base = "1s" } }
