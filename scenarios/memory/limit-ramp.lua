-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   the container's memory limit comes down in steps under load. The service may get slower and refuse work; it
--            must live, stay below 85 % of what is left, and be back when the limit is.
--            docs/incidents.md, "The memory limit comes down".
-- Topology:  client ── report
-- Faults:    the limit of report's own cgroup, 256 MiB → 96 MiB in 8 steps; never a stressor beside it.
-- Expected:  variant=fixed      PASS: bounded cache that follows the limit
--            variant=defective  FAIL: cache without a bound, killed by the kernel
--            variant=wrongfix   FAIL: GOMEMLIMIT set, cache without a bound, killed by the kernel
local bo = require "brownout"

local variant = bo.param("variant", "fixed")

local t = bo.scenario "memory-limit-ramp" {
  about  = "A memory limit that comes down makes the service smaller, not dead.",
  phases = { warmup = "1s", base = "4s", fault = "12s", heal = "3s", settle = "2s" },
}

local report = t:subject "report" {
  command = { "report-" .. variant, "--report-bytes", "65536", "--memory-limit", "268435456" },
  ready   = bo.http "http://report:8080/healthz",
  memory  = "256MiB",
}

-- Every request is for a customer never seen before: 12.5 MiB of new reports per second.
t:load "report" {
  url = "http://report:8080/report", rate = "200/s", arrivals = "poisson", timeout = "2s",
}

t:during("fault", report:memory { to = "96MiB", steps = 8, over = "8s", knob = "max" })

t:budget "oom.kills == 0"
t:budget "memory.usage <= 85% of limit in fault"
t:budget "latency.p95 <= 1s in base"
t:budget "latency.p99 <= 1s in fault"
t:budget "errors.ratio <= 5% in fault"
t:budget "errors.ratio <= 2% in heal"
