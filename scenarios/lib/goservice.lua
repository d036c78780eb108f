-- SPDX-License-Identifier: Apache-2.0
-- What most scenarios of a Go service say in the same words.  A module is plain Lua: it returns functions, and a
-- scenario hands them its own `t`.
--
--   local goservice = require "goservice"
--   local orders = t:subject "orders" (goservice.http("orders", 8080, { "orders", "--timeout", "1s" }))
--   goservice.keeps_timeout(t, 1.0, 0.25)
--   goservice.leaves_nothing(t)
local bo = require "brownout"

local goservice = {}

-- The table of a node that serves HTTP on `port`: ready when `/healthz` answers, goroutines counted through
-- net/http/pprof on the same port.  `more` adds to it or replaces parts of it.
function goservice.http(name, port, command, more)
  local base = ("http://%s:%d"):format(name, port)
  local node = {
    command = command,
    ready = bo.http(base .. "/healthz"),
    probes = { pprof = base .. "/debug/pprof" },
  }
  for key, value in pairs(more or {}) do
    node[key] = value
  end
  return node
end

-- A request timeout of `timeout` seconds is real: no answer, late or not, comes later than that plus `slack`.
function goservice.keeps_timeout(t, timeout, slack)
  t:budget(("latency.max <= %gs in fault"):format(timeout + (slack or 0.25 * timeout)))
end

-- Goroutines return to what they were, twice: while the fault is on and nothing is asked any more (healing would
-- complete stuck calls and hide a leak), and in the end.  Either one alone lets one kind of leak pass.
function goservice.leaves_nothing(t, count)
  count = count or 5
  t:budget(("goroutines.delta <= %d at hold"):format(count))
  t:budget(("goroutines.delta <= %d at settle"):format(count))
end

return goservice
