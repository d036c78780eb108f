local bo = require "brownout"
local t = bo.scenario "spoiled" { phases = { base = "20h", fault = "20h" } }
local db = t:dependency "db" (bo.stub { port = 80 })
t:subject "orders" { command = { "orders" }, ready = bo.tcp(8080) }
