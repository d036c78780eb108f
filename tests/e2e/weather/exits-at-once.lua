-- Purpose: the service ends before it is ready.  Topology: web.  Expected: INCONCLUSIVE, with its last line of output.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "exits-at-once" { phases = common.phases }
t:subject "web" {
	command = { "sh", "-c", "echo cannot open my database >&2; exit 7" },
	ready = bo.tcp(8080),
}
common.load(t)
