local bo = require "brownout"
local t = bo.scenario "spoiled" { phases = { settle = "5s" } }
local db = t:dependency "db" (bo.stub { port = 80 })
t:subject "orders" { command = { "orders" }, ready = bo.tcp(8080) }
t:load "get" { url = "http://orders:8080/", rate = 1 }
