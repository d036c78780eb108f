-- SPDX-License-Identifier: Apache-2.0
-- Purpose: every protocol and transport of the load engine against a Go service, through the lab's links.
-- Topology: client -> shop, client -> cache.  Expected verdict: PASS.
-- The folder must hold ca.pem, cert.pem, key.pem, client.pem and client.key (protocols.sh makes them).
local bo = require "brownout"

local t = bo.scenario "protocols" {
  phases = { base = "2s", fault = "2s", settle = "3s" },
}
local cache = t:dependency "cache" (bo.stub { protocol = "tcp", port = 6379, body = "+PONG" })
local shop = t:subject "shop" { command = { "protocols" }, ready = bo.http "http://shop:8080/healthz" }
local tls = { ca = "ca.pem" }

t:load "routes" {
  url = "http://shop:8080", rate = { from = "20/s", to = "100/s" }, arrivals = "poisson", timeout = "5s",
  routes = {
    { name = "read", weight = 3, path = "/big?{{n}}" },
    { name = "write", method = "POST", path = "/echo", body = '{"id":"{{uuid}}"}' },
  },
}
t:load "closed" { url = "http://shop:8080/echo", arrivals = "closed", clients = 5, think = "20ms", timeout = "5s" }
t:load "burst" { url = "http://shop:8080/echo", arrivals = "burst", burst = { count = 20, every = "500ms" }, timeout = "5s" }
t:load "https" { url = "https://shop:8443/big", rate = "20/s", tls = tls, timeout = "5s" }
t:load "resumed" { url = "https://shop:8443/echo", rate = "40/s", keepalive = false, timeout = "5s",
  tls = { ca = "ca.pem", resume = true } }
t:load "h2" { url = "https://shop:8443/big", rate = "20/s", protocol = "h2", streams = 20, tls = tls, timeout = "5s" }
t:load "grpc" { url = "https://shop:8443/shop.Orders/Get", rate = "40/s", protocol = "grpc", body = "\8\1\0", tls = tls,
  timeout = "5s" }
t:load "missing" { url = "https://shop:8443/shop.Orders/Missing", rate = "20/s", protocol = "grpc", tls = tls,
  timeout = "5s" }
t:load "other-name" { url = "https://shop:8443/echo", rate = "20/s", timeout = "5s",
  tls = { ca = "ca.pem", name = "shop.example" } }
t:load "mutual" { url = "https://shop:8444/echo", rate = "20/s", timeout = "5s",
  tls = { ca = "ca.pem", cert = "client.pem", key = "client.key" } }
t:load "nobody" { url = "https://shop:8444/echo", rate = "20/s", tls = tls, timeout = "5s" }
t:load "stranger" { url = "https://shop:8444/echo", rate = "20/s", timeout = "5s",
  tls = { ca = "ca.pem", cert = "stranger.pem", key = "stranger.key" } }
t:load "unix" { url = "http://shop/big", socket = "/tmp/protocols.sock", rate = "20/s", timeout = "5s" }
t:load "unix-h2" { url = "https://shop/echo", socket = "/tmp/protocols-tls.sock", rate = "20/s", protocol = "h2", tls = tls,
  timeout = "5s" }
t:load "unix-grpc" { url = "https://shop/shop.Orders/Get", socket = "/tmp/protocols-tls.sock", rate = "20/s",
  protocol = "grpc", body = "\8\1\0", tls = tls, timeout = "5s" }
t:load "unix-none" { url = "http://shop/echo", socket = "/tmp/none.sock", rate = "20/s" }
t:load "tcp" { url = "tcp://cache:6379", rate = "40/s", tcp = { send = "PING {{n}}\n", expect = "+PONG", ends = "\n" },
  timeout = "5s" }
-- The service gives a head two seconds.
t:load "slowloris" { url = "http://shop:8080/echo", rate = "10/s", slow = { write = "2/s" }, timeout = "5s" }

t:during("fault", t:link(t.client, shop):delay "5ms")
t:budget "latency.p50{load=https} <= 4s in base..fault"
