/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_track.c — ages, and stuck against idle, over made-up samples.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "census-internal.h"

static const struct bo_gorec waiting = {
	.addr = 4096, .goid = 7, .sp = 1000, .status = GO_WAITING, .seq = 3
};

static void test_unmoved_after_three(void **state)
{
	struct bo_gotrack *track = NULL;
	int64_t t0 = bo_now_ns() + BO_NSEC_PER_SEC;
	struct bo_gotracked t;

	(void)state;
	assert_int_equal(bo_gotrack_reserve(&track, 10), 0);
	assert_false(bo_gotrack_seen(track, 5, &waiting, t0).unmoved);
	assert_false(bo_gotrack_seen(track, 5, &waiting, t0 + BO_NSEC_PER_SEC).unmoved);
	t = bo_gotrack_seen(track, 5, &waiting, t0 + 2 * BO_NSEC_PER_SEC);
	assert_true(t.unmoved);
	assert_int_equal(t.age_ns, 2 * BO_NSEC_PER_SEC);
	assert_int_equal(t.still_ns, 2 * BO_NSEC_PER_SEC);
	bo_gotrack_free(track);
}

/* Everything that shows that it ran in between, one at a time. */
static void test_movers(void **state)
{
	struct bo_gorec seq = waiting, sp = waiting, running = waiting, torn = waiting;
	const struct bo_gorec *movers[] = { &seq, &sp, &running, &torn };

	(void)state;
	seq.seq++;
	sp.sp += 8;
	running.status = GO_RUNNABLE;
	torn.torn = true;
	for (size_t i = 0; i < sizeof(movers) / sizeof(*movers); i++) {
		struct bo_gotrack *track = NULL;
		int64_t t0 = bo_now_ns() + BO_NSEC_PER_SEC;
		struct bo_gotracked t;

		assert_int_equal(bo_gotrack_reserve(&track, 10), 0);
		(void)bo_gotrack_seen(track, 5, &waiting, t0);
		(void)bo_gotrack_seen(track, 5, &waiting, t0 + 1000000);
		t = bo_gotrack_seen(track, 5, movers[i], t0 + 2000000);
		assert_false(t.unmoved);
		/* It is the same goroutine all the same: its age goes on. */
		assert_int_equal(t.age_ns, 2000000);
		bo_gotrack_free(track);
	}
}

static void test_reused_g(void **state)
{
	struct bo_gotrack *track = NULL;
	struct bo_gorec other = waiting;
	int64_t t0 = bo_now_ns() + BO_NSEC_PER_SEC;
	struct bo_gotracked t;

	(void)state;
	other.goid = 8;
	assert_int_equal(bo_gotrack_reserve(&track, 10), 0);
	for (int i = 0; i < 5; i++)
		(void)bo_gotrack_seen(track, 5, &waiting, t0 + i * 1000000);
	t = bo_gotrack_seen(track, 5, &other, t0 + 9000000);
	assert_false(t.unmoved);
	assert_int_equal(t.age_ns, 0);
	/* Dead in between, with the same goid again: not the same stay. */
	bo_gotrack_forget(track, 5);
	assert_int_equal(bo_gotrack_seen(track, 5, &other, t0 + 20000000).age_ns, 0);
	bo_gotrack_free(track);
}

static void test_growth_and_bounds(void **state)
{
	struct bo_gotrack *track = NULL;
	int64_t t0 = bo_now_ns() + BO_NSEC_PER_SEC;

	(void)state;
	assert_int_equal(bo_gotrack_reserve(&track, 10), 0);
	(void)bo_gotrack_seen(track, 9, &waiting, t0);
	assert_int_equal(bo_gotrack_reserve(&track, 100000), 0);
	assert_int_equal(bo_gotrack_seen(track, 9, &waiting, t0 + 3000000).age_ns, 3000000);
	assert_int_equal(bo_gotrack_seen(track, 99999, &waiting, t0).age_ns, 0);
	/* Beyond what was reserved nothing is known, and nothing is written. */
	assert_int_equal(bo_gotrack_seen(track, UINT64_MAX, &waiting, t0).age_ns, 0);
	bo_gotrack_free(track);
	bo_gotrack_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmoved_after_three),
		cmocka_unit_test(test_movers),
		cmocka_unit_test(test_reused_g),
		cmocka_unit_test(test_growth_and_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
