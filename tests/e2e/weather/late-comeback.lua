-- Purpose: a dependency that needs 1 s to be ready again, with time to heal in after that.  Topology: client -> web, db.
-- Expected: PASS, with the delay said: heal begins when db is back, and what was due until then counts in fault.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "late-comeback" { phases = { base = "1s", fault = "1s", heal = "4s" } }
local db = t:dependency "db" { command = { "sh", "-c", "sleep 1; echo up; sleep 100" }, ready = bo.log "up" }
local web = t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
t:during("fault", db:kill())
-- goes on while db is waited for
t:during("fault", "heal", t:link(web, db):delay { from = "1ms", to = "100ms", over = "3s" })
