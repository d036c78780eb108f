-- Purpose: the service runs and never listens.  Topology: web.  Expected: INCONCLUSIVE after the readiness deadline.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "never-ready" { phases = common.phases }
t:subject "web" {
	command = { "sh", "-c", "echo still warming up; exec tail -f /dev/null" },
	ready = bo.tcp(8080, { deadline = "1s" }),
}
common.load(t)
