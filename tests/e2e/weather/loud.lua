-- Purpose: the service prints 1 GiB.  Topology: client -> web.  Expected: PASS; the log is kept up to its bound.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "loud" { phases = { base = "2s", fault = "2s" } }
t:subject "web" {
	command = { "sh", "-c", "head -c 1073741824 /dev/zero | tr '\\0' 'x' & " .. common.serve },
	ready = bo.tcp(8080),
}
common.load(t)
