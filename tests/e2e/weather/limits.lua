-- Purpose: a node with an unlucky name, and what a service sees as its limit.  Topology: client, web, tasks.
-- Expected: PASS.  A cgroup v1 group has a file of its own that is called "tasks".
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "limits" { phases = common.phases }
t:dependency "tasks" { command = { "sleep", "100" } }
t:subject "web" (common.web {
	command = { "sh", "-c", "echo open files: $(ulimit -n); " .. common.serve }, ready = bo.tcp(8080),
})
t:load "get" { url = "http://web:8080/", rate = "100/s", timeout = "1s", max_inflight = 50 }
t:budget "errors.ratio <= 20% in base..fault"
