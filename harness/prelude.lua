-- SPDX-License-Identifier: Apache-2.0
-- harness/prelude.lua — the words that a scenario is written in; what `require "brownout"` returns.
-- Only the shape of the language is here.  `core` (src/script/bind_*.c) reads the tables, checks everything and
-- writes the plan; it finds the user's own line by itself, so nothing below needs to carry it along.
-- Runs before every scenario, in the scenario's sandbox, but keeps what it needs out of the scenario's reach.
local core = ...
local rawequal, setmetatable = rawequal, setmetatable

local scenario, methods, bo = nil, {}, {}

-- A table whose fields can be read and neither changed nor misspelt.
local function sealed(what, fields, extra)
	local meta = extra or {}
	meta.__metatable = false
	meta.__index = function(_, key)
		local value = fields[key]
		if value == nil then
			core.unknown(what, key, fields)
		end
		return value
	end
	meta.__newindex = function()
		core.fail(what .. " cannot be changed")
	end
	return setmetatable({}, meta)
end

-- `word "name"` waits for `{ … }`.  One that never gets it is an error at the end, not a silent nothing.
local function named(what, declare)
	return function(name)
		local open = core.open(what, name)
		local function unfinished()
			core.fail(what .. ' "' .. name .. '" has no table yet; write ' .. what .. ' "' .. name .. '" { … }')
		end
		return setmetatable({}, {
			__metatable = false,
			__index = unfinished,
			__newindex = unfinished,
			__call = function(_, spec)
				core.close(open)
				return declare(name, spec)
			end,
		})
	end
end

local function method(name, call)
	methods[name] = function(self, ...)
		if not rawequal(self, scenario) then
			core.fail("call it with a colon: t:" .. name)
		end
		return call(...)
	end
end

method("subject", named("t:subject", function(name, spec)
	return core.node("subject", name, spec)
end))
method("dependency", named("t:dependency", function(name, spec)
	return core.node("dependency", name, spec)
end))
method("attach", named("t:attach", core.attach))
method("load", named("t:load", core.load))
method("link", core.link)
method("during", core.during)
method("budget", core.budget)
method("guard", core.guard)

bo.scenario = named("bo.scenario", function(name, spec)
	core.scenario(name, spec)
	methods.client = core.client()
	scenario = sealed("the scenario", methods)
	return scenario
end)

bo.tcp, bo.http, bo.log, bo.command = core.tcp, core.http, core.log, core.command
bo.unix = core.unix
bo.stub = core.stub
bo.param = core.param
bo.params = setmetatable({}, {
	__metatable = false,
	__index = function(_, key)
		return core.params(key)
	end,
	__newindex = function()
		core.fail("bo.params cannot be changed; it is what --set says")
	end,
	__pairs = function()
		return pairs(core.params())
	end,
})

return sealed("brownout", bo)
