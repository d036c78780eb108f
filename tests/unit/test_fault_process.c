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

#include "fault_rig.h"

#define DB BO_TARGET_NODE, NODE_DB

static void begin_with(const char *kind, const struct bo_arg *args, size_t nargs)
{
	(void)fake_fault(fake, kind, DB, args, nargs);
	begin();
}

static void kill_ends_and_comes_back(void **state)
{
	(void)state;
	begin_with("kill", NULL, 0);
	apply(0);
	assert_false(fake->nodes[NODE_DB].running);
	pass(2 * SEC);
	assert_false(fake->nodes[NODE_DB].running);
	revert(0);
	expect(0, BO_CONFIRM_OK, "ended by signal 9 after 1", "");
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake->starts, 1);
	revert(0);
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

static int waits;

/** starts_and_lets_others_go_on() - hands.node_start: it takes 2.1 s to be ready, with ticks meanwhile as in a run */
static int starts_and_lets_others_go_on(void *self, int node, bool ready, struct bo_err *err)
{
	(void)self;
	(void)err;
	assert_true(ready);
	waits++;
	pass(2 * SEC + 100 * MS);
	fake->nodes[node] =
		(struct bo_node_state){ .running = true, .pid = 99, .since_ns = fake_now };
	return 0;
}

static void who_waits_holds_up_nobody(void **state)
{
	static const char *const kinds[] = { "kill", "restart" };

	for (int i = 0; i < 2; i++) {
		bool restart = i == 1;

		waits = 0;
		fake->hands.node_start = starts_and_lets_others_go_on;
		(void)fake_fault(fake, kinds[i], DB, NULL, 0);
		(void)fake_fault(fake, "memory", BO_TARGET_NODE, NODE_ORDERS,
				 ARGS(STR("to", "96MiB"), NUM("steps", 5), STR("over", "4s")));
		begin();
		apply(1);
		assert_int_equal(fake->limits, 1);
		apply(0);
		if (restart)
			pass(100 * MS);
		else
			revert(0);
		/* once: a step that waits is not taken again meanwhile */
		assert_int_equal(waits, 1);
		/* 1 s apart: those of 1 s and of 2 s came while db was waited for */
		assert_int_equal(fake->limits, 3);
		revert(1);
		rig_down(state);
		rig_up(state);
	}
}

static void a_second_try_to_revert_does_not_judge_again(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	fake->hands.node_start = starts_and_waits_in_vain;
	begin_with("kill", NULL, 0);
	apply(0);
	pass(SEC);
	assert_int_equal(bo_fault_set_revert(&set, 0, &err), -ETIMEDOUT);
	expect(0, BO_CONFIRM_OK, "ended by signal 9", "");
	revert(0);
	expect(0, BO_CONFIRM_OK, "ended by signal 9", "");
}

static void kill_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin_with("kill", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "still running", "did not end");
	assert_int_equal(fake->starts, 0);
}

static void kill_of_the_dead_is_no_fault(void **state)
{
	(void)state;
	fake->nodes[NODE_DB] = (struct bo_node_state){ .exit_status = 1 << 8,
						       .since_ns = fake_now - SEC };
	begin_with("kill", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "exited with 1", "had ended before the fault");
}

static void term_ends_and_comes_back(void **state)
{
	(void)state;
	begin_with("term", NULL, 0);
	apply(0);
	pass(SEC);
	assert_int_equal(fake->terms, 1);
	assert_int_equal(fake->kills, 0);
	revert(0);
	expect(0, BO_CONFIRM_OK, "exited with 0", "");
	assert_true(fake->nodes[NODE_DB].running);
}

static void term_that_is_ignored_is_off_and_cleaned_up(void **state)
{
	int32_t pid;

	(void)state;
	fake->ignores_term = true;
	pid = fake->nodes[NODE_DB].pid;
	begin_with("term", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "still running", "did not end");
	/* It might end at any later moment, so it is replaced by one that was told nothing. */
	assert_int_equal(fake->kills, 1);
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_not_equal(fake->nodes[NODE_DB].pid, pid);
}

