-- SPDX-License-Identifier: Apache-2.0
-- Every kind of load there is.
local bo = require "brownout"

local t = bo.scenario "loads" {
  phases = { base = "5s", fault = "10s", settle = "6s" },
}
local db = t:dependency "db" (bo.stub { protocol = "tcp", port = 5432 })
local orders = t:subject "orders" { command = { "no-such-program" }, ready = bo.tcp(8080) }

t:load "mix" {
  url = "http://orders:8080",
  rate = { from = "50/s", to = "400/s", over = "8s" },
  arrivals = "poisson",
  routes = {
    { name = "list", weight = 8, path = "/orders?page={{rand:100}}" },
    { name = "buy", weight = 1, method = "POST", path = "/orders", headers = { ["Idempotency-Key"] = "{{uuid}}" },
      body = '{"order":{{n}},"at":{{now}}}' },
  },
}
t:load "stairs" { url = "http://orders:8080/", rate = { steps = { "50/s", "100/s", "200/s" }, each = "3s" } }
t:load "herd" { url = "http://orders:8080/", arrivals = "burst", burst = { count = 100, every = "2s" } }
t:load "users" { url = "http://orders:8080/", arrivals = "closed", clients = 20, think = "50ms" }
t:load "secure" { url = "https://orders:8443/", rate = "100/s", tls = { insecure = true, resume = true } }
t:load "h2" { url = "http://orders:8081/", rate = "100/s", protocol = "h2", streams = 10 }
t:load "rpc" { url = "https://orders:8443/shop.Orders/Get", rate = 50, protocol = "grpc", body = "\8\1\0",
  tls = { insecure = true, name = "orders.example" } }
t:load "raw" { url = "tcp://db:5432", rate = "10/s", tcp = { send = "PING\r\n", expect = "+", ends = "\n" } }
t:load "loris" { url = "http://orders:8080/", rate = "5/s", slow = { write = "10/s" }, timeout = "5s" }
t:load "snail" { url = "http://orders:8080/big", rate = "5/s", slow = { read = "100/s" }, timeout = "5s" }
t:load "idle" { url = "http://orders:8080/", hold = { count = 50 } }

t:during("fault", t:link(orders, db):delay "50ms")
t:budget "latency.p99 <= 250ms in fault"
