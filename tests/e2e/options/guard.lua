-- Purpose: a guard ends a run that gets out of hand. Its backend is gone, and the defective build waits for it without
-- end, so that more and more requests are under way; the fixed one gives up after 1 s, so that at most 50 are.
-- Topology: client -> orders -> db.  Expected verdict: variant=defective ABORTED, variant=fixed PASS.
local bo = require "brownout"

local t = bo.scenario "guard" { phases = { base = "2s", fault = bo.param("fault", "6s") } }
local db = t:dependency "db" {
	command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432),
}
local orders = t:subject "orders" {
	command = { "orders-" .. bo.param("variant", "fixed"), "--backend", "db:5432", "--timeout", "1s", "--pool", "8" },
	ready = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = "50/s", timeout = "30s" }
t:during("fault", t:link(orders, db):blackhole())
t:guard "inflight > 100 for 500ms"
t:budget "errors.ratio <= 20% in base"
