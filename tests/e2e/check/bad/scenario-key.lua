local bo = require "brownout"
local t = bo.scenario "x" {
  phase = { base = "5s" },
}
