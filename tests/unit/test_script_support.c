/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_support.c — see test_script_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "test_script_support.h"

extern const char bo_prelude_lua[];
extern const size_t bo_prelude_lua_len;

char script_dir[64];

int script_setup(void **state)
{
	(void)state;
	strcpy(script_dir, "/tmp/brownout-script-XXXXXX");
	return mkdtemp(script_dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int script_teardown(void **state)
{
	(void)state;
	return nftw(script_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void script_write(const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", script_dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

int script_load_file(struct bo_plan **ret, const char *name, struct bo_script_options options,
		     struct bo_err *err)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", script_dir, name);
	options.prelude = bo_prelude_lua;
	options.prelude_len = bo_prelude_lua_len;
	return bo_script_load(ret, path, &options, err);
}

struct bo_plan *script_load(const char *text)
{
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	int r;

	script_write("s.lua", text, strlen(text));
	r = script_load_file(&plan, "s.lua", (struct bo_script_options){ 0 }, &err);
	if (r)
		fail_msg("expected a plan, found: %s", err.msg);
	return plan;
}

static const char *reject(const char *text, struct bo_script_options options, struct bo_err *err)
{
	struct bo_plan *plan = NULL;
	char name[80];
	int r;

	script_write("s.lua", text, strlen(text));
	r = script_load_file(&plan, "s.lua", options, err);
	if (!r) {
		bo_plan_free(plan);
		fail_msg("expected an error for: %s", text);
	}
	assert_null(plan); /* untouched */
	assert_int_equal(r, -err->code);
	snprintf(name, sizeof(name), "%s/s.lua:", script_dir);
	if (strncmp(err->msg, name, strlen(name)) != 0 || strpbrk(err->msg, "\n\r\t"))
		fail_msg("expected one line with %s in front, found: %s", name, err->msg);
	return err->msg + strlen(name);
}

void script_reject(const char *text, const char *want)
{
	struct bo_err err = { 0 };

	assert_string_equal(reject(text, (struct bo_script_options){ 0 }, &err), want);
}

void script_reject_with(const char *text, struct bo_script_options options, const char *want)
{
	struct bo_err err = { 0 };
	const char *msg = reject(text, options, &err);

	if (strncmp(msg, want, strlen(want)) != 0)
		fail_msg("expected \"%s…\", found \"%s\"", want, msg);
}
