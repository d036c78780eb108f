-- Purpose: a dependency that needs 3 s to be ready again, in a heal phase of 1 s.  Topology: client -> web, db.
-- Expected: INCONCLUSIVE: there was no time to heal in.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "slow-comeback" { phases = { base = "1s", fault = "1s", heal = "1s" } }
local db = t:dependency "db" { command = { "sh", "-c", "sleep 3; echo up; sleep 100" }, ready = bo.log "up" }
t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
t:during("fault", db:kill())
