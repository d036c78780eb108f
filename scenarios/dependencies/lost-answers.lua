-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   statements arrive and their answers do not. Whoever asks again must not have it done twice.
--            docs/incidents.md, "Charged twice".
-- Topology:  client ── ledger ── db
-- Faults:    an asymmetric partition: the link ledger–db loses everything on its way back to ledger for 1.5 s. What is sent
--            on open connections is carried out; new ones cannot be made.
-- Expected:  variant=fixed      PASS: each order has its own key, whichever try it is
--            variant=defective  FAIL: more charges than orders
--            variant=wrongfix   FAIL: the same, with a key for each try
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "lost-answers" {
  about  = "An order whose answer was lost is charged once, and is charged.",
  phases = { warmup = "1s", base = "3s", fault = "3s", heal = "5s", settle = "5s" },
}

local db = t:dependency "db" { command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432) }
local ledger = t:subject "ledger" {
  command = { "ledger-" .. variant, "--database", "db:5432", "--timeout", "500ms", "--patience", "5s", "--pool", "16" },
  ready   = bo.http "http://ledger:8080/healthz",
}

t:load "pay" { url = "http://ledger:8080/pay", rate = 50, arrivals = "poisson", timeout = "5s" }
t:load "audit" { url = "http://ledger:8080/audit", rate = 20, timeout = "2s" }

-- A moment into the phase, so that no request of base is still under way.
t:during("fault", t:link(ledger, db):blackhole { toward = ledger }, { after = "300ms", lasts = "1500ms" })

t:budget "errors.ratio{load=pay} <= 5% in base"
t:budget "errors.ratio{load=audit} == 0% in base"
-- Late, and paid.
t:budget "errors.ratio{load=pay} <= 2% in fault..heal"
t:budget "errors.ratio{load=audit} == 0% in heal"
