-- A small scenario that is right, for the bad ones to spoil in one place each.
-- Gives: the module, the scenario, its subject and its dependency.
local bo = require "brownout"

return function(more)
  local spec = { phases = { base = "5s", fault = "10s" } }
  for key, value in pairs(more or {}) do
    spec[key] = value
  end
  local t = bo.scenario "spoiled" (spec)
  local db = t:dependency "db" (bo.stub { protocol = "tcp", port = 5432 })
  local orders = t:subject "orders" { command = { "orders" }, ready = bo.tcp(8080) }
  t:load "checkout" { url = "http://orders:8080/", rate = "100/s" }
  t:budget "latency.p99 <= 250ms in fault"
  return bo, t, orders, db
end
