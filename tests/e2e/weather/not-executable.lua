-- Purpose: the command is a file without the x bit.  Topology: web.  Expected: exit 2, this file's line 7.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "not-executable" { phases = common.phases }

t:subject "web" { command = { "./common.lua" } }
common.load(t)
