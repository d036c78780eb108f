-- Purpose: the command does not exist.  Topology: web.  Expected: exit 2, this file's line 7, nothing started.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "not-found" { phases = common.phases }

t:subject "web" { command = { "no-such-program-anywhere" } }
common.load(t)
