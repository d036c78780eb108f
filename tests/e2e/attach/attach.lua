-- SPDX-License-Identifier: Apache-2.0
-- Purpose:   faults on a service that runs already; attach.sh starts it
-- Topology:  (host) ── orders ── db
local bo = require "brownout"

local t = bo.scenario "attach" {
  about  = "A slow database behind a service that runs already.",
  phases = { base = "1500ms", fault = bo.param("fault", "3s"), heal = "1s" },
}
local allow = {}
for word in string.gmatch(bo.param("allow", ""), "%a+") do
  allow[#allow + 1] = word
end
local orders = t:attach "orders" {
  pid = bo.param("pid", 0) ~= 0 and bo.param("pid", 0) or nil,
  netns = bo.param("netns", "") ~= "" and bo.param("netns", "") or nil,
  container = bo.param("container", "") ~= "" and bo.param("container", "") or nil,
  address = "10.80.0.2",
  allow = allow,
  ttl = bo.param("ttl", "20s"),
}
local db = orders:peer "db" { address = bo.param("peer", "10.81.0.2"), port = 5432 }

t:load "checkout" { url = "http://orders:8080/checkout", rate = 40, timeout = "3s" }

local what = bo.param("what", "delay")
if what == "delay" then
  t:during("fault", t:link(orders, db):delay("150ms", { toward = db }))
elseif what == "blackhole" then
  t:during("fault", t:link(orders, db):blackhole())
elseif what == "loss" then
  t:during("fault", t:link(orders, db):loss("20%"))
elseif what == "corrupt" then
  t:during("fault", t:link(orders, db):corrupt("20%"))
elseif what == "duplicate" then
  t:during("fault", t:link(orders, db):duplicate("20%"))
elseif what == "rate" then
  t:during("fault", t:link(orders, db):rate("1Mbit/s"))
elseif what == "pause" then
  t:during("fault", orders:pause(), { lasts = "1s" })
elseif what == "kill" then
  t:during("fault", orders:kill())
end

t:budget "latency.p50 < 1s in base"
if what == "delay" then
  t:budget "latency.max >= 150ms in fault"
end
