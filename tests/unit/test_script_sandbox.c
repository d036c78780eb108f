/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_sandbox.c — what a scenario's Lua can and cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test_script_support.h"

#define TAIL \
	"local t = require('brownout').scenario 'x' {}\nt:subject 'web' { command = { 'web' } }\n"

/* Lua text that must run without an error */
static void good(const char *text)
{
	char all[4096];

	snprintf(all, sizeof(all), "%s\n%s", text, TAIL);
	bo_plan_free(script_load(all));
}

static void test_nothing_dangerous(void **state)
{
	(void)state;
	good("for _, name in ipairs { 'io', 'os', 'debug', 'package', 'coroutine', 'dofile', 'loadfile', 'warn',\n"
	     "                      'loadstring', 'module' } do\n"
	     "  assert(rawget(_G, name) == nil, name)\n"
	     "end\n"
	     "assert(string.dump == nil)\n"
	     "assert(getmetatable(_G) == false)");
	/* Nothing else became a global either: a new Lua brings no surprise. */
	good("local known = { _G = 1, _VERSION = 1, assert = 1, collectgarbage = 1, error = 1, getmetatable = 1, ipairs = 1,\n"
	     "  load = 1, math = 1, next = 1, pairs = 1, pcall = 1, print = 1, rawequal = 1, rawget = 1, rawlen = 1,\n"
	     "  rawset = 1, require = 1, select = 1, setmetatable = 1, string = 1, table = 1, tonumber = 1,\n"
	     "  tostring = 1, type = 1, utf8 = 1, xpcall = 1 }\n"
	     "for name in next, _G do assert(known[name], name) end");
}

static void test_removed_names_say_so(void **state)
{
	(void)state;
	script_reject("local x = io",
		      "1: 'io' is not available in a scenario, which declares and touches nothing");
	script_reject(
		"local a = 1\nlocal b = aa",
		"2: unknown name 'aa': a misspelt variable, or one that is declared further down?");
	script_reject(
		"x = 1\nassert(x == 1)\nlocal y = _G.z",
		"3: unknown name 'z': a misspelt variable, or one that is declared further down?");
}

static void test_load_is_text_only(void **state)
{
	(void)state;
	good("assert(load('return 1 + 1')() == 2)\n"
	     "assert(load('return x', 'name', 'bt', { x = 5 })() == 5)\n"
	     "local f, why = load('\\27Lua', 'x', 'b')\n"
	     "assert(f == nil and why:find 'binary chunk')\n"
	     "local parts = { 'return ', '7' }\n"
	     "assert(load(function() return table.remove(parts, 1) end)() == 7)");
	/* A chunk that claims to be a file is not taken for one. */
	script_reject("local f = load('error(\"no\")', '@/etc/passwd')\nf()", "2: (load):1: no");
}

static void test_pcall(void **state)
{
	(void)state;
	good("local function pack(...) return { n = select('#', ...), ... } end\n"
	     "local r = pack(pcall(function(a, b) return b, nil, a end, 1, 2))\n"
	     "assert(r.n == 4 and r[1] == true and r[2] == 2 and r[3] == nil and r[4] == 1)\n"
	     "r = pack(pcall(error, { code = 3 }))\n"
	     "assert(r.n == 2 and r[1] == false and r[2].code == 3)\n"
	     "assert(pcall(function() end) == true)\n"
	     "r = pack(xpcall(function(a, b) return a + b, a end, error, 3, 4))\n"
	     "assert(r.n == 3 and r[1] == true and r[2] == 7 and r[3] == 3)\n"
	     "r = pack(xpcall(function() error('oh', 0) end, function(m) return m .. '!' end))\n"
	     "assert(r.n == 2 and r[1] == false and r[2] == 'oh!')\n"
	     "r = pack(xpcall(function() return 'alone' end, error))\n"
	     "assert(r.n == 2 and r[2] == 'alone')\n"
	     "assert(not pcall(pcall))");
}

static void test_no_finalizers(void **state)
{
	(void)state;
	script_reject("setmetatable({}, { __gc = function() end })",
		      "1: setmetatable: __gc is not available in a scenario");
	/* Lua marks an object for finalization in setmetatable() alone, so a later __gc must never be called. */
	good("local mt = {}\n"
	     "local called = false\n"
	     "do local x = setmetatable({}, mt); mt.__gc = function() called = true end end\n"
	     "for i = 1, 200 do local s = ('x'):rep(100000) .. i end\n"
	     "assert(called == false)\n"
	     "assert(getmetatable(setmetatable({}, { __metatable = 'locked' })) == 'locked')");
}

