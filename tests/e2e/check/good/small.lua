-- SPDX-License-Identifier: Apache-2.0
-- The least that is worth running, with one parameter.
local bo = require "brownout"

-- The numbers of these lines are known to run.sh.
local t = bo.scenario "small" {
  phases = { base = "5s", fault = "10s" },
}
local db = t:dependency "db" (bo.stub { protocol = "tcp", port = 5432 })
local orders = t:subject "orders" { command = { "no-such-program" }, ready = bo.tcp(8080) }
t:load "checkout" { url = "http://orders:8080/checkout", rate = bo.param("rate", 100) }
t:during("fault", t:link(orders, db):delay "50ms")
t:budget "latency.p99 <= 250ms in fault"
