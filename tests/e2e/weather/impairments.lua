-- Purpose: every family of impairments, on all directions of three links at once, each confirmed by measurement on
-- whatever driver there is; --set wire=true adds what only the wire does.
-- Topology: client -> web, db.  Expected: every fault confirmed; verdict INCONCLUSIVE (there is nothing to judge).
local bo = require "brownout"
local common = require "common"

local t = bo.scenario "impairments" { phases = { base = "1.5s", fault = "28s" } }
local db = t:dependency "db" { command = { "sh", "-c", common.serve }, ready = bo.tcp(8080) }
local web = t:subject "web" (common.web { ready = bo.tcp(8080), probes = false })
local back, front, side = t:link(web, db), t:link(t.client, web), t:link(t.client, db)

local function at(after, lasts, fault)
  t:during("fault", fault, { after = after, lasts = lasts })
end

-- web -> db: delays, a rate, a hole
at("0s", "2s", back:delay("30ms", { toward = db }))
at("2.5s", "3.5s", back:delay("40ms", { jitter = "8ms", distribution = "normal", toward = db }))
at("6.5s", "3.5s", back:delay { samples = "delays.txt", toward = db })
at("10.5s", "3.5s", back:rate("4Mbit/s", { overhead = 24, toward = db }))
at("14.5s", "1s", back:blackhole { toward = db })
at("16s", "3.5s", back:slot { min = "50ms", max = "60ms", toward = db })

-- db -> web: a ramp, and losses under it
at("0s", "10s", back:delay { from = "10ms", to = "200ms", over = "8s", toward = web })
at("1s", "8s", back:loss("20%", { toward = web }))
at("10.5s", "9s", back:loss { from = 0, to = "50%", over = "6s", toward = web })

-- client -> web: copies, damage, order
at("0s", "8s", front:duplicate("10%", { toward = web }))
at("0s", "8s", front:corrupt("20%", { toward = web }))
at("9s", "6s", front:reorder("25%", { gap = 3, delay = "60ms", toward = web }))
at("16s", "3s", front:impair { delay = "30ms", jitter = "10ms", loss = "20%", toward = web })

-- web -> client: a link that flaps, and losses in bursts
at("0s", "8s", front:flap { every = "1s", down = "250ms", toward = t.client })
at("8.5s", "11s", front:loss { model = "gemodel", p = "3%", r = "25%", toward = t.client })

-- client <-> db: a line
at("0s", "9s", side:profile("3G", { toward = t.client }))
at("0s", "9s", side:rate { from = "16Mbit/s", to = "4Mbit/s", over = "7s", toward = db })
at("10s", "9s", side:loss { model = "state", p13 = "5%", p31 = "30%", p32 = "20%", p23 = "50%", toward = db })
at("19.2s", "500ms", db:pause())

-- what hangs together from one packet to the next
at("20s", "7.5s", front:loss("40%", { correlation = "60%", toward = web }))
at("20s", "7.5s", side:duplicate("40%", { correlation = "60%", toward = db }))
at("20s", "7.5s", front:corrupt("40%", { correlation = "75%", toward = t.client }))
at("20s", "7.5s", back:reorder("40%", { correlation = "60%", delay = "60ms", toward = web }))

if bo.param("wire", false) then
  at("20s", "7.5s", back:delay("40ms", { jitter = "20ms", correlation = "50%", toward = db }))
  at("10s", "4s", side:trace("trace.txt", { toward = t.client }))
  at("15s", "4s", side:delay("40ms", { jitter = "20ms", in_order = true, toward = t.client }))
end
