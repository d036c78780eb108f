local bo = require "brownout"
local t = bo.scenario "half"
t:subject "orders" { command = { "orders" } }
