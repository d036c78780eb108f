-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   a service that learned how long its database takes, and a database that gets slower bit by bit. Does the request's
--            timeout hold all the way?  A ramp, so that the report's curve shows where the service begins to fail.
--            docs/incidents.md, "A timeout that is learned".
-- Topology:  client ── fares ── db
-- Faults:    the link fares–db gets slower, from 1 ms to 1.1 s each way within 7 s; with --set step=true all at once.
-- Expected:  variant=fixed      PASS: answers for as long as they take less than 1 s, and 504 after 1 s from there on
--            variant=defective  FAIL: what was learned follows the ramp up to 2.2 s; clients give up after 1.5 s
--            variant=wrongfix   FAIL: a ceiling for each of two tries makes it 2 s; clients give up after 1.5 s
--            With step=true all three PASS: what is slow all at once is given up at once. Only the ramp tells them apart.
local bo = require "brownout"

local variant = bo.param("variant", "fixed")
local step = bo.param("step", false)

local t = bo.scenario "slow-ramp" {
  about   = "A database that gets slower and slower: answers stay within the 1 s timeout.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "10s", heal = "3s", settle = "1s" },
}

local db = t:dependency "db" { command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432) }
local fares = t:subject "fares" {
  command = { "fares-" .. variant, "--database", "db:5432", "--timeout", "1s", "--pool", "64" },
  ready   = bo.http "http://fares:8080/healthz",
}

t:load "fare" { url = "http://fares:8080/fare", rate = 30, timeout = "1500ms" }

local line = t:link(fares, db)
if step then
  -- A moment into the phase, so that no request of base is still under way.
  t:during("fault", line:delay "1100ms", { after = "300ms" })
else
  t:during("fault", line:delay { from = "1ms", to = "1100ms", over = "7s" })
  -- Below the timeout there is no excuse: in the first three seconds of the ramp a round trip takes less than 950 ms.
  t:budget "errors.ratio <= 10% in fault for 10% of 1s windows"
end

t:budget "errors.ratio <= 10% in base"
-- What its clients wait for, they hear: an answer or a 504. They give up after one and a half times the timeout.
t:budget "errors.ratio{class=timeout} <= 5% in fault"
t:budget "recovery <= 2s"