static void test_pairs_in_order(void **state)
{
	(void)state;
	good("local t = { zebra = 1, ant = 2, [10] = 3, [2.5] = 4, [true] = 5, [1] = 6, bee = 7 }\n"
	     "local keys = {}\n"
	     "for k, v in pairs(t) do assert(t[k] == v); keys[#keys + 1] = tostring(k) end\n"
	     "assert(table.concat(keys, ' ') == '1 2.5 10 ant bee zebra true', table.concat(keys, ' '))\n"
	     "for k in pairs(t) do t[k] = nil end\n"
	     "assert(next(t) == nil)\n"
	     "local seen = 0\n"
	     "local own = setmetatable({}, { __pairs = function() return function(_, k) return not k and 1 or nil end end })\n"
	     "for k in pairs(own) do seen = seen + k end\n"
	     "assert(seen == 1)\n"
	     "t = { a = 1, b = 2, c = 3 }\n"
	     "local n = 0\n"
	     "for k in pairs(t) do n = n + 1; if k == 'a' then t.b = nil end end\n"
	     "assert(n == 2)");
}

static void test_bounded_functions(void **state)
{
	(void)state;
	good("assert(('ab'):rep(3, '-') == 'ab-ab-ab')\n"
	     "assert((''):rep(1 << 60) == '')\n"
	     "assert(('x'):rep(-1) == '' and ('x'):rep(0) == '')\n"
	     "local t = { 3, 1, 2 }\n"
	     "table.sort(t, function(a, b) return a > b end)\n"
	     "assert(table.concat(t, ',') == '3,2,1')\n"
	     "table.insert(t, 4); table.insert(t, 1, 0)\n"
	     "assert(table.remove(t, 1) == 0 and #t == 4)\n"
	     "assert(#table.move(t, 1, 4, 2) == 5)\n"
	     "assert(math.type(collectgarbage 'count') == 'float' and collectgarbage() > 0)");
	script_reject(
		"local endless = setmetatable({}, { __len = function() return 1 << 60 end })\n"
		"table.insert(endless, 1, 'x')",
		"2: this table function wants a table without __len");
	script_reject("table.move({}, 1, 1 << 60, 2)",
		      "1: table.move: expected at most 1000000 elements");
	script_reject("table.move({}, math.mininteger, math.maxinteger, 2)",
		      "1: table.move: expected at most 1000000 elements");
	script_reject("collectgarbage 'stop'",
		      "1: collectgarbage: only \"count\" is available in a scenario");
}

static void test_random_is_the_plans(void **state)
{
	(void)state;
	script_reject("math.randomseed(os)",
		      "1: 'os' is not available in a scenario, which declares and touches nothing");
	script_reject("math.randomseed(4)",
		      "1: math.randomseed is not available: the plan's seed decides "
		      "(seed = N in bo.scenario, or --seed N)");
}

/* The scenario cannot spoil what the harness relies on. */
static void test_tampering(void **state)
{
	struct bo_plan *plan = script_load(
		"local bo = require 'brownout'\n"
		"string.format, table.sort, math.random = nil, nil, nil\n"
		"pairs, error, type, rawequal, setmetatable, tostring = nil, nil, nil, nil, nil, nil\n"
		"getmetatable('').__index = nil\n"
		"local t = bo.scenario 'x' {}\n"
		"local web = t:subject 'web' { command = { 'web' }, env = { B = '1', A = '2' } }\n"
		"t:during('fault', web:kill { z = 1, a = 2 })\n");

	(void)state;
	assert_string_equal(plan->nodes.items[1].env[0], "A=2");
	assert_string_equal(plan->faults.items[0].args[0].key, "a");
	bo_plan_free(plan);
	script_reject("local bo = require 'brownout'\nbo.tcp = 5", "2: brownout cannot be changed");
	script_reject(SCRIPT_HEAD "t.budget = print", "5: the scenario cannot be changed");
	script_reject(SCRIPT_HEAD "db.kill = print",
		      "5: a node cannot be changed once it is declared");
	script_reject(SCRIPT_HEAD "bo.params.x = 1",
		      "5: bo.params cannot be changed; it is what --set says");
	good("local bo = require 'brownout'\nassert(getmetatable(bo) == false and getmetatable(bo.tcp(1)) == false)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_dangerous),
		cmocka_unit_test(test_removed_names_say_so),
		cmocka_unit_test(test_load_is_text_only),
		cmocka_unit_test(test_pcall),
		cmocka_unit_test(test_no_finalizers),
		cmocka_unit_test(test_pairs_in_order),
		cmocka_unit_test(test_bounded_functions),
		cmocka_unit_test(test_random_is_the_plans),
		cmocka_unit_test(test_tampering),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
