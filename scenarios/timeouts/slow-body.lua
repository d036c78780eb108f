-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   a supplier that sends its answer a few bytes at a time. Is the timeout one for the whole call, or one for each
--            step of it?  docs/incidents.md, "An answer that never ends".
-- Topology:  client ── quotes ── supplier
-- Faults:    the link quotes–supplier carries 100 bytes of an answer each 300 ms: the header soon, the body in half a minute.
-- Expected:  variant=fixed      PASS: 504 after 1 s
--            variant=defective  FAIL: a request ends when its client hangs up, and until then keeps four goroutines
--            variant=wrongfix   FAIL: the same; dialling and the header have timeouts, a body that keeps coming has none
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "slow-body" {
  about   = "A call ends within its timeout, however slowly its body comes.",
  timeout = "1s",
  phases  = { warmup = "1s", base = "3s", fault = "5s", heal = "3s", settle = "3s" },
}

local supplier = t:dependency "supplier" (bo.stub { port = 8081, body = ("price list "):rep(1000) })
-- It promises 1 s and gives its supplier half of that: what a busy machine adds does not break the promise.
local quotes = t:subject "quotes" {
  command = { "quotes-" .. variant, "--supplier", "http://supplier:8081/", "--timeout", "500ms" },
  ready   = bo.http "http://quotes:8080/healthz",
}

t:load "quote" { url = "http://quotes:8080/quote", rate = 40, timeout = "3s" }

-- A moment into the phase, so that no request of base is still under way.
t:during("fault", t:link(quotes, supplier):drip("100B", { every = "300ms", port = 8081, toward = quotes }), { after = "300ms" })

t:budget "errors.ratio <= 5% in base"
t:budget "latency.max <= 1.25s in fault"
-- 40 requests a second, four goroutines each, for half a second; for three of them without a timeout.
t:budget "goroutines.peak <= base + 250 in fault"
t:budget "errors.ratio <= 5% in heal"
