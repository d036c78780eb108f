-- Purpose: a dependency that gets ready and ends while the subject is still starting.  Topology: client -> web, db.
-- Expected: INCONCLUSIVE: the run would be one without its dependency.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "dies-once-ready" { phases = common.phases }
t:dependency "db" { command = { "sh", "-c", "echo up; sleep 0.3; exit 3" }, ready = bo.log "up" }
t:subject "web" { command = { "sh", "-c", "sleep 1; " .. common.serve }, ready = bo.tcp(8080) }
common.load(t)
