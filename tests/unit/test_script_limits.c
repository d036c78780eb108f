/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_limits.c — a scenario that does not end, or wants too much, is stopped with its line; it cannot catch
 * that, and whatever is wrong with a file, the answer is one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test_script_support.h"

#define STOPPED "stopped after 100000 Lua instructions"

static const struct bo_script_options few = { .max_instructions = 100000 };
static const struct bo_script_options little = { .max_memory_bytes = 2 << 20,
						 .max_instructions = 20000000 };

static void test_endless(void **state)
{
	(void)state;
	script_reject_with("while true do end", few, "1: " STOPPED);
	script_reject_with("local function f() return f() end\n\nf()", few, "1: " STOPPED);
	script_reject_with("goto top\n::top::\ngoto top", few, "3: " STOPPED);
	script_reject_with("for k in function() return 1 end do end", few, "1: " STOPPED);
	script_reject_with("table.sort({ 3, 1, 2, 5 }, function() while true do end end)", few,
			   "1: " STOPPED);
	script_reject_with("('x'):rep(10):gsub('x', function() while true do end end)", few,
			   "1: " STOPPED);
	script_reject_with(
		"tostring(setmetatable({}, { __tostring = function() while true do end end }))",
		few, "1: " STOPPED);
	script_reject_with("load('while true do end')()", few, "1: " STOPPED);
}

static void test_limit_cannot_be_caught(void **state)
{
	(void)state;
	script_reject_with("pcall(function() while true do end end)\nerror 'went on'", few,
			   "1: " STOPPED);
	script_reject_with("while true do pcall(function() while true do end end) end", few,
			   "1: " STOPPED);
	/* Without the check in pcall this takes 2^200 steps: each level catches and dives again. */
	script_reject_with("local function f() pcall(f) pcall(f) end\nf()", few, "1: " STOPPED);
	script_reject_with(
		"xpcall(function() while true do end end, function() while true do end end)", few,
		"1: " STOPPED);
	script_reject_with(
		"local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
		"while true do end",
		few, "2: " STOPPED);
	script_reject_with(
		"error(setmetatable({}, { __tostring = function() while true do end end }))", few,
		"1: ");
	/* Nor may a plan come out of a script that was stopped on its last step. */
	script_reject_with(SCRIPT_HEAD "pcall(function() while true do end end)", few,
			   "5: " STOPPED);
}

static void test_memory(void **state)
{
	(void)state;
	script_reject_with("local t = {}\nfor i = 1, 1e9 do\n  t[i] = { i }\nend", little,
			   "3: stopped: more than 2 MiB of memory needed");
	script_reject_with("local s = 'x'\nwhile true do s = s .. s end", little,
			   "2: stopped: more than 2 MiB");
	script_reject_with("local s = ('x'):rep(1 << 40)", little,
			   "1: string.rep: the result does not fit");
	/* Caught, it stays within the limit, and so goes on. */
	bo_plan_free(script_load("assert(not pcall(string.rep, 'x', 1 << 40))\n" SCRIPT_HEAD));
	/* What goes into the plan counts too: one long text, named many times. */
	script_reject_with(
		SCRIPT_HEAD
		"local s = ('x'):rep(60000)\nlocal argv = {}\nfor i = 1, 100 do argv[i] = s end\n"
		"t:dependency 'big' { command = argv }",
		little, "8: stopped: the scenario declares more than the memory limit holds");
}

static void test_stack(void **state)
{
	(void)state;
	script_reject_with("local function f(n)\n  return 1 + f(n + 1)\nend\nf(1)",
			   (struct bo_script_options){ 0 }, "2: stack overflow");
	script_reject_with(
		"local s = ('('):rep(300) .. '1' .. (')'):rep(300)\nassert(load('return ' .. s))",
		(struct bo_script_options){ 0 }, "2: C stack overflow");
	script_reject_with(
		"local t = setmetatable({}, {})\ngetmetatable(t).__index = function(_, k) return t[k] end\n"
		"local x = t.y",
		(struct bo_script_options){ 0 }, "2: ");
}

static int load_bytes(const char *bytes, size_t len, struct bo_script_options options,
		      struct bo_err *err)
{
	struct bo_plan *plan = NULL;
	int r;

	script_write("s.lua", bytes, len);
	r = script_load_file(&plan, "s.lua", options, err);
	bo_plan_free(plan);
	return r;
}

static void test_files(void **state)
{
	struct bo_script_options none = { 0 };
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	char *huge = malloc(10000000);

	(void)state;
	assert_non_null(huge);
	memset(huge, '-', 10000000);
	assert_int_equal(load_bytes(huge, 10000000, none, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "s.lua:1: expected at most 4194304 bytes, found 10000000"));
	assert_int_equal(load_bytes(huge, 1000, (struct bo_script_options){ .max_file_bytes = 999 },
				    &err),
			 -EFBIG);
	free(huge);
	assert_int_equal(load_bytes("\033Lua\x54\0\x19\x93", 8, none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.lua:1: this is compiled Lua"));
	assert_int_equal(load_bytes("a = 1\n\nb = '\0'", 14, none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.lua:3: a NUL byte"));
	assert_int_equal(load_bytes("", 0, none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.lua:1: no scenario is declared"));
	assert_int_equal(load_bytes("# only a first line", 19, none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.lua:1: no scenario is declared"));
	assert_int_equal(script_load_file(&plan, "missing.lua", none, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "missing.lua:1: cannot open: No such file or directory"));
	assert_int_equal(script_load_file(&plan, ".", none, &err), -EISDIR);
	assert_null(plan);
}

/* A first line for the kernel, a byte order mark: lines are still counted from the top. */
static void test_first_line(void **state)
{
	(void)state;
	script_reject("#!/usr/bin/env brownout\nerror 'here'", "2: here");
	script_reject("\xEF\xBB\xBFlocal a\nerror 'here'", "2: here");
	script_reject("\xEF\xBB\xBF#!/x\nerror 'here'", "2: here");
}

static void test_messages(void **state)
{
	(void)state;
	script_reject("error('a\\nb\\27[31m\\tc')", "1: a\\nb\\x1b[31m\\tc");
	script_reject("\nerror('no place', 0)", "2: no place");
	script_reject("\nerror(nil)", "2: error() was called with a nil; give it a text");
	script_reject("error({})", "1: error() was called with a table; give it a text");
	script_reject("error(setmetatable({}, { __tostring = function() return 'said' end }))",
		      "1: said");
	script_reject("local x\n\nreturn x.y", "3: attempt to index a nil value (local 'x')");
	/* A tail call leaves no frame of the scenario's on the stack. */
	script_reject(
		SCRIPT_HEAD "\nreturn t:budget(nil)",
		"6: t:budget: expected one text such as \"latency.p99 <= 250ms in fault\", found nothing");
	/* The line that ran last is not always the line that is wrong. */
	script_reject(SCRIPT_HEAD "local function five()\n  return 5\nend\nt:budget(five())",
		      "8: t:budget: expected one text such as \"latency.p99 <= 250ms in fault\", "
		      "found the number 5");
	/* Several lines of one call: where the call begins. */
	script_reject(SCRIPT_HEAD "t:dependency 'c' {\n  command = { 'c' },\n  cpus = 'x',\n}",
		      "5: dependency 'c': cpus: expected a number from 0.01 to 4096, found \"x\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless),  cmocka_unit_test(test_limit_cannot_be_caught),
		cmocka_unit_test(test_memory),   cmocka_unit_test(test_stack),
		cmocka_unit_test(test_files),    cmocka_unit_test(test_first_line),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
