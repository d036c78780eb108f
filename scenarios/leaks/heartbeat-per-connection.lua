-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   does the goroutine behind a long-lived connection end when its client is gone, with or without a word?
--            docs/incidents.md, "A heartbeat goroutine per connection".
-- Topology:  client ── feed
-- Faults:    the link goes silent under live streams and stays so while load stops: no FIN and no RST of a client gets
--            through, so each of them vanishes without a word. Before that, clients that say goodbye come and go.
-- Expected:  variant=fixed      PASS
--            variant=defective  FAIL: a goroutine for every connection there ever was
--            variant=wrongfix   FAIL: two goroutines for every client that vanished, for as long as the link is dead
local bo = require "brownout"

local variant = bo.param("variant", "fixed")
local clients = bo.param("clients", 40)  -- of each kind, at a time

local t = bo.scenario "heartbeat-per-connection" {
  about  = "A stream's goroutines end with its client, however the client ends.",
  phases = { warmup = "1s", base = "4s", fault = "8s", hold = "6s", heal = "2s", settle = "6s" },
}

local feed = t:subject "feed" {
  command = { "feed-" .. variant, "--heartbeat", "250ms", "--patience", "1500ms" },
  ready   = bo.http "http://feed:8080/healthz",
  -- As often as a heartbeat: what is counted here stays for seconds, and a sampler that was kept waiting for half of one hides nothing.
  probes  = { interval = "250ms" },
}

-- These come and go, politely …
t:load "desktop" {
  url = "http://feed:8080/feed", rate = 2 * clients, timeout = "2s",
  hold = { count = clients, time = "500ms" },
}
-- … and these stay, until the link is gone.
t:load "mobile" {
  url = "http://feed:8080/feed", rate = clients, timeout = "2s",
  hold = { count = clients },
}

t:during("fault", "hold", t:link(t.client, feed):blackhole(), { after = "6s" })

-- A live stream costs two goroutines; a client that said goodbye costs none.
t:budget("goroutines.count <= " .. 5 * clients + 20 .. " in fault")
-- The fuse that would have stopped the outage: threefold within 10 s and above 5000.
t:budget "goroutines.growth < 300% over 10s or goroutines.count < 5000"
-- Nobody is connected any more; what is left is the service itself and the probe.
t:budget "goroutines.count <= 20 at hold"
t:budget "goroutines.count <= 20 at settle"
-- The same by name. A heartbeat goes on ticking, so it is never stuck and goroutines.leaked does not see it.
t:budget 'goroutines{site="feed.(*Service).stream"} == 0 at hold'
t:budget 'goroutines{site="feed.(*Service).stream"} == 0 at settle'
