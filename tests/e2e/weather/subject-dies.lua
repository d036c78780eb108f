-- Purpose: the subject ends under load.  Topology: client -> web.  Expected: FAIL, whatever the budgets say.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "subject-dies" { phases = common.phases }
t:subject "web" {
	command = { "sh", "-c", "echo hello > /tmp/index.html; busybox httpd -f -p 8080 -h /tmp & sleep 1.5; exit 9" },
	ready = bo.tcp(8080),
}
common.load(t)
