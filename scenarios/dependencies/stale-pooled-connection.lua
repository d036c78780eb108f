-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   connections die while they lie idle in the pool: a failover, a load balancer with an idle timeout. Does the
--            service find out before it uses them?  docs/incidents.md, "Connections that died in the pool".
-- Topology:  client ── ledger ── db
-- Faults:    between two bursts of requests every connection of the link ledger–db is reset, four times.
-- Expected:  variant=fixed      PASS: the driver looks at a connection before it sends a statement
--            variant=defective  FAIL: an error for each connection that died
--            variant=wrongfix   FAIL: the same; a maximum lifetime is a guess about the other side
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "stale-pooled-connection" {
  about   = "A connection that died in the pool costs no request.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "4s", fault = "8s", heal = "3s", settle = "2s" },
}

local db = t:dependency "db" { command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432) }
local ledger = t:subject "ledger" {
  command = { "ledger-" .. variant, "--database", "db:5432", "--timeout", "1s", "--pool", "48" },
  ready   = bo.http "http://ledger:8080/healthz",
}

-- A burst fills the pool; before the next one every connection of it is idle.
t:load "balance" { url = "http://ledger:8080/balance", arrivals = "burst", burst = { count = 60, every = "1s" }, timeout = "2s" }

for i = 0, 3 do
  t:during("fault", t:link(ledger, db):reset { port = 5432 }, { after = 2 * i .. ".5s", lasts = "200ms" })
end

-- 480 requests in fault: 421 of them are enough to pass with two errors (99 %), and the defect makes a hundred or more.
t:budget "errors.ratio <= 5% in base"
t:budget "errors.ratio <= 2% in fault"
