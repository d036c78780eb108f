-- SPDX-License-Identifier: Apache-2.0
-- Workers that idle in a pool and goroutines that leaked, in the same state at the same line: budgets tell them apart.
local bo = require "brownout"

local t = bo.scenario "stuck-or-idle" {
  phases = { warmup = "500ms", base = "1s", settle = "2s" },
}
t:subject "pool" {
  command = { "zoo", "-pool", "8", "-leaked", "13", "-tick", "20ms" },
  ready = bo.log "ready",
}
t:budget 'goroutines{site="main.newPool", stuck=true} == 13 at settle'
t:budget 'goroutines{site="main.newPool", stuck=false} == 8 at settle'
