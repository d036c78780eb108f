-- SPDX-License-Identifier: Apache-2.0
-- A few goroutines leak under a slow backend; how they are counted depends on the program: see samplers.sh.
local bo = require "brownout"

local program = bo.param("program", "orders-defective")
local wrapped = bo.param("wrapped", false)

local t = bo.scenario "samplers" {
  about  = "Which sampler finds four leaked goroutines?",
  phases = { warmup = "500ms", base = "4s", fault = "2s", hold = "1500ms", heal = "1s", settle = "4s" },
}
local db = t:dependency "db" {
  command = { "backend", "--listen", ":5432", "--service-time", "2ms" },
  ready   = bo.tcp(5432),
}
local command = { program, "--backend", "db:5432", "--timeout", "300ms" }
if wrapped then
  -- A line of its own keeps the shell from becoming the program.
  command = { "sh", "-c", "./" .. table.concat(command, " ") .. "\ntrue" }
end
local orders = t:subject "orders" { command = command, ready = bo.http "http://orders:8080/healthz" }

-- Constant arrivals, each given up before the backend's answer is here: its goroutine sends to nobody.
t:load "checkout" { url = "http://orders:8080/checkout", rate = "2/s", timeout = "500ms" }
t:during("fault", t:link(orders, db):impair { delay = "600ms" })

t:budget "goroutines.leaked == 0 at settle"
t:budget 'goroutines{site="orders.(*Service).lookup"} == 0 at settle'
t:budget 'goroutines{site="orders.(*Service).lookup", stuck=true} == 0 at settle'
