-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   the second statement of a transaction fails. Does the connection that it was on come back to the pool?
--            docs/incidents.md, "A transaction that nobody ends".
-- Topology:  client ── ledger ── db
-- Faults:    the link ledger–db answers the second PUT of a connection with RST; twelve connections, then no more. The
--            pool has eight.
-- Expected:  variant=fixed      PASS: twelve failed transfers
--            variant=defective  FAIL: after eight of them the pool is empty for good, and every request waits for it
--            variant=wrongfix   FAIL: the same, with a timeout
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "second-statement-fails" {
  about   = "A transaction that fails half-way gives its connection back.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "5s", hold = "3s", heal = "3s", settle = "2s" },
}

local db = t:dependency "db" { command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432) }
local ledger = t:subject "ledger" {
  command = { "ledger-" .. variant, "--database", "db:5432", "--timeout", "1s", "--pool", "8" },
  ready   = bo.http "http://ledger:8080/healthz",
}

t:load "transfer" { url = "http://ledger:8080/transfer", rate = 60, timeout = "2s" }

-- A moment into the phase, so that no request of base is still under way.
t:during("fault", t:link(ledger, db):reset { port = 5432, contains = "PUT", occurrence = 2, first = 12, toward = db }, { after = "300ms" })

t:budget "errors.ratio <= 5% in base"
t:budget "latency.max <= 1.25s in fault"
-- Twelve fail within the first moments; nothing else does.
t:budget "must errors.ratio <= 2% within 2s of fault sustained for 2s"
-- Nobody asks any more; who still waits for a connection waits for good.
t:budget "goroutines.delta <= 10 at hold"
t:budget "errors.ratio <= 5% in heal"
