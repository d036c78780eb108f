-- Purpose: long enough to be interrupted.  Topology: client -> web, db behind a delayed link.
-- Expected: ABORTED on Ctrl-C, INCONCLUSIVE when the keeper dies.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "long" { phases = { base = "1s", fault = "60s" } }
local db = t:dependency "db" { command = { "sh", "-c", common.serve }, ready = bo.tcp(8080), memory = "64MiB" }
local web = t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
t:during("fault", t:link(web, db):delay "20ms", db:memory { to = "32MiB" })
