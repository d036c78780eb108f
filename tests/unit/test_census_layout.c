/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_layout.c — the version table's invariants, and layouts that must be refused.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "layout.h"

/* What calibrate.c takes for granted: it must be true in every release that is known. */
static void test_invariants(void **state)
{
	(void)state;
	for (int minor = BO_GO_MINOR_OLDEST; minor <= BO_GO_MINOR_NEWEST; minor++) {
		struct bo_go_layout l;
		struct bo_err err = { 0 };

		assert_true(bo_go_version_layout(minor, &l));
		assert_int_equal(bo_go_layout_plausible(&l, &err), 0);
		assert_int_equal(l.at[BO_GO_G_STATUS], l.at[BO_GO_G_GOID] - 8);
		assert_int_equal(l.at[BO_GO_G_WAITSINCE], l.at[BO_GO_G_GOID] + 16);
		assert_int_equal(l.at[BO_GO_G_WAITREASON], l.at[BO_GO_G_GOID] + 24);
		assert_int_equal(l.at[BO_GO_G_GOPC], l.at[BO_GO_G_STARTPC] - 16);
		assert_int_equal(l.at[BO_GO_G_LABELS], l.at[BO_GO_G_STARTPC] + 48);
		if (minor >= 21)
			assert_int_equal(l.at[BO_GO_G_PARENTGOID], l.at[BO_GO_G_STARTPC] - 24);
		else
			assert_int_equal(l.at[BO_GO_G_PARENTGOID], -1);
		/* In g nothing lies beyond its end, and what is read of it lies behind stack.hi. */
		for (int i = BO_GO_G_STACK_HI; i <= BO_GO_G_LABELS; i++)
			assert_true(l.at[i] == -1 ||
				    (l.at[i] >= 8 && l.at[i] + 1 <= l.at[BO_GO_G_SIZE]));
	}
}

static void test_unknown_releases(void **state)
{
	struct bo_go_layout l, newest, nearest;

	(void)state;
	assert_false(bo_go_version_layout(BO_GO_MINOR_OLDEST - 1, &l));
	assert_false(bo_go_version_layout(BO_GO_MINOR_NEWEST + 1, &l));
	assert_false(bo_go_version_layout(0, &l));
	assert_true(bo_go_version_layout(BO_GO_MINOR_NEWEST, &newest));
	bo_go_version_nearest(BO_GO_MINOR_NEWEST + 70, &nearest);
	assert_memory_equal(&nearest, &newest, sizeof(newest));
	bo_go_version_nearest(0, &nearest);
	assert_memory_equal(&nearest, &newest, sizeof(newest));
}

static void test_refused(void **state)
{
	struct bo_go_layout good, bad;
	struct bo_err err = { 0 };

	(void)state;
	assert_true(bo_go_version_layout(26, &good));
	bad = good;
	bad.at[BO_GO_G_GOID] = -1;
	assert_int_equal(bo_go_layout_plausible(&bad, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "G_GOID"));
	bad = good;
	bad.at[BO_GO_G_STARTPC] = 1 << 20;
	assert_int_equal(bo_go_layout_plausible(&bad, &err), -EBADMSG);
	bad = good;
	bad.at[BO_GO_FUNC_SIZE] = 4000;
	assert_int_equal(bo_go_layout_plausible(&bad, &err), -EBADMSG);
	bad = good;
	bad.at[BO_GO_P_GFREE] = -7;
	assert_int_equal(bo_go_layout_plausible(&bad, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_invariants),
		cmocka_unit_test(test_unknown_releases),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
