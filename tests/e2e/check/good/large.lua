-- SPDX-License-Identifier: Apache-2.0
-- One of everything.
local bo = require "brownout"

local t = bo.scenario "large" {
  about = "Every word of the language once.",
  phases = { warmup = "2s", base = "5s", fault = "10s", hold = "4s", heal = "2s", settle = "5s" },
  timeout = "1s",
  driver = "wire",
  seed = 42,
}
t:dependency "cache" {
  command = { "redis-server", "--port", 6379 },
  ready = bo.log("Ready to accept connections", { deadline = "5s" }),
  pids = 50,
}
local db = t:dependency "db" {
  command = { "./backend", "--listen", ":5432" },
  env = { GOMAXPROCS = 2, GODEBUG = "madvdontneed=1" },
  cwd = "/tmp",
  ready = bo.command { "pg_isready", "-q" },
  after = { "cache" },
  probes = true,
}
local pay = t:dependency "pay" (bo.stub {
  protocol = "http", port = 8081, delay = "20ms", mode = "ok", status = 202, body = "accepted", memory = "32MiB",
})
local orders = t:subject "orders" {
  command = { "orders", "--db", "db:5432" },
  ready = bo.http "http://orders:8080/healthz",
  memory = "256MiB",
  cpus = 1.5,
  pids = 100,
  probes = {
    pprof = "http://orders:6060/debug/pprof",
    expvar = "http://orders:8080/debug/vars",
    expvar_goroutines = "goroutines",
    interval = "50ms",
  },
}
t:load "checkout" {
  url = "http://orders:8080/checkout?cart=1",
  method = "POST",
  headers = { Accept = "application/json", ["X-Test"] = "yes" },
  body = '{"item": 1}',
  rate = "200/s",
  arrivals = "poisson",
  timeout = "5s",
  max_inflight = 500,
  keepalive = false,
  abandon = "4s",
}
t:load "websocket" { url = "http://orders:8080/events", hold = { count = 50, time = "8s", vanish = true } }

local slow = t:link(orders, db):delay { delay = "50ms", jitter = "5ms", toward = db }
t:during("fault", slow, t:link("orders", pay):loss "2%")
t:during("fault", t:link(t.client, orders):rate("10Mbit/s"), { after = "1s", lasts = "3s" })
t:during("fault", orders:memory { to = "60%", steps = 4, over = "5s" }, { after = "2s" })
t:during("fault", "hold", t:link(orders, "cache"):blackhole())
t:during("fault", pay:pause(), { after = "5s", lasts = "2s" })

t:budget "latency.p99 <= 800ms in fault"
t:budget "errors.ratio <= 5% in fault"
t:budget "goroutines.delta <= 5 at hold"
t:budget "oom.kills == 0"
