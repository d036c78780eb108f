/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_base_wake.c — how early to be woken, how much to poll, and when to be real-time;
 * all with a clock of our own.  Privilege: none. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/base/wake.h"
#include "brownout/sys/caps.h"

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

static void lingers_where_that_pays(void **state)
{
	struct bo_wake wake = { .saved_ns = 1 };

	(void)state;
	assert_int_equal(bo_wake_linger(&wake), 0);
	/* Too long to wait for: it stays asleep. */
	bo_wake_came(&wake, BO_WAKE_LINGER_MAX_NS + 1);
	assert_int_equal(bo_wake_linger(&wake), 0);
	/* Looking longer would have found it: twice as long each time, to a bound. */
	for (int64_t ns = BO_WAKE_LINGER_MIN_NS; ns < BO_WAKE_LINGER_MAX_NS; ns *= 2) {
		bo_wake_came(&wake, BO_WAKE_LINGER_MAX_NS);
		assert_int_equal(bo_wake_linger(&wake), ns);
	}
	for (int i = 0; i < 3; i++) {
		bo_wake_came(&wake, BO_WAKE_LINGER_MAX_NS);
		assert_int_equal(bo_wake_linger(&wake), BO_WAKE_LINGER_MAX_NS);
	}
	/* It found it: so be it. */
	wake.linger_ns = 3 * BO_WAKE_LINGER_MIN_NS;
	bo_wake_came(&wake, 3 * BO_WAKE_LINGER_MIN_NS);
	assert_int_equal(bo_wake_linger(&wake), 3 * BO_WAKE_LINGER_MIN_NS);
	/* Not without a budget, and not any more once things come seldom. */
	wake.saved_ns = 0;
	assert_int_equal(bo_wake_linger(&wake), 0);
	wake.saved_ns = 1;
	bo_wake_came(&wake, BO_WAKE_LINGER_MAX_NS + 1);
	assert_int_equal(bo_wake_linger(&wake), 0);
}

static struct {
	int asked;
	pid_t tid;
} helper;

static void count_asking(void *arg, pid_t tid)
{
	(void)arg;
	helper.asked++;
	helper.tid = tid;
}

/* The kernel says no to this thread: it has neither capability nor limit. */
static void *ask_for_realtime(void *arg)
{
	struct bo_wake wake = { .realtime_ppm = 200000 };
	int64_t now = bo_now_ns();

	(void)arg;
	bo_wake_learn(&wake, now - BO_NSEC_PER_SEC, now);
	for (int i = 0; i < 300; i++) {
		now += BO_WAKE_WINDOW_NS;
		wake.at_ns = now;
		(void)bo_wake_at(&wake, now);
		/* In time of its own: nothing that it used shows. */
		wake.window_cpu_ns = INT64_MAX / 2;
		bo_wake_tick(&wake, now);
		assert_false(wake.realtime);
	}
	assert_int_equal(wake.refused, helper.asked == 0);
	return helper.tid == gettid() ? &helper : NULL;
}

static void asks_now_and_then(void **state)
{
	const struct rlimit none = { 0 };
	struct bo_err err = { 0 };
	pthread_t thread;
	void *was_it;

	(void)state;
	/* What threads have is what this one had when it made them. */
	if (setrlimit(RLIMIT_RTPRIO, &none) < 0 || bo_caps_effective(CAP_SYS_NICE, false, &err) < 0)
		skip();
	assert_int_equal(pthread_create(&thread, NULL, ask_for_realtime, NULL), 0);
	pthread_join(thread, NULL);
	bo_wake_realtime_by(count_asking, NULL);
	assert_int_equal(pthread_create(&thread, NULL, ask_for_realtime, NULL), 0);
	pthread_join(thread, &was_it);
	/* In 3 s of its time, every 2 s. */
	assert_int_equal(helper.asked, 2);
	assert_non_null(was_it);
	bo_wake_realtime_by(NULL, NULL);
}

static _Atomic pid_t to_be_made;
static _Atomic bool made;

static void ask_main(void *arg, pid_t tid)
{
	(void)arg;
	to_be_made = tid;
}

/* It asks while it is light, and is heavy by the time that it is granted. */
static void *granted_too_late(void *arg)
{
	struct bo_wake wake = { .realtime_ppm = 200000 };
	int64_t now = bo_now_ns();

	(void)arg;
	bo_wake_learn(&wake, now - BO_NSEC_PER_SEC, now);
	for (int i = 0; i < 2; i++) {
		now += BO_WAKE_WINDOW_NS;
		wake.at_ns = now;
		(void)bo_wake_at(&wake, now);
		wake.window_cpu_ns = i ? INT64_MIN / 2 : INT64_MAX / 2;
		bo_wake_tick(&wake, now);
		while (!made)
			usleep(100);
	}
	return sched_getscheduler(0) == (SCHED_OTHER | SCHED_RESET_ON_FORK) ? &helper : NULL;
}

static void ordinary_again_when_granted_too_late(void **state)
{
	const struct sched_param lowest = { .sched_priority = 1 };
	const struct rlimit none = { 0 };
	struct bo_err err = { 0 };
	pthread_t thread;
	void *ok;
	int r;

	(void)state;
	if (setrlimit(RLIMIT_RTPRIO, &none) < 0 || bo_caps_effective(CAP_SYS_NICE, false, &err) < 0)
		skip();
	bo_wake_realtime_by(ask_main, NULL);
	assert_int_equal(pthread_create(&thread, NULL, granted_too_late, NULL), 0);
	assert_int_equal(bo_caps_effective(CAP_SYS_NICE, true, &err), 0);
	while (!to_be_made)
		usleep(100);
	r = sched_setscheduler(to_be_made, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
	made = true;
	pthread_join(thread, &ok);
	bo_wake_realtime_by(NULL, NULL);
	if (r < 0)
		skip();
	assert_non_null(ok);
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
		cmocka_unit_test(lingers_where_that_pays),
		cmocka_unit_test(realtime_ends_when_it_uses_much),
		cmocka_unit_test(ordinary_again_when_granted_too_late),
		cmocka_unit_test(asks_now_and_then), /* last: it gives a capability up */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
