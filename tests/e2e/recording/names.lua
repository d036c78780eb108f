-- Purpose: two links whose ends' names, joined, read the same.  Topology: a -> b-c, a-b -> c.  Expected verdict: none of its own.
local bo = require "brownout"

local t = bo.scenario "names" { phases = { base = "1s" } }
local function asker(of)
  return { command = { "sh", "-c", "while :; do busybox nc -w 1 " .. of .. " 1 </dev/null; sleep 0.1; done" } }
end
local a = t:subject "a" (asker "b-c")
local ab = t:dependency "a-b" (asker "c")
local bc = t:dependency "b-c" (bo.stub { protocol = "tcp", port = 1 })
local c = t:dependency "c" (bo.stub { protocol = "tcp", port = 1 })
t:link(a, bc):record {}
t:link(ab, c):record {}
