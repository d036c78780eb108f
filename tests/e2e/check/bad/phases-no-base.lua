local bo = require "brownout"
local t = bo.scenario "spoiled" { phases = { fault = "10s" } }
local db = t:dependency "db" (bo.stub { port = 80 })
t:subject "orders" { command = { "orders" }, ready = bo.tcp(8080) }
t:during("fault", db:kill())
