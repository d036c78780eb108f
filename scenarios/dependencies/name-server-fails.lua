-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   the name server gets slow, then fails; the supplier behind the name is well and where it was. Does the request
--            timeout bound the look-up, and does the service go on with the addresses that it knows?
--            docs/incidents.md, "A name server that dawdles".
-- Topology:  client ── quotes ── supplier
-- Faults:    look-ups by quotes take 2 s, then end with SERVFAIL.
-- Expected:  variant=fixed      PASS: last known addresses (RFC 8767), one look-up a second
--            variant=defective  FAIL: answers after 2 s, goroutines pile up meanwhile, then errors
--            variant=wrongfix   FAIL: prompt errors for as long as the name server fails
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "name-server-fails" {
  about   = "A name server that dawdles or fails costs neither time nor requests.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "8s", heal = "2s", settle = "3s" },
}

local supplier = t:dependency "supplier" (bo.stub { port = 8081 })
local quotes = t:subject "quotes" {
  command = { "quotes-" .. variant, "--supplier", "http://supplier:8081/", "--timeout", "1s", "--keepalive=false" },
  ready   = bo.http "http://quotes:8080/healthz",
  dns     = true,
}

t:load "quote" { url = "http://quotes:8080/quote", rate = 60, timeout = "3s" }

-- A moment into the phase, so that no request of base is still under way.
t:during("fault", quotes:dns({ delay = "2s", name = supplier }), { after = "300ms", lasts = "4700ms" })
t:during("fault", quotes:dns("servfail", { name = supplier }), { after = "5s" })

t:budget "errors.ratio <= 5% in base"
-- T and a quarter of slack, look-up included.
t:budget "latency.max <= 1.25s in fault"
t:budget "errors.ratio <= 2% in fault"
-- What waits for a name holds its client's connection and its memory all the while.
t:budget "goroutines.peak <= base + 150 in fault"
t:budget "errors.ratio <= 5% in heal"
