local bo = require "brownout"
local t = bo.scenario "alone" { phases = { base = "5s" } }
t:dependency "db" (bo.stub { port = 80 })
