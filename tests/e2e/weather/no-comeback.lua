-- Purpose: a dependency that starts once, and the second time dies before it is ready.
-- Topology: client -> web, db -> memo.  Expected: INCONCLUSIVE, with the kill confirmed: it did take effect.
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "no-comeback" { phases = { base = "1s", fault = "1s", heal = "1s" } }
-- Nothing of a node's first life is left in it, so somebody else has to remember.
local memo = t:dependency "memo" {
	command = { "sh", "-c", [[mkdir -p /tmp/cgi-bin
printf '#!/bin/sh\ntouch /tmp/been\necho\n' >/tmp/cgi-bin/note; chmod +x /tmp/cgi-bin/note
]] .. common.serve }, ready = bo.tcp(8080),
}
local db = t:dependency "db" {
	command = { "sh", "-c", [[if busybox wget -qO- http://memo:8080/been; then sleep 0.2; exit 3; fi
busybox wget -qO- http://memo:8080/cgi-bin/note; echo up; sleep 100]] },
	ready = bo.log "up", after = { "memo" },
}
t:link(db, memo)
t:subject "web" (common.web { ready = bo.tcp(8080) })
common.load(t)
t:during("fault", db:kill())
