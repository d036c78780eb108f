-- SPDX-License-Identifier: Apache-2.0
-- Purpose: load and readiness over a unix socket in the node's own /tmp, across a restart, which brings another /tmp.
-- Topology: client -> shop.  Expected verdict: PASS.
-- The folder must hold ca.pem, cert.pem and key.pem (unix.sh makes them).
local bo = require "brownout"

local t = bo.scenario "unix" {
  phases = { base = "2s", fault = "2s", heal = "2s", settle = "1s" },
}
local shop = t:subject "shop" {
  command = { "protocols" }, probes = false,
  ready = bo.http("http://shop/healthz", { socket = "/tmp/protocols.sock", deadline = "10s" }),
}
t:dependency "cache" { command = { "protocols", "--socket", "/dev/shm/cache.sock" }, ready = bo.unix "/dev/shm/cache.sock" }

t:load "get" { url = "http://shop/echo", socket = "/tmp/protocols.sock", rate = "300/s", timeout = "2s" }
t:load "put" { url = "https://shop/echo", socket = "/tmp/protocols-tls.sock", rate = "50/s", timeout = "2s",
  method = "PUT", body = "{{n}}", tls = { ca = "ca.pem" } }

t:during("fault", shop:kill(), { after = "300ms" }) -- what base asked has been answered
t:budget "errors.ratio <= 1% in base"
t:budget "errors.ratio >= 50% in fault"
t:budget "must errors.ratio <= 1% within 2s of heal"
