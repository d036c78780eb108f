-- Purpose: what the bad-weather scenarios share: a small web server as the subject, and short phases.
-- Topology: client -> web (-> whatever the scenario adds).  Expected verdict: none of its own.
local M = {}

M.phases = { base = "1s", fault = "1s" }

-- busybox answers / with index.html from the node's own /tmp
M.serve = "echo hello > /tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp"

function M.web(extra)
	local node = { command = { "sh", "-c", M.serve } }
	for k, v in pairs(extra or {}) do
		node[k] = v
	end
	return node
end

function M.load(t)
	t:load "get" { url = "http://web:8080/", rate = "100/s", timeout = "1s" }
	-- wide: busybox has a backlog of 9 and a fork per request, and neither is what these scenarios are about
	t:budget "errors.ratio <= 20% in base..fault"
end

return M
