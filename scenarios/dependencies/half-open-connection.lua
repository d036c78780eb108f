-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   does a connection that only reads notice that its peer is gone without a word? A peer that crashed and
--            came back, a NAT or a load balancer that forgot the flow: no FIN and no RST, the address works, and who
--            waits on the old connection waits for good.
-- Topology:  client ── watch ── feed
-- Faults:    the link watch–feed loses everything of the connections that exist, and carries new ones.
-- Expected:  variant=fixed      PASS: keepalive ends the read after some 3 s, and the stream is opened again
--            variant=defective  FAIL: nothing is heard any more for as long as the fault lasts
--            variant=wrongfix   FAIL: the same; timeouts of dialling and writing do not bound a read
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "half-open-connection" {
  about  = "A stream whose peer vanished is opened again.",
  phases = { warmup = "1s", base = "4s", fault = "12s", heal = "3s", settle = "1s" },
}

local feed = t:dependency "feed" {
  command = { "feed-fixed", "--heartbeat", "250ms", "--patience", "1500ms" },
  ready   = bo.http "http://feed:8080/healthz",
}
local watch = t:subject "watch" {
  command = { "watch-" .. variant, "--source", "feed:8080", "--fresh", "1s" },
  ready   = bo.http "http://watch:8080/healthz",
}

t:load "latest" { url = "http://watch:8080/latest", rate = 100, timeout = "900ms" }

t:during("fault", t:link(watch, feed):half_open { port = 8080 })

t:budget "errors.ratio <= 2% in base"
-- Fresh for a second more; stale until keepalive has found out, which takes three; and then for good.
t:budget "must errors.ratio <= 10% within 7s of fault sustained for 4s"
t:budget "errors.ratio <= 5% in heal"
