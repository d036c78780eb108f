-- Purpose: datagrams that are refused, or vanish, as a Go client sees it: see ../connections.sh.
-- Topology: client -> web -> db (UDP).  Expected: per case, in connections.sh.
local bo = require "brownout"

local case = bo.param("case", "refuse-udp")

local t = bo.scenario "datagrams" {
	phases = { warmup = "1s", base = "2s", fault = "4s", heal = "2s", settle = "1s" },
}
local db = t:dependency "db" { command = { "datagrams", "--serve", ":5353" }, ready = bo.http "http://db:8080/healthz" }
local web = t:subject "web" {
	command = { "datagrams", "--peer", "db:5353", "--timeout", "1s" },
	ready = bo.http "http://web:8080/healthz",
}
t:load "ask" { url = "http://web:8080/ask", rate = 40, timeout = "4s" }

local link = t:link(web, db)
if case == "refuse-udp" then
	t:during("fault", link:refuse { protocol = "udp", port = 5353 })
elseif case == "share-udp" then
	t:during("fault", link:refuse { protocol = "udp", port = 5353, share = "40%" })
elseif case == "drop-udp" then
	t:during("fault", link:drop { protocol = "udp", port = 5353, toward = db })
end
