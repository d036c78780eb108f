-- Purpose: --stop-early.  The link to the backend is 50 ms away; what the one budget of latency allows decides, and so does
-- whether another budget needs the end of the run.
-- Topology: client -> orders -> db.  Expected verdict: PASS; with kill=true FAIL.
local bo = require "brownout"

local t = bo.scenario "early" { phases = { base = "2s", fault = bo.param("fault", "60s"), settle = "2s" } }
local db = t:dependency "db" {
	command = { "backend", "--listen", ":5432", "--service-time", "2ms" }, ready = bo.tcp(5432),
}
local orders = t:subject "orders" {
	command = { "orders-fixed", "--backend", "db:5432", "--timeout", "3s", "--pool", "64" },
	ready = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = "200/s", timeout = "5s" }
if bo.param("kill", false) then
	-- What breaks, breaks on a machine of any speed, and nothing does before.
	t:during("fault", db:kill())
	t:budget "errors.ratio <= 20% in fault"
else
	t:during("fault", t:link(orders, db):delay "50ms")
	t:budget("latency.p95 <= 2s in " .. bo.param("where", "fault"))
end
if bo.param("settles", "no") == "yes" then
	t:budget "goroutines.delta <= 200 at settle"
end
if bo.param("warns", "no") == "yes" then
	t:budget "warn latency.p95 <= 20ms in fault"
end
