-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   what a client on a mobile network sees, and how much of it is the network's.
-- Topology:  client ── orders ── db
-- Faults:    the client's line is 3G; with --set trace=true its rate follows a trace (mahimahi's format) instead.
-- Expected:  PASS: two round trips of 300 ms, and no errors
local bo = require "brownout"

local t = bo.scenario "mobile-client" {
  about  = "A client on 3G: slow, and every request is answered.",
  phases = { warmup = "1s", base = "3s", fault = "8s", heal = "2s", settle = "1s" },
}
local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432),
}
local orders = t:subject "orders" {
  command = { "orders-" .. bo.param("variant", "fixed"), "--backend", "db:5432", "--timeout", "1s", "--pool", "32" },
  ready   = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = "20/s", timeout = "3s" }

local line = t:link(t.client, orders)
if bo.param("trace", false) then
  t:during("fault", line:delay "150ms", line:trace("uneven.trace", { toward = t.client }))
else
  t:during("fault", line:profile "3G")
end

t:budget "latency.p95 <= 1.5s in fault"
t:budget "errors.ratio <= 5% in fault"
