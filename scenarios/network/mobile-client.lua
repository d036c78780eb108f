-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   phones on a slow line ask for something large. Who waits for them besides themselves?
--            docs/incidents.md, "A download that holds a connection".
-- Topology:  phone (client) ── ledger ── db,  desk (client) ── web ── ledger
-- Faults:    the phones' line is a slow 3G; with --set trace=true its rate follows a trace (mahimahi's format) instead, with
--            --set plain=true it has the delay of 3G and no rate.
-- Expected:  variant=fixed      PASS: the phones get their statements, slowly; at the desks nobody notices
--            variant=defective  FAIL: desks wait for connections to the database that are held for the phones
--            variant=wrongfix   FAIL: the same; and the timeout that was to help cuts statements short
--            With plain=true all three PASS: what is late but wide is written at once.
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "mobile-client" {
  about   = "Clients on a slow line get what they ask for, and nobody else waits for them.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "4s", fault = "8s", heal = "3s", settle = "1s" },
}

local db = t:dependency "db" { command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432) }
local ledger = t:subject "ledger" {
  command = { "ledger-" .. variant, "--database", "db:5432", "--timeout", "1s", "--pool", "8" },
  ready   = bo.http "http://ledger:8080/healthz",
}
local web = t:dependency "web" {
  command = { "quotes-fixed", "--supplier", "http://ledger:8080/balance", "--timeout", "1s" },
  ready   = bo.http "http://web:8080/healthz",
}

-- Something is announced, and eight phones ask for 256 KiB each at once: once in base, twice in fault.
t:load "phone" {
  url = "http://ledger:8080/statement", arrivals = "burst", burst = { count = 8, every = "4s" }, timeout = "15s",
}
t:load "desk" { url = "http://web:8080/quote", rate = 60, timeout = "3s" }

local line = t:link(t.client, ledger)
if bo.param("trace", false) then
  t:during("fault", line:delay "150ms", line:trace("uneven.trace", { toward = t.client }))
elseif bo.param("plain", false) then
  t:during("fault", line:delay "100ms")
else
  t:during("fault", line:profile "3G-slow")
end

t:budget "errors.ratio <= 5% in base"
t:budget "errors.count{load=phone} == 0 in fault"
-- The line of the desks is what it was: an answer takes milliseconds, and 504 means a second.
t:budget "errors.ratio{load=desk} <= 3% in fault"
