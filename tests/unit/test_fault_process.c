/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_process.c — kill, term, restart, pause: what is done, what is confirmed,
 * what comes back. Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault_fake.h"

#define DB BO_TARGET_NODE, NODE_DB

static struct fake *fake;
static struct bo_fault_set set;

static int set_up(void **state)
{
	(void)state;
	fake = fake_new();
	return 0;
}

static int set_down(void **state)
{
	(void)state;
	bo_fault_set_done(&set);
	fake_free(fake);
	return 0;
}

static void begin(const char *kind, const struct bo_arg *args, size_t nargs)
{
	struct bo_err err = { 0 };

	(void)fake_fault(fake, kind, DB, args, nargs);
	if (bo_fault_check(fake->plan, &fake->plan->faults.items[0], &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(bo_fault_set_init(&set, fake->plan, &fake->hands, fake->records, &err), 0);
	set.clock = fake_clock;
	set.t0_ns = fake_now;
}

static void apply(void)
{
	struct bo_err err = { 0 };

	if (bo_fault_set_apply(&set, 0, fake_now, &err) < 0)
		fail_msg("%s", err.msg);
}

/** pass() - time goes by in ticks of 20 ms */
static void pass(int64_t ns)
{
	for (int64_t end = fake_now + ns; fake_now < end; fake_now += 20 * MS) {
		struct bo_err err = { 0 };

		assert_int_equal(bo_fault_set_tick(&set, fake_now, &err), 0);
	}
}

static void revert(void)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_fault_set_revert(&set, 0, &err), 0);
}

static void expect(enum bo_confirm confirm, const char *achieved, const char *reason)
{
	const struct bo_fault_record *record = &fake->records[0];

	if (record->confirm != confirm || !strstr(record->achieved, achieved) ||
	    !strstr(record->reason, reason))
		fail_msg("expected %s \"%s\" \"%s\", found %s \"%s\" \"%s\"",
			 bo_confirm_name(confirm), achieved, reason,
			 bo_confirm_name(record->confirm), record->achieved, record->reason);
}

static void kill_ends_and_comes_back(void **state)
{
	(void)state;
	begin("kill", NULL, 0);
	apply();
	assert_false(fake->nodes[NODE_DB].running);
	pass(2 * SEC);
	assert_false(fake->nodes[NODE_DB].running);
	revert();
	expect(BO_CONFIRM_OK, "ended by signal 9 after 1", "");
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake->starts, 1);
	revert();
	assert_int_equal(fake->starts, 1);
}

/** starts_and_waits_in_vain() - hands.node_start: it runs, and is not ready in time */
static int starts_and_waits_in_vain(void *self, int node, bool ready, struct bo_err *err)
{
	(void)self;
	(void)ready;
	fake->nodes[node] =
		(struct bo_node_state){ .running = true, .pid = 99, .since_ns = fake_now };
	return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_LAB, "not ready");
}

static void a_second_try_to_revert_does_not_judge_again(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	fake->hands.node_start = starts_and_waits_in_vain;
	begin("kill", NULL, 0);
	apply();
	pass(SEC);
	assert_int_equal(bo_fault_set_revert(&set, 0, &err), -ETIMEDOUT);
	expect(BO_CONFIRM_OK, "ended by signal 9", "");
	revert();
	expect(BO_CONFIRM_OK, "ended by signal 9", "");
}

static void kill_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin("kill", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "still running", "did not end");
	assert_int_equal(fake->starts, 0);
}

static void kill_of_the_dead_is_no_fault(void **state)
{
	(void)state;
	fake->nodes[NODE_DB] = (struct bo_node_state){ .exit_status = 1 << 8,
						       .since_ns = fake_now - SEC };
	begin("kill", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "exited with 1", "had ended before the fault");
}

static void term_ends_and_comes_back(void **state)
{
	(void)state;
	begin("term", NULL, 0);
	apply();
	pass(SEC);
	assert_int_equal(fake->terms, 1);
	assert_int_equal(fake->kills, 0);
	revert();
	expect(BO_CONFIRM_OK, "exited with 0", "");
	assert_true(fake->nodes[NODE_DB].running);
}

static void term_that_is_ignored_is_off_and_cleaned_up(void **state)
{
	int32_t pid;

	(void)state;
	fake->ignores_term = true;
	pid = fake->nodes[NODE_DB].pid;
	begin("term", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "still running", "did not end");
	/* It might end at any later moment, so it is replaced by one that was told nothing. */
	assert_int_equal(fake->kills, 1);
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_not_equal(fake->nodes[NODE_DB].pid, pid);
}

