-- Purpose: a dependency ends though no fault asked it to.  Topology: client -> web, db.  Expected: INCONCLUSIVE.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "backend-dies" { phases = common.phases }
t:dependency "db" { command = { "sh", "-c", "sleep 1.2; echo disk on fire; exit 3" } }
t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
