/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_base_wake.c — how early to be woken, how much to poll, and when to be real-time;
 * all with a clock of our own.  Privilege: none. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/base/wake.h"

#define US BO_NSEC_PER_USEC

/** late_share() - per mille of wake-ups that come later than allowed for, once that has settled, when they take 10 to
 * 40 us */
static int late_share(struct bo_wake *wake)
{
	struct bo_rng rng;
	int late = 0;

	bo_rng_init(&rng, 1, 1);
	for (int i = 0; i < 30000; i++) {
		int64_t armed = i * BO_NSEC_PER_MSEC;
		int64_t took = 10 * US + (int64_t)(bo_rng_u64(&rng) % (uint64_t)(30 * US));

		if (i >= 10000)
			late += took > wake->early_ns;
		bo_wake_learn(wake, armed, armed + took);
	}
	return late / 20;
}

static void early_settles_where_one_in_ten_is_late(void **state)
{
	struct bo_wake wake = { 0 }, load = { .late_steps = 3 };

	(void)state;
	assert_in_range(late_share(&wake), 85, 115);
	assert_in_range(wake.early_ns, 34 * US, 40 * US);
	/* one in four, where that is asked for */
	assert_in_range(late_share(&load), 235, 265);
	assert_in_range(load.early_ns, 30 * US, 35 * US);
	/* A busy machine does not drive it beyond the bound, an instant one not below nothing. */
	for (int i = 0; i < 2000; i++)
		bo_wake_learn(&wake, 0, BO_NSEC_PER_MSEC);
	assert_int_equal(wake.early_ns, BO_WAKE_EARLY_MAX_NS);
	for (int i = 0; i < 2000; i++) {
		bo_wake_learn(&wake, 0, 0);
		assert_true(wake.early_ns >= 0);
	}
	assert_true(wake.early_ns < US);
}

static void polling_stays_within_its_share(void **state)
{
	struct bo_wake wake = { .early_ns = 50 * US, .refused = true };
	int64_t polled = 0;

	(void)state;
	bo_wake_share(&wake, 1, 4);
	assert_int_equal(wake.poll_ppm, 250000);
	/* Something is due every 60 µs, for 10 s: polling for all of it would take 5/6 of a CPU. */
	for (int64_t now = 0; now < 10 * BO_NSEC_PER_SEC; now += 60 * US) {
		bo_wake_tick(&wake, now);
		if (bo_wake_at(&wake, now + 50 * US) <= now) {
			bo_wake_spend(&wake, 50 * US);
			polled += 50 * US;
		}
	}
	assert_in_range(polled, BO_NSEC_PER_SEC * 24 / 10, BO_NSEC_PER_SEC * 26 / 10);
	/* Idleness saves up no more than a little. */
	bo_wake_tick(&wake, INT64_MAX / 2);
	assert_int_equal(wake.saved_ns, BO_WAKE_SAVED_MAX_NS);
}

static void the_share_falls_with_company(void **state)
{
	struct bo_wake wake = { 0 };

	(void)state;
	bo_wake_share(&wake, 10, 4);
	assert_int_equal(wake.poll_ppm, 50000);
	assert_int_equal(wake.realtime_ppm, 100000);
	bo_wake_share(&wake, 1, 2);
	assert_int_equal(wake.poll_ppm, 0);
	assert_int_equal(wake.realtime_ppm, 250000);
	bo_wake_share(&wake, 0, 64);
	assert_int_equal(wake.poll_ppm, 250000);
	assert_in_range(bo_wake_cpus(), 1, 1 << 20);
	/* Without a share, never before it is due. */
	wake = (struct bo_wake){ .early_ns = 50 * US, .refused = true };
	bo_wake_tick(&wake, BO_NSEC_PER_SEC);
	assert_int_equal(bo_wake_at(&wake, 7), 7);
}

