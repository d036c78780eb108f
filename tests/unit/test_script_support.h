/* SPDX-License-Identifier: Apache-2.0 */
/* test_script_support.h — a scenario's text to a plan, through a file in a folder of the test's own.
 * Owns: the folder, between script_setup() and script_teardown().  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/script/script.h"

extern char script_dir[64]; /* absolute */

/* cmocka group fixtures */
int script_setup(void **state);
int script_teardown(void **state);

/** script_write() - write @len bytes as @name below script_dir */
void script_write(const char *name, const char *text, size_t len);
/** script_load_file() - bo_script_load() of @name below script_dir, with the real prelude */
int script_load_file(struct bo_plan **ret, const char *name, struct bo_script_options options,
		     struct bo_err *err);
/** script_load() - the same for a text, with default options, which must be right */
struct bo_plan *script_load(const char *text);
/** script_reject() - @text must be refused with exactly "LINE: message" after the file's name */
void script_reject(const char *text, const char *want);
/** script_reject_with() - the same with options; only the beginning of the message is compared */
void script_reject_with(const char *text, struct bo_script_options options, const char *want);

/* The least that makes a plan, for tests that add one thing. */
#define SCRIPT_HEAD                                                                            \
	"local bo = require 'brownout'\n"                                                      \
	"local t = bo.scenario 'x' { phases = { base = '5s', fault = '10s', hold = '4s' } }\n" \
	"local db = t:dependency 'db' (bo.stub { port = 80 })\n"                               \
	"local web = t:subject 'web' { command = { 'web' } }\n"
