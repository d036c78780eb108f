-- Purpose: a link whose every packet is kept with its fate.  Topology: client -> web.  Expected verdict: none of its own.
local bo = require "brownout"

local t = bo.scenario "lossy" { phases = { base = "1s", fault = "2s", heal = "1s" } }
local web = t:subject "web" {
  command = { "sh", "-c", "echo hello > /tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp" },
  ready = bo.tcp(8080),
}
t:load "get" { url = "http://web:8080/", rate = "30/s", timeout = "1s" }
local link = t:link(t.client, web)
if bo.param("record", true) then
  link:record { snaplen = 60, limit = bo.param("limit", "4MiB") }
end
t:during("fault", link:delay "30ms", link:loss "20%")
t:during("heal", link:blackhole(), { lasts = "500ms" })
