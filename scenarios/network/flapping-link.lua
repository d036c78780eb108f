-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   a link that drops out now and then. What is too short to be noticed once: does it add up?
--            docs/incidents.md, "A link that comes and goes".
-- Topology:  client ── watch ── feed
-- Faults:    the link watch–feed is down for 300 ms of every 800 ms; with --set once=true once, with --set random=true
--            for 100 ms of every 800 ms on average, at random but with the seed.
-- Expected:  variant=fixed      PASS: the silent stream is closed and opened again at once, each time
--            variant=defective  FAIL: never late, and a stream more with each time
--            variant=wrongfix   FAIL: nothing is left behind; backoff grows with each time until nobody is there to listen
--            With once=true all three PASS: a link that fails once finds neither defect.
local bo = require "brownout"

local variant = bo.param("variant", "fixed")
local once, random = bo.param("once", false), bo.param("random", false)
local down = random and "100ms" or "300ms"

local t = bo.scenario "flapping-link" {
  about  = "A stream over a flapping link is opened again each time, and what it was before is closed.",
  phases = { warmup = "1s", base = "3s", fault = "10s", hold = "2s", heal = "2s", settle = "2s" },
}

local feed = t:dependency "feed" {
  command = { "feed-fixed", "--heartbeat", "50ms", "--patience", "2s" },
  ready   = bo.http "http://feed:8080/healthz",
}
local watch = t:subject "watch" {
  command = { "watch-" .. variant, "--source", "feed:8080", "--fresh", "1500ms", "--silence", "200ms" },
  ready   = bo.http "http://watch:8080/healthz",
}

t:load "latest" { url = "http://watch:8080/latest", rate = 100, timeout = "900ms" }

local line = t:link(watch, feed)
if once then
  t:during("fault", line:blackhole(), { after = "500ms", lasts = "300ms" })
else
  t:during("fault", "hold", line:flap { every = "800ms", down = down, random = random })
end

t:budget "errors.ratio <= 5% in base"
-- Fresh for a second and a half, so an outage of 300 ms leaves time for three tries.
t:budget "errors.ratio <= 5% in fault"
-- One to follow the stream, a handful of the runtime's and of net/http.
t:budget "goroutines.count <= 15 at hold"
t:budget "goroutines.count <= 15 at settle"
