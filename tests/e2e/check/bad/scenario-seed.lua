local bo = require "brownout"
local t = bo.scenario "spoiled" { seed = -3 }
local db = t:dependency "db" (bo.stub { port = 80 })
t:subject "orders" { command = { "orders" }, ready = bo.tcp(8080) }
