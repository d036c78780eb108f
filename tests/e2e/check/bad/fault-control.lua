local bo = require "brownout"
local t = bo.scenario "fault-control" { phases = { base = "5s", fault = "5s" } }
local web = t:subject "web" { command = { "sh" }, memory = "64MiB", ready = bo.tcp(80) }
t:during("fault", web:memory "32\27[31m\nMiB")
