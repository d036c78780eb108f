-- Purpose: a scenario that never ends.  Topology: none.  Expected: exit 2 at line 5, soon.
local bo = require "brownout"

local t = bo.scenario "endless" {}
while true do end
t:budget "errors.ratio <= 1%"
