/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_memory.c — the memory squeeze: its steps, its knobs, refusals by the
 * kernel, and what is read back.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault_rig.h"

#define ORDERS BO_TARGET_NODE, NODE_ORDERS
#define MIB ((int64_t)1 << 20)

static void begin_on(int node, const struct bo_arg *args, size_t nargs)
{
	(void)fake_fault(fake, "memory", BO_TARGET_NODE, node, args, nargs);
	begin();
	apply(0);
}

static int64_t limit(int node)
{
	return fake->memory[node].limit_bytes;
}

static void one_step_and_back(void **state)
{
	(void)state;
	begin_on(NODE_ORDERS, ARGS(STR("", "50%")));
	assert_int_equal(limit(NODE_ORDERS), 128 * MIB);
	pass(SEC);
	assert_int_equal(fake->limits, 1);
	revert(0);
	expect(0, BO_CONFIRM_OK, "limit 128MiB, usage 60MiB (peak 60MiB)", "");
	assert_string_equal(fake->records[0].driver, "cgroup v1");
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
}

static void steps_are_even_in_size_and_time(void **state)
{
	(void)state;
	/* 256 → 96 MiB: 5 steps of 32 MiB, at 0, 1, 2, 3 and 4 s. */
	begin_on(NODE_ORDERS, ARGS(STR("to", "96MiB"), NUM("steps", 5), STR("over", "4s")));
	for (int step = 1; step <= 5; step++) {
		assert_int_equal(limit(NODE_ORDERS), (256 - 32 * step) * MIB);
		pass(900 * MS);
		assert_int_equal(limit(NODE_ORDERS), (256 - 32 * step) * MIB);
		pass(120 * MS);
	}
	assert_int_equal(fake->limits, 5);
	revert(0);
	expect(0, BO_CONFIRM_OK, "limit 96MiB", "");
}

static void a_late_tick_skips_steps(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	begin_on(NODE_ORDERS, ARGS(STR("to", "96MiB"), NUM("steps", 5), STR("over", "4s")));
	fake_now += 3 * SEC;
	assert_int_equal(bo_fault_set_tick(&set, fake_now, &err), 0);
	assert_int_equal(limit(NODE_ORDERS), 128 * MIB);
	assert_int_equal(fake->limits, 2);
}

static void squeeze_below_usage_is_recorded(void **state)
{
	(void)state;
	begin_on(NODE_ORDERS, ARGS(STR("", "32MiB")));
	fake->memory[NODE_ORDERS].oom_kills = 1;
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OK,
	       "limit 32MiB, usage 32MiB (peak 60MiB), failed charges +3, OOM kills +1", "");
}

static void refused_steps_are_tried_again(void **state)
{
	(void)state;
	fake->unreclaimable = 64 * MIB;
	begin_on(NODE_ORDERS, ARGS(STR("", "48MiB")));
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
	pass(SEC);
	assert_in_range(fake->limits, 8, 12);
	fake->unreclaimable = 0; /* the service has let go of its memory */
	pass(200 * MS);
	assert_int_equal(limit(NODE_ORDERS), 48 * MIB);
	revert(0);
	expect(0, BO_CONFIRM_OK, "refused", "");
}

static void refused_to_the_end_is_off(void **state)
{
	(void)state;
	fake->unreclaimable = 64 * MIB;
	begin_on(NODE_ORDERS, ARGS(STR("", "48MiB")));
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "limit 256MiB",
	       "the limit is 256MiB, expected 48MiB: the kernel refused it (EBUSY)");
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
}

static void hands_that_do_nothing_are_found_out(void **state)
{
	(void)state;
	fake->lies = true;
	begin_on(NODE_ORDERS, ARGS(STR("", "60%")));
	pass(SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "", "the limit is 256MiB, expected 1");
}

static void a_squeeze_cut_short_is_off(void **state)
{
	(void)state;
	begin_on(NODE_ORDERS, ARGS(STR("to", "96MiB"), NUM("steps", 5), STR("over", "4s")));
	pass(2 * SEC);
	revert(0);
	expect(0, BO_CONFIRM_OFF, "", "expected 96MiB");
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
}

static void usage_above_the_limit_is_off(void **state)
{
	(void)state;
	begin_on(NODE_ORDERS, ARGS(STR("", "50%")));
	fake->memory[NODE_ORDERS].usage_bytes = 200 * MIB;
	revert(0);
	expect(0, BO_CONFIRM_OFF, "usage 200MiB", "usage of 200MiB is above the limit of 128MiB");
}

