/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_require.c — which files a scenario can bring in, and how mistakes in them are placed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_script_support.h"

#define TAIL \
	"local t = require('brownout').scenario 'x' {}\nt:subject 'web' { command = { 'web' } }\n"

static void put(const char *name, const char *text)
{
	script_write(name, text, strlen(text));
}

static void make_folder(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", script_dir, name);
	if (mkdir(path, 0700) && errno != EEXIST)
		fail_msg("mkdir %s", path);
}

static void make_link(const char *target, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", script_dir, name);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void test_modules(void **state)
{
	(void)state;
	make_folder("sub");
	put("one.lua", "local name = ...\nreturn { name = name, count = 0 }\n");
	put("sub/two.lua", "#!/usr/bin/lua\nanswer = 42\n");
	make_link("one.lua", "alias.lua");
	bo_plan_free(script_load("local one = require 'one'\n"
				 "assert(one.name == 'one')\n"
				 "one.count = 1\n"
				 "assert(require('one').count == 1)\n" /* loaded once */
				 "assert(require 'sub.two' == true and answer == 42)\n"
				 "assert(require 'sub/two' == true)\n"
				 "assert(require('alias').count == 0)\n" TAIL));
}

static void test_library_folder(void **state)
{
	char lib[128], here[128];
	const char *const dirs[] = { "/does/not/exist", lib, NULL };
	struct bo_script_options options = { .lib_dirs = dirs };
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };

	(void)state;
	make_folder("scen");
	make_folder("lib");
	put("lib/shared.lua",
	    "return function(t)\n  t:budget 'errors.ratio <= 1%'\n  t:budget(5)\nend\n");
	put("lib/own.lua", "error 'the one beside the scenario comes first'\n");
	put("scen/own.lua", "return 1\n");
	put("scen/s.lua", TAIL "require 'own'\nrequire('shared')(t)\n");
	snprintf(lib, sizeof(lib), "%s/lib", script_dir);
	snprintf(here, sizeof(here), "%s/lib/shared.lua:3: t:budget: expected one text",
		 script_dir);
	assert_int_equal(script_load_file(&plan, "scen/s.lua", options, &err), -EINVAL);
	assert_memory_equal(err.msg, here, strlen(here));
	/* The module's line first, since that is where the mistake was said; then the scenario's. */
	snprintf(here, sizeof(here), "(from %s/scen/s.lua:4)", script_dir);
	assert_non_null(strstr(err.msg, here));

	put("lib/shared.lua", "return function(t)\n  t:budget 'errors.ratio <= 1%'\nend\n");
	assert_int_equal(script_load_file(&plan, "scen/s.lua", options, &err), 0);
	snprintf(here, sizeof(here), "%s/lib/shared.lua", script_dir);
	assert_string_equal(plan->budgets.items[0].src.file, here);
	assert_int_equal(plan->budgets.items[0].src.line, 2);
	bo_plan_free(plan);
}

static void test_no_way_out(void **state)
{
	static const char *const names[] = {
		"../one",
		"sub/../one",
		"/etc/passwd",
		"./one",
		"one.",
		".one",
		"a//b",
		"a b",
		"one\\0x",
		"",
		"sub/../../etc/passwd",
	};
	char text[256];

	(void)state;
	put("one.lua", "return 1\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(text, sizeof(text), "require '%s'", names[i]);
		script_reject_with(text, (struct bo_script_options){ 0 },
				   strchr(names[i], '\\') ? "1: require: "
							  : "1: require: expected a module's name");
	}
	make_link("/etc/passwd", "passwd.lua");
	make_link("/etc", "etc");
	script_reject_with("require 'passwd'", (struct bo_script_options){ 0 },
			   "1: require: passwd.lua leads out of its folder");
	/* A link to a folder outside is found out as well. */
	make_link("/", "root");
	script_reject_with("require 'nothing.here'", (struct bo_script_options){ 0 },
			   "1: require: no nothing/here.lua");
}

static void test_link_to_outside_folder(void **state)
{
	struct bo_script_options none = { 0 };
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };

	(void)state;
	make_folder("in");
	make_folder("out");
	put("out/secret.lua", "return 1\n");
	make_link("../out", "in/door");
	put("in/s.lua", "require 'door.secret'\n");
	assert_int_equal(script_load_file(&plan, "in/s.lua", none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "door/secret.lua leads out of its folder"));
	/* A folder whose name only begins like the allowed one is another folder. */
	make_folder("in-other");
	put("in-other/secret.lua", "return 1\n");
	make_link("../in-other/secret.lua", "in/near.lua");
	put("in/s.lua", "require 'near'\n");
	assert_int_equal(script_load_file(&plan, "in/s.lua", none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "near.lua leads out of its folder"));
}

static void test_bad_modules(void **state)
{
	struct bo_script_options small = { .max_file_bytes = 200 };

	(void)state;
	put("compiled.lua", "\033LuaT");
	script_write("nul.lua", "a\nb\0c", 5);
	make_folder("folder.lua");
	put("loop.lua", "require 'pool'\n");
	put("pool.lua", "require 'loop'\n");
	script_reject_with("\nrequire 'compiled'", (struct bo_script_options){ 0 }, "2: require: ");
	script_reject_with("require 'nul'", (struct bo_script_options){ 0 }, "1: require: ");
	script_reject_with("require 'folder'", (struct bo_script_options){ 0 }, "1: require: ");
	script_reject_with("require(nil)", (struct bo_script_options){ 0 },
			   "1: bad argument #1 to 'require'");
	put("long.lua",
	    "-- ................................................................................\n"
	    "-- ................................................................................\n"
	    "-- ................................................................................\n");
	script_reject_with("require 'long'", small, "1: require: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modules),     cmocka_unit_test(test_library_folder),
		cmocka_unit_test(test_no_way_out),  cmocka_unit_test(test_link_to_outside_folder),
		cmocka_unit_test(test_bad_modules),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}