static void a_signal_that_was_not_sent_kills_nobody_later(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	begin("term", NULL, 0);
	fake->fail_errno = EPERM;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -EPERM);
	fake->fail_errno = 0;
	assert_int_equal(set.faults[0].kind->revert(&set.faults[0], &err), 0);
	assert_int_equal(fake->kills, 0);
	assert_int_equal(fake->nodes[NODE_DB].pid, 10 + NODE_DB);
}

static void restart_is_over_at_once(void **state)
{
	(void)state;
	begin("restart", NULL, 0);
	apply();
	pass(200 * MS);
	assert_int_equal(fake->terms, 1);
	assert_int_equal(fake->starts, 1);
	assert_true(fake->nodes[NODE_DB].running);
	pass(2 * SEC);
	assert_int_equal(fake->starts, 1);
	revert();
	expect(BO_CONFIRM_OK, "pid 12 ended after 1", "");
	assert_int_equal(fake->starts, 1);
	assert_int_equal(fake->kills, 0);
}

static void restart_by_kill(void **state)
{
	(void)state;
	begin("restart", ARGS(STR("", "kill")));
	apply();
	pass(200 * MS);
	assert_int_equal(fake->terms, 0);
	assert_int_equal(fake->kills, 1);
	revert();
	expect(BO_CONFIRM_OK, "now pid", "");
}

static void restart_kills_after_the_grace_period(void **state)
{
	(void)state;
	fake->ignores_term = true;
	begin("restart", ARGS(STR("grace", "1s")));
	apply();
	pass(900 * MS);
	assert_int_equal(fake->kills, 0);
	pass(300 * MS);
	assert_int_equal(fake->kills, 1);
	assert_int_equal(fake->starts, 1);
	revert();
	expect(BO_CONFIRM_OK, "SIGKILL after the grace period", "");
}

static void restart_that_is_not_done_in_time_is_off(void **state)
{
	(void)state;
	fake->ignores_term = true;
	begin("restart", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "not ended", "had not ended when the fault was over");
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake->kills, 1);
}

static void restart_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin("restart", ARGS(STR("", "kill")));
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "", "had not ended");
}

static void restart_that_stays_down_is_found_out(void **state)
{
	(void)state;
	fake->stays_down = true;
	begin("restart", ARGS(STR("", "kill")));
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "not running", "did not come back");
	assert_int_equal(fake->starts, 2);
}

static void restart_needs_something_to_restart(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	fake->nodes[NODE_DB].running = false;
	begin("restart", NULL, 0);
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -ESRCH);
	assert_string_equal(err.msg, "db is not running");
}

static void pause_freezes_and_thaws(void **state)
{
	(void)state;
	begin("pause", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OK, "frozen", "");
	assert_string_equal(fake->records[0].driver, "cgroup freezer");
	assert_false(fake->nodes[NODE_DB].paused);
	assert_int_equal(fake->resumes, 1);
}

static void pause_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin("pause", NULL, 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OFF, "running", "db is running, expected frozen");
}

static void pause_without_a_freezer_uses_signals(void **state)
{
	struct bo_err err = { 0 };
	size_t at = 0;

	(void)state;
	fake->machine.cgroup_freezer = false;
	begin("pause", NULL, 0);
	assert_int_equal(bo_fault_set_supported(&set, &at, &err), 0);
	apply();
	pass(SEC);
	revert();
	expect(BO_CONFIRM_OK, "frozen", "");
	assert_string_equal(fake->records[0].driver, "SIGSTOP");
}

#define SET_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, set_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SET_TEST(kill_ends_and_comes_back),
		SET_TEST(a_second_try_to_revert_does_not_judge_again),
		SET_TEST(kill_that_does_nothing_is_found_out),
		SET_TEST(kill_of_the_dead_is_no_fault),
		SET_TEST(term_ends_and_comes_back),
		SET_TEST(term_that_is_ignored_is_off_and_cleaned_up),
		SET_TEST(a_signal_that_was_not_sent_kills_nobody_later),
		SET_TEST(restart_is_over_at_once),
		SET_TEST(restart_by_kill),
		SET_TEST(restart_kills_after_the_grace_period),
		SET_TEST(restart_that_is_not_done_in_time_is_off),
		SET_TEST(restart_that_does_nothing_is_found_out),
		SET_TEST(restart_that_stays_down_is_found_out),
		SET_TEST(restart_needs_something_to_restart),
		SET_TEST(pause_freezes_and_thaws),
		SET_TEST(pause_that_does_nothing_is_found_out),
		SET_TEST(pause_without_a_freezer_uses_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