static void a_node_without_limit_gets_none_back(void **state)
{
	(void)state;
	begin_on(NODE_DB, ARGS(STR("to", "32MiB"), NUM("steps", 2), STR("over", "1s")));
	/* From usage, 60 MiB, in two steps. */
	assert_int_equal(limit(NODE_DB), 46 * MIB);
	pass(1100 * MS);
	assert_int_equal(limit(NODE_DB), 32 * MIB);
	revert(0);
	expect(0, BO_CONFIRM_OK, "limit 32MiB", "");
	assert_true(limit(NODE_DB) == INT64_MAX);
}

static void v2(void)
{
	fake->machine.cgroup_memory_version = 2;
	fake->machine.memory_high = true;
	fake->memory[NODE_ORDERS].high_events = 0;
}

static void auto_uses_both_knobs_on_v2(void **state)
{
	(void)state;
	v2();
	begin_on(NODE_ORDERS, ARGS(STR("", "50%")));
	assert_int_equal(fake->memory[NODE_ORDERS].high_bytes, 128 * MIB);
	assert_int_equal(limit(NODE_ORDERS), 128 * MIB);
	revert(0);
	expect(0, BO_CONFIRM_OK, "limit 128MiB", "");
	assert_string_equal(fake->records[0].driver, "cgroup v2");
	assert_true(fake->memory[NODE_ORDERS].high_bytes == INT64_MAX);
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
}

static void high_leaves_max_alone(void **state)
{
	(void)state;
	v2();
	begin_on(NODE_ORDERS, ARGS(STR("", "50%"), STR("knob", "high")));
	assert_int_equal(fake->memory[NODE_ORDERS].high_bytes, 128 * MIB);
	assert_int_equal(limit(NODE_ORDERS), 256 * MIB);
	fake->memory[NODE_ORDERS].high_events = 7;
	revert(0);
	expect(0, BO_CONFIRM_OK, "memory.high 128MiB, usage 60MiB (peak 60MiB), high events +7",
	       "");
	assert_int_equal(fake->limits, 2);
}

static void high_that_cannot_be_read_is_unknown(void **state)
{
	(void)state;
	v2();
	fake->lies = true;
	fake->memory[NODE_ORDERS].high_bytes = 0;
	begin_on(NODE_ORDERS, ARGS(STR("", "50%"), STR("knob", "high")));
	revert(0);
	expect(0, BO_CONFIRM_UNKNOWN, "", "could not be read back");
}

static void max_leaves_high_alone(void **state)
{
	(void)state;
	v2();
	begin_on(NODE_ORDERS, ARGS(STR("", "50%"), STR("knob", "max")));
	assert_true(fake->memory[NODE_ORDERS].high_bytes == INT64_MAX);
	assert_int_equal(limit(NODE_ORDERS), 128 * MIB);
}

static void machines_without_it_refuse(void **state)
{
	struct bo_err err = { 0 };
	size_t at = 99;

	(void)state;
	(void)fake_fault(fake, "memory", ORDERS, ARGS(STR("", "50%"), STR("knob", "high")));
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "needs cgroup v2; here memory is on v1"));
	fake->machine.cgroup_memory = false;
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "needs the cgroup memory controller"));
}

static void other_errors_are_errors(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	(void)fake_fault(fake, "memory", ORDERS, ARGS(STR("", "50%")));
	assert_int_equal(bo_fault_set_init(&set, fake->plan, &fake->hands, fake->records, &err), 0);
	fake->fail_errno = EACCES;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -EACCES);
	assert_int_equal(fake->records[0].confirm, BO_CONFIRM_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(one_step_and_back),
		RIG_TEST(steps_are_even_in_size_and_time),
		RIG_TEST(a_late_tick_skips_steps),
		RIG_TEST(squeeze_below_usage_is_recorded),
		RIG_TEST(refused_steps_are_tried_again),
		RIG_TEST(refused_to_the_end_is_off),
		RIG_TEST(hands_that_do_nothing_are_found_out),
		RIG_TEST(a_squeeze_cut_short_is_off),
		RIG_TEST(usage_above_the_limit_is_off),
		RIG_TEST(a_node_without_limit_gets_none_back),
		RIG_TEST(auto_uses_both_knobs_on_v2),
		RIG_TEST(high_leaves_max_alone),
		RIG_TEST(high_that_cannot_be_read_is_unknown),
		RIG_TEST(max_leaves_high_alone),
		RIG_TEST(machines_without_it_refuse),
		RIG_TEST(other_errors_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