static void a_signal_that_was_not_sent_kills_nobody_later(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	begin_with("term", NULL, 0);
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
	begin_with("restart", NULL, 0);
	apply(0);
	pass(200 * MS);
	assert_int_equal(fake->terms, 1);
	assert_int_equal(fake->starts, 1);
	assert_true(fake->nodes[NODE_DB].running);
	pass(2 * SEC);
	assert_int_equal(fake->starts, 1);
	revert(0);
	expect(0, BO_CONFIRM_OK, "pid 12 ended after 1", "");
	assert_int_equal(fake->starts, 1);
	assert_int_equal(fake->kills, 0);
}

static void restart_by_kill(void **state)
{
	(void)state;
	begin_with("restart", ARGS(STR("", "kill")));
	apply(0);
	pass(200 * MS);
	assert_int_equal(fake->terms, 0);
	assert_int_equal(fake->kills, 1);
	revert(0);
	expect(0, BO_CONFIRM_OK, "now pid", "");
}

static void restart_kills_after_the_grace_period(void **state)
{
	(void)state;
	fake->ignores_term = true;
	begin_with("restart", ARGS(STR("grace", "1s")));
	apply(0);
	pass(900 * MS);
	assert_int_equal(fake->kills, 0);
	pass(300 * MS);
	assert_int_equal(fake->kills, 1);
	assert_int_equal(fake->starts, 1);
	revert(0);
	expect(0, BO_CONFIRM_OK, "SIGKILL after the grace period", "");
}

static void restart_that_is_not_done_in_time_is_off(void **state)
{
	(void)state;
	fake->ignores_term = true;
	begin_with("restart", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "not ended", "had not ended when the fault was over");
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake->kills, 1);
}

static void restart_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin_with("restart", ARGS(STR("", "kill")));
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "", "had not ended");
}

static void restart_that_stays_down_is_found_out(void **state)
{
	(void)state;
	fake->stays_down = true;
	begin_with("restart", ARGS(STR("", "kill")));
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "not running", "did not come back");
	assert_int_equal(fake->starts, 2);
}

static void restart_needs_something_to_restart(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	fake->nodes[NODE_DB].running = false;
	begin_with("restart", NULL, 0);
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -ESRCH);
	assert_string_equal(err.msg, "db is not running");
}

static void pause_freezes_and_thaws(void **state)
{
	(void)state;
	begin_with("pause", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OK, "frozen", "");
	assert_string_equal(fake->records[0].driver, "cgroup freezer");
	assert_false(fake->nodes[NODE_DB].paused);
	assert_int_equal(fake->resumes, 1);
}

static void pause_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin_with("pause", NULL, 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "running", "db is running, expected frozen");
}

static void pause_without_a_freezer_uses_signals(void **state)
{
	struct bo_err err = { 0 };
	size_t at = 0;

	(void)state;
	fake->machine.cgroup_freezer = false;
	begin_with("pause", NULL, 0);
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), 0);
	apply(0);
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OK, "frozen", "");
	assert_string_equal(fake->records[0].driver, "SIGSTOP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(kill_ends_and_comes_back),
		RIG_TEST(who_waits_holds_up_nobody),
		RIG_TEST(a_second_try_to_revert_does_not_judge_again),
		RIG_TEST(kill_that_does_nothing_is_found_out),
		RIG_TEST(kill_of_the_dead_is_no_fault),
		RIG_TEST(term_ends_and_comes_back),
		RIG_TEST(term_that_is_ignored_is_off_and_cleaned_up),
		RIG_TEST(a_signal_that_was_not_sent_kills_nobody_later),
		RIG_TEST(restart_is_over_at_once),
		RIG_TEST(restart_by_kill),
		RIG_TEST(restart_kills_after_the_grace_period),
		RIG_TEST(restart_that_is_not_done_in_time_is_off),
		RIG_TEST(restart_that_does_nothing_is_found_out),
		RIG_TEST(restart_that_stays_down_is_found_out),
		RIG_TEST(restart_needs_something_to_restart),
		RIG_TEST(pause_freezes_and_thaws),
		RIG_TEST(pause_that_does_nothing_is_found_out),
		RIG_TEST(pause_without_a_freezer_uses_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
