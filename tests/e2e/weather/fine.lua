-- Purpose: the control: nothing is wrong.  Topology: client -> web, db.  Expected verdict: PASS.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "fine" { phases = common.phases }
-- both listen on port 8080: each node has a network namespace of its own, so a port is never taken
t:dependency "db" { command = { "sh", "-c", common.serve }, ready = bo.tcp(8080) }
t:subject "web" (common.web { ready = bo.http "http://web:8080/" })
common.load(t)
