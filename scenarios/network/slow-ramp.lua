-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   at which delay of the database does the service begin to fail? A ramp, so that the report's curve shows it.
-- Topology:  client ── orders ── db
-- Faults:    the link orders–db gets slower, from 1 ms to 400 ms each way within 6 s.
-- Expected:  variant=fixed PASS: slower, and an answer in time to every request (two round trips at most)
local bo = require "brownout"

local t = bo.scenario "slow-ramp" {
  about   = "A database that gets slower and slower: answers stay within the 1 s timeout.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "8s", heal = "2s", settle = "1s" },
}
local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432),
}
local orders = t:subject "orders" {
  command = { "orders-" .. bo.param("variant", "fixed"), "--backend", "db:5432", "--timeout", "1s", "--pool", "32" },
  ready   = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = "20/s", timeout = "3s" }

t:during("fault", t:link(orders, db):delay { from = "1ms", to = "400ms", over = "6s" })

t:budget "latency.max <= 1.25s in fault"
t:budget "recovery <= 2s"