static void realtime_only_when_late_and_light(void **state)
{
	struct bo_wake wake = { .realtime_ppm = 200000 };
	const int64_t window = BO_WAKE_WINDOW_NS;
	int64_t now = BO_NSEC_PER_SEC, until;

	(void)state;
	bo_wake_learn(&wake, now, now + BO_WAKE_LATE_NS);
	assert_false(bo_wake_judge(&wake, now, window, 0)); /* not late enough */
	bo_wake_learn(&wake, now, now + BO_WAKE_LATE_NS + 1);
	until = wake.realtime_until_ns;
	/* With nothing due there is nothing to be late for. */
	wake.timed_ns = now - BO_WAKE_TIMED_NS;
	assert_false(bo_wake_judge(&wake, now, window, 0));
	wake.at_ns = now;
	(void)bo_wake_at(&wake, now + 1);
	assert_true(bo_wake_judge(&wake, now, window, 0));
	assert_int_equal(until, now + BO_WAKE_LATE_NS + 1 + BO_WAKE_REALTIME_MIN_NS);
	assert_true(bo_wake_judge(&wake, now, window, window / 10 - 1));
	assert_false(bo_wake_judge(&wake, now, window, window / 10 + 1));
	wake.realtime = true;
	assert_true(bo_wake_judge(&wake, now, window, window / 5 - 1));
	assert_false(bo_wake_judge(&wake, now, window, window / 5 + 1));
	wake.timed_ns = until - 1;
	assert_true(bo_wake_judge(&wake, until - 1, window, 0));
	assert_false(bo_wake_judge(&wake, until, window, 0));
	/* Late again meanwhile changes nothing; late again soon after it is for longer, to a bound. */
	bo_wake_learn(&wake, now, now + BO_NSEC_PER_SEC);
	assert_int_equal(wake.realtime_until_ns, until);
	bo_wake_learn(&wake, until, until + BO_NSEC_PER_MSEC);
	assert_int_equal(wake.realtime_for_ns, 2 * BO_WAKE_REALTIME_MIN_NS);
	for (int i = 0; i < 20; i++)
		bo_wake_learn(&wake, 0, wake.realtime_until_ns + 1);
	assert_int_equal(wake.realtime_for_ns, BO_WAKE_REALTIME_MAX_NS);
	bo_wake_learn(&wake, 0, wake.realtime_until_ns + BO_WAKE_REALTIME_MAX_NS);
	assert_int_equal(wake.realtime_for_ns, BO_WAKE_REALTIME_MIN_NS);
}

/* In a thread of its own, so that whatever becomes of it ends with it. */
static void *become_and_burn(void *arg)
{
	struct bo_wake *wake = arg;
	int64_t start = bo_now_ns(), now = start;

	bo_wake_learn(wake, now - BO_NSEC_PER_SEC, now);
	wake->timed_ns = now;
	bo_wake_tick(wake, now);
	if (wake->refused)
		return NULL;
	assert_true(wake->realtime);
	assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
	/* Using the whole CPU, it is an ordinary thread again after a window. */
	while (wake->realtime && now - start < 10 * BO_NSEC_PER_SEC) {
		now = bo_now_ns();
		bo_wake_tick(wake, now);
		(void)bo_wake_at(wake, now);
	}
	assert_false(wake->realtime);
	assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
	/* And real-time once more when it has become light. */
	for (start = now; !wake->realtime && now - start < 5 * BO_NSEC_PER_SEC; now = bo_now_ns()) {
		usleep(500);
		bo_wake_tick(wake, now);
		(void)bo_wake_at(wake, now);
	}
	assert_true(wake->realtime);
	return wake;
}

static void realtime_ends_when_it_uses_much(void **state)
{
	struct bo_wake wake = { .realtime_ppm = 200000 };
	pthread_t thread;
	void *done;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, become_and_burn, &wake), 0);
	pthread_join(thread, &done);
	if (!done) {
		print_message("no right to be SCHED_FIFO here\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(early_settles_where_one_in_ten_is_late),
		cmocka_unit_test(polling_stays_within_its_share),
		cmocka_unit_test(the_share_falls_with_company),
		cmocka_unit_test(realtime_only_when_late_and_light),
		cmocka_unit_test(realtime_ends_when_it_uses_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
