-- Purpose: every impairment of a link, one after the other, each confirmed by measurement on whatever driver there is.
-- Topology: client -> web, db.  Expected: every fault confirmed; verdict INCONCLUSIVE (there is nothing to judge).
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "impairments" { phases = { base = "1.5s", fault = "18s" } }
local db = t:dependency "db" { command = { "sh", "-c", common.serve }, ready = bo.tcp(8080) }
local web = t:subject "web" (common.web { ready = bo.tcp(8080), probes = false })
local link = t:link(web, db)

t:during("fault", link:delay "30ms", { after = "0s", lasts = "2s" })
t:during("fault", link:impair { delay = "30ms", jitter = "10ms" }, { after = "3s", lasts = "3s" })
t:during("fault", link:loss "20%", { after = "7s", lasts = "4s" })
t:during("fault", link:rate "4Mbit/s", { after = "12s", lasts = "3s" })
t:during("fault", link:blackhole { toward = db }, { after = "16s", lasts = "1s" })
t:during("fault", db:pause(), { after = "17.2s", lasts = "500ms" })
