-- Purpose: faults on connections against a service with a pool of them: see ../connections.sh.
-- Topology: client -> orders -> db.  Expected: per case, in connections.sh.
local bo = require "brownout"

local case = bo.param("case", "reset")
local variant = bo.param("variant", "fixed")

local t = bo.scenario "connections" {
	phases = { warmup = "1s", base = "2s", fault = "5s", heal = "2s", settle = "1s" },
}
local db = t:dependency "db" { command = { "backend", "--listen", ":5432" }, ready = bo.tcp(5432) }
local orders = t:subject "orders" {
	command = { "orders-" .. variant, "--backend", "db:5432", "--timeout", "1s", "--pool", "32" },
	ready = bo.http "http://orders:8080/healthz",
}
t:load "checkout" { url = "http://orders:8080/checkout", rate = 60, timeout = "4s" }

local link = t:link(orders, db)
if case == "reset" then
	t:during("fault", link:reset { port = 5432 })
	t:budget "must errors.ratio <= 1% within 2s of fault sustained for 2s"
elseif case == "connect-timeout" then
	-- Nothing can be dialled any more, and then the pool is emptied.
	t:during("fault", link:syn_drop { port = 5432 }, link:reset { port = 5432 })
	-- Between the service's 1 s and the client's 4 s.
	t:budget "latency.p95 <= 2s in fault"
elseif case == "second-statement" then
	t:during("fault", link:reset { port = 5432, contains = "GET", occurrence = 2, connections = "new" }, link:reset { port = 5432 })
elseif case == "refuse" then
	t:during("fault", link:refuse { port = 5432, toward = db }, link:reset { port = 5432 })
elseif case == "unreachable" then
	t:during("fault", link:refuse { with = "host-unreachable", port = 5432, toward = db }, link:reset { port = 5432 })
elseif case == "cut" then
	t:during("fault", link:data_limit("100B", { port = 5432, toward = orders }))
elseif case == "close" then
	t:during("fault", link:data_limit("100B", { port = 5432, toward = orders, how = "close" }))
elseif case == "stall" then
	t:during("fault", link:stall("100B", { port = 5432, toward = orders }))
elseif case == "drip" then
	t:during("fault", link:drip("4B", { every = "100ms", port = 5432, toward = orders }))
elseif case == "share" then
	-- Each answer comes by a connection of its own, and of those a share says nothing.
	t:during("fault", link:reset { port = 5432, contains = "GET", occurrence = 2, connections = "new" }, link:reset { port = 5432 },
		link:stall { port = 5432, connections = "new", toward = orders, share = "30%" })
elseif case == "few" then
	t:during("fault", link:reset { port = 5432, share = 0.01 })
elseif case == "nothing" then
	t:during("fault", link:reset { port = 5433 })
end
