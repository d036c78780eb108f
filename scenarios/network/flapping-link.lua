-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   a link that drops out now and then, at random but with the seed: does anything get stuck for good?
-- Topology:  client ── orders ── db
-- Faults:    the link orders–db is down for 200 ms of every 1 s on average.
-- Expected:  variant=fixed PASS: no answer later than the timeout, nothing left behind
local bo = require "brownout"

local t = bo.scenario "flapping-link" {
  about   = "A database behind a flapping link: no request waits longer than its timeout.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "8s", hold = "2s", heal = "2s", settle = "2s" },
}
local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432),
}
local orders = t:subject "orders" {
  command = { "orders-" .. bo.param("variant", "fixed"), "--backend", "db:5432", "--timeout", "1s", "--pool", "32" },
  ready   = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = "60/s", timeout = "3s" }

t:during("fault", t:link(orders, db):flap { every = "1s", down = "200ms", random = true })

t:budget "latency.max <= 1.25s in fault"
t:budget "goroutines.delta <= 5 at hold"
t:budget "goroutines.delta <= 5 at settle"
