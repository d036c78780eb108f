-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   the tour. Three faults in a row on one web service: its link to the backend gets slow and lossy, its
--            memory limit comes down, its backend is killed and comes back.
-- Topology:  client ── orders ── db
-- Expected:  variant=fixed PASS; variant=defective FAIL (late answers, goroutines left for good);
--            variant=wrongfix FAIL (prompt answers, goroutines left for good)
-- Run it:    make demo, or brownout run --set variant=defective scenarios/smoke/demo.lua with the services on PATH
local bo = require "brownout"

local variant = bo.param("variant", "fixed")
local rate = bo.param("rate", 100)  -- requests per second; 50 is enough for every budget
local latest = bo.param("latest", "1.25s")  -- T and a quarter of slack: its answer takes a moment too

-- On a very slow machine (an emulated one) everything takes longer, to start with the first requests.
local slow = bo.param("slow", false)
local phases = { warmup = "1s", base = "3s", fault = "10.5s", hold = "2s", heal = "2.5s", settle = "1.5s" }
local impaired = "3.5s"
if slow then
  phases = { warmup = "6s", base = "9s", fault = "14s", hold = "3s", heal = "9s", settle = "4s" }
  impaired = "7s"
end

local t = bo.scenario "demo" {
  about   = "Under a slow backend, a memory squeeze and a dead backend, orders keeps its 1 s timeout and leaves nothing behind.",
  timeout = "1s",
  phases  = phases,
}

local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" },
  ready   = bo.tcp(5432),
}
local orders = t:subject "orders" {
  command = { "orders-" .. variant, "--backend", "db:5432", "--timeout", "1s", "--pool", "8" },
  ready   = bo.http "http://orders:8080/healthz",
  memory  = "256MiB",
}

t:load "checkout" {
  url = "http://orders:8080/checkout", rate = rate, arrivals = "poisson", timeout = "3s",
}

-- Faults start a moment into their phase, so that no request of base is still under way.
-- 1 s in each direction, so a query on an open connection takes 2 s: twice the timeout. Loss adds retransmissions.
t:during("fault", t:link(orders, db):impair { delay = "1s", jitter = "20ms", loss = "5%" }, { after = "200ms", lasts = impaired })
t:during("fault", orders:memory { to = "48MiB", steps = 4, over = "1.5s" }, { after = slow and "7.5s" or "4s", lasts = "3s" })
t:during("fault", db:kill(), { after = slow and "11s" or "7.5s", lasts = "1s" })

-- Without faults all is well.
t:budget "latency.p95 <= 1s in base"
t:budget "errors.ratio <= 5% in base"
-- The timeout is real …
t:budget("latency.max <= " .. latest .. " in fault")
-- … nothing is left behind, neither while nothing is asked nor in the end …
t:budget "goroutines.delta <= 5 at hold"
t:budget "goroutines.delta <= 5 at settle"
-- … memory stays within what is left of it …
t:budget "oom.kills == 0"
t:budget "memory.usage <= 85% of limit in fault"
-- … and the service is back as soon as its backend is.
t:budget "errors.ratio <= 5% in heal"
t:budget "recovery <= 2s"
