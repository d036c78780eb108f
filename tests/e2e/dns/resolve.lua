-- Purpose: names looked up by Go's resolver and by the C library's while the name server fails.
-- Topology: client -> web (looks up db and cache, and calls neither).  Expected verdict: none of its own.
local bo = require "brownout"

local case = bo.param("case", "answers")
-- Each look-up of the C library's is a process: a slow machine is asked for a third as many, for three times as long.
local times = bo.param("slow", false) and 3 or 1
local long = { timeout = 13, slow = 4 }
local t = bo.scenario "resolve" { phases = { base = times .. "s", fault = (long[case] or 6 * times) .. "s", heal = times .. "s" } }
local db = t:dependency "db" (bo.stub { protocol = "tcp", port = 5432 })
local cache = t:dependency "cache" (bo.stub { protocol = "tcp", port = 6379 })
local web = t:subject "web" {
  command = { "resolver" },
  ready = bo.http "http://web:8080/ready",
  dns = case ~= "hosts",
}
for _, by in ipairs { "go", "libc" } do
  t:load(by) {
    url = "http://web:8080/" .. by .. "?name=" .. (case == "never" and "cache" or "db"), rate = 10 / times, timeout = "12s",
  }
end
if case == "name" then
  t:load "other" { url = "http://web:8080/go?name=cache", rate = "5/s", timeout = "12s" }
  t:load "nobody" { url = "http://web:8080/libc?name=nobody.example.com", rate = "5/s", timeout = "12s" }
end
t:budget "errors.ratio <= 100% in fault"

if case == "answers" then
  for i, fault in ipairs { { fail = "nxdomain" }, { fail = "servfail" }, { fail = "refused" }, { answer = cache }, { answer = "10.9.9.9" } } do
    t:during("fault", web:dns(fault), { after = (i - 1) * times .. "s", lasts = 900 * times .. "ms" })
  end
elseif case == "slow" then
  t:during("fault", web:dns { delay = "300ms" }, { lasts = "3500ms" })
elseif case == "timeout" then
  t:during("fault", web:dns "timeout")
elseif case == "name" or case == "never" then
  t:during("fault", web:dns("nxdomain", { name = db }))
end
