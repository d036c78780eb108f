-- Purpose: a dependency that needs longer to be ready again than the run has time left, and may.
-- Topology: client -> web, db.  Expected: INCONCLUSIVE when the time of the run is over, not when db's deadline is.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "comes-back-too-late" { phases = { base = "1s", fault = "1s", heal = "1s", settle = "1s" } }
local db = t:dependency "db" {
	command = { "sh", "-c", "sleep 5; echo up; sleep 600" }, ready = bo.log("up", { deadline = "10m" }),
}
t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
t:during("fault", db:kill())
