/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_diff.c — what grew and what shrank between two snapshots.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "brownout/census.h"

#define FRAME(name, ln)                                                            \
	{                                                                          \
		.func = (name), .outer = (name), .file = "/src/a.go", .line = (ln) \
	}
#define GROUP(reason_, name, ln, n)                                                          \
	{                                                                                    \
		.state = BO_CENSUS_WAITING, .reason = (reason_), .created = FRAME(name, ln), \
		.start = FRAME("f", 1), .blocked = FRAME("g", 2), .labels = "", .count = (n) \
	}

static void test_changes(void **state)
{
	/* Copies of equal text at other addresses: texts count, not pointers. */
	char again[] = "main.b";
	const struct bo_census_group before[] = { GROUP("select", "main.a", 1, 10),
						  GROUP("select", "main.b", 2, 5),
						  GROUP("sleep", "main.gone", 3, 2),
						  GROUP("sleep", "main.same", 3, 7) };
	const struct bo_census_group after[] = { GROUP("select", again, 2, 50),
						 GROUP("select", "main.a", 1, 9),
						 GROUP("select", "main.a", 4, 3),
						 GROUP("sleep", "main.same", 3, 7) };
	struct bo_census_change *changes = NULL;
	struct bo_err err = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(bo_census_diff(before, 4, after, 4, &changes, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(changes[0].delta, 45);
	assert_ptr_equal(changes[0].before, &before[1]);
	assert_ptr_equal(changes[0].after, &after[0]);
	/* Another line is another group. */
	assert_int_equal(changes[1].delta, 3);
	assert_null(changes[1].before);
	assert_int_equal(changes[2].delta, -2);
	assert_null(changes[2].after);
	assert_int_equal(changes[3].delta, -1);
	free(changes);
}

static void test_nothing(void **state)
{
	const struct bo_census_group same[] = { GROUP("select", "main.a", 1, 10) };
	struct bo_census_change *changes = NULL;
	struct bo_err err = { 0 };
	size_t n = 9;

	(void)state;
	assert_int_equal(bo_census_diff(same, 1, same, 1, &changes, &n, &err), 0);
	assert_int_equal(n, 0);
	free(changes);
	assert_int_equal(bo_census_diff(NULL, 0, NULL, 0, &changes, &n, &err), 0);
	assert_int_equal(n, 0);
	free(changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
