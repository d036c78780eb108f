-- Purpose: long enough to be stopped and continued in the middle of a phase.  Topology: client -> web.
-- Expected: INCONCLUSIVE, for the wire and the load stood still with the process.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "suspended" { phases = { base = "2s", settle = "1s" } }
t:subject "web" (common.web { ready = bo.tcp(8080) })
t:load "get" { url = "http://web:8080/", rate = "50/s", timeout = "60s" }
t:budget "errors.ratio <= 20% in base"
