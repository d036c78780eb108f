-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   is the 1 s request timeout real? It must reach the wait for a connection, the dial, the write and the
--            read of the query; a handler that merely stops waiting leaves a goroutine behind for each request.
--            docs/incidents.md, "A timeout that stops at the handler".
-- Topology:  client ── orders ── db
-- Faults:    the link orders–db gets slow (a query takes 3 s), then goes silent until load has stopped and beyond.
--            Not a killed db: that answers with RST, which ends even a wait that has no timeout.
-- Expected:  variant=fixed      PASS: 504 after 1 s, nothing left behind
--            variant=defective  FAIL: late 200s, then requests that never end; goroutines stay
--            variant=wrongfix   FAIL: latency is right, goroutines stay
local bo = require "brownout"

local variant = bo.param("variant", "fixed")
local rate = bo.param("rate", 60)

local t = bo.scenario "context-not-propagated" {
  about   = "The request timeout reaches every wait for the database.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "5s", fault = "10s", hold = "4s", heal = "3s", settle = "3s" },
}

local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" },
  ready   = bo.tcp(5432),
}
-- It promises 1 s and gives its database half of that: what a busy machine adds does not break the promise.
local orders = t:subject "orders" {
  command = { "orders-" .. variant, "--backend", "db:5432", "--timeout", "500ms", "--pool", "32" },
  ready   = bo.http "http://orders:8080/healthz",
}

-- The client is more patient than the service claims to be, or it would hide how late the answers are.
t:load "checkout" {
  url = "http://orders:8080/checkout", rate = rate, arrivals = "poisson", timeout = "5s",
}

local wire = t:link(orders, db)
-- A moment into the phase, so that no request of base is still under way.
t:during("fault", wire:delay "1500ms", { after = "200ms", lasts = "4.8s" })
t:during("fault", "hold", wire:blackhole(), { after = "5s" })

t:budget "latency.p95 <= 1s in base"
t:budget "errors.ratio <= 2% in base"
-- T plus a quarter of slack: the limit is the declared timeout, whatever the injected delay.
t:budget "latency.max <= 1.25s in fault"
-- Load has stopped for longer than T: whoever still waits will wait for good.
t:budget "goroutines.delta <= 5 at hold"
t:budget "goroutines.delta <= 5 at settle"
-- And they are stuck, not merely many: the verdict names the function that left them behind.
t:budget "goroutines.leaked == 0 at hold"
t:budget "goroutines.leaked == 0 at settle"
t:budget "recovery <= 2s"
t:budget "errors.ratio <= 5% in heal"
