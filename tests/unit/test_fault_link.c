/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_link.c — faults on links in a set: they merge, heal, and are confirmed only
 * by probes that met one known state; hands that do nothing are found out.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault_rig.h"

#define LINK BO_TARGET_LINK, LINK_BACK

static void one_fault_from_apply_to_revert(void **state)
{
	const struct bo_fault_record *record = &fake->records[0];

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "300ms")));
	begin();
	assert_true(fake->probing[LINK_BACK][0] && fake->probing[LINK_BACK][1]);
	assert_false(fake->probing[LINK_FRONT][0]);
	apply(0);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B).delay_ns, 300 * MS);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_B_TO_A).delay_ns, 300 * MS);
	assert_int_equal(fake_impair(fake, LINK_FRONT, BO_DIR_A_TO_B).delay_ns, 0);
	assert_in_range(record->applied_ns, 2 * SEC, 2 * SEC + MS);
	assert_in_range(record->apply_cost_ns, MS / 10, MS);
	assert_int_equal(record->reverted_ns, INT64_MIN);
	fake_now += 5 * SEC;
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
	assert_string_equal(record->driver, "wire");
	assert_string_equal(record->requested, "delay 300ms on orders-db (both directions)");
	assert_non_null(strstr(record->achieved, "orders → db: delay p50 300"));
	assert_non_null(strstr(record->achieved, "; db → orders: delay p50 300"));
	assert_in_range(record->reverted_ns, 7 * SEC, 7 * SEC + 2 * MS);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B).delay_ns, 0);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_B_TO_A).delay_ns, 0);
	assert_false(fake->probing[LINK_BACK][0] || fake->probing[LINK_BACK][1]);
	/* Harmless the second time. */
	revert(0);
	assert_int_equal(fake->nchanges[LINK_BACK][0], 2);
}

static void toward_is_one_direction(void **state)
{
	(void)state;
	(void)fake_fault(fake, "blackhole", LINK, ARGS(STR("toward", "orders")));
	begin();
	apply(0);
	assert_false(fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B).blackhole);
	assert_true(fake_impair(fake, LINK_BACK, BO_DIR_B_TO_A).blackhole);
	fake_now += SEC;
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
	assert_null(strstr(fake->records[0].achieved, "orders → db"));
	assert_int_equal(fake->nchanges[LINK_BACK][BO_DIR_A_TO_B], 0);
}

static void faults_merge_and_part_again(void **state)
{
	struct bo_impair im;

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms"), STR("jitter", "5ms")));
	(void)fake_fault(fake, "loss", LINK, ARGS(STR("", "10%")));
	(void)fake_fault(fake, "rate", LINK, ARGS(STR("", "8Mbit/s"), NUM("limit", 77)));
	begin();
	for (size_t i = 0; i < 3; i++) {
		apply(i);
		fake_now += 3 * SEC;
	}
	im = fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B);
	assert_int_equal(im.delay_ns, 50 * MS);
	assert_int_equal(im.jitter_ns, 5 * MS);
	assert_int_equal(im.loss.random.ppm, 100000);
	assert_int_equal(im.rate_bps, 8000000);
	assert_int_equal(im.limit_packets, 77);
	revert(0);
	im = fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B);
	assert_int_equal(im.delay_ns, 0);
	assert_int_equal(im.jitter_ns, 0);
	assert_int_equal(im.loss.random.ppm, 100000);
	assert_true(fake->probing[LINK_BACK][0]);
	fake_now += 2 * SEC;
	revert(1);
	revert(2);
	im = fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B);
	assert_true(bo_impair_is_none(&im));
	expect(0, BO_CONFIRM_OK, "", "");
	expect(1, BO_CONFIRM_OK, "", "");
	expect(2, BO_CONFIRM_OK, "", "");
}

/* The loss is judged where it was alone with the delay, not where a blackhole swallowed everything.
 */
static void windows_leave_out_what_others_did(void **state)
{
	(void)state;
	(void)fake_fault(fake, "loss", LINK, ARGS(STR("", "10%")));
	(void)fake_fault(fake, "blackhole", LINK, NULL, 0);
	begin();
	apply(0);
	fake_now += 2 * SEC;
	apply(1);
	fake_now += 5 * SEC; /* longer than the loss was alone */
	revert(1);
	fake_now += SEC;
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
	expect(1, BO_CONFIRM_OK, "", "");
	assert_non_null(strstr(fake->records[1].achieved, "0 of "));
}

static void a_rate_is_measured_without_the_jitter_of_others(void **state)
{
	(void)state;
	(void)fake_fault(fake, "rate", LINK, ARGS(STR("", "8Mbit/s")));
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms"), STR("jitter", "20ms")));
	begin();
	apply(0);
	fake_now += 2 * SEC;
	apply(1);
	fake_now += 5 * SEC; /* longer, but no train is of use in it */
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
}

static void probes_under_way_are_not_called_lost(void **state)
{
	(void)state;
	(void)fake_fault(fake, "impair", LINK, ARGS(STR("delay", "2s"), STR("loss", "5%")));
	begin();
	apply(0);
	fake_now += 5 * SEC;
	/* Without the tail of 2.1 s, 40 % of the probes would still be on their way. */
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
}

static void too_short_is_unknown(void **state)
{
	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "3s")));
	begin();
	apply(0);
	fake_now += 2 * SEC;
	revert(0);
	expect(0, BO_CONFIRM_UNKNOWN, "", "that takes 3.20s");
	assert_true(fake->records[0].reverted_ns > 0);
}

static void standing_queue_under_a_rate_is_allowed(void **state)
{
	(void)state;
	fake->standing_queue_ns = 400 * MS;
	(void)fake_fault(fake, "impair", LINK, ARGS(STR("delay", "20ms"), STR("rate", "5Mbit/s")));
	begin();
	apply(0);
	fake_now += 5 * SEC;
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
}

static void the_path_before_is_known(void **state)
{
	(void)state;
	fake->base_delay_ns = 30 *
			      MS; /* a slow machine: 30 ms beyond 20 ms is not the fault's doing */
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "20ms")));
	begin();
	apply(0);
	fake_now += 5 * SEC;
	revert(0);
	expect(0, BO_CONFIRM_OK, "", "");
}

static void hands_that_do_nothing_are_found_out(void **state)
{
	static const struct {
		const char *kind;
		struct bo_arg args[2];
		size_t nargs;
		const char *reason;
	} kinds[] = {
		{ "delay", { STR("", "50ms") }, 1, "" },
		{ "delay", { STR("", "50ms"), STR("jitter", "20ms") }, 2, "" },
		/* Twelve directions share one chance in a thousand. */
		{ "loss", { STR("", "2%") }, 1, "outside the 99.9917% interval of 2%" },
		{ "rate", { STR("", "10Mbit/s") }, 1, "" },
		{ "blackhole", { { 0 } }, 0, "" },
		{ "impair", { STR("delay", "50ms"), STR("loss", "2%") }, 2, "" },
	};

	(void)state;
	fake->lies = true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		(void)fake_fault(fake, kinds[i].kind, LINK, kinds[i].args, kinds[i].nargs);
	begin();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		apply(i);
		fake_now += 5 * SEC;
		revert(i);
		expect(i, BO_CONFIRM_OFF, "", kinds[i].reason);
	}
}

static void wrong_rate_is_found_out(void **state)
{
	(void)state;
	fake->rate_factor = 0.8;
	(void)fake_fault(fake, "rate", LINK, ARGS(STR("", "10Mbit/s")));
	begin();
	apply(0);
	fake_now += 5 * SEC;
	revert(0);
	expect(0, BO_CONFIRM_OFF, "", "8Mbit/s");
}

static void a_failed_apply_is_off_and_leaves_nothing(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms")));
	begin();
	fake->fail_errno = EPIPE;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -EPIPE);
	assert_string_equal(err.msg, "the hands are tied");
	expect(0, BO_CONFIRM_OFF, "", "could not be applied: the hands are tied");
	assert_int_equal(fake->records[0].applied_ns, INT64_MIN);
	fake->fail_errno = 0;
	revert(0);
	assert_int_equal(fake->nchanges[LINK_BACK][0], 0);
}

static void a_failed_measurement_is_unknown(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms")));
	begin();
	apply(0);
	fake_now += 5 * SEC;
	fake->fail_errno = EPIPE;
	assert_int_equal(bo_fault_set_revert(&set, 0, &err), -EPIPE);
	expect(0, BO_CONFIRM_UNKNOWN, "", "could not be measured");
	assert_int_equal(fake->records[0].reverted_ns, INT64_MIN);
	/* It is still in force, and a second try takes it back. */
	fake->fail_errno = 0;
	revert(0);
	assert_true(fake->records[0].reverted_ns > 0);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B).delay_ns, 0);
}

static void revert_all_takes_everything_back(void **state)
{
	struct bo_err err = { 0 };
	struct bo_impair im;

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms")));
	(void)fake_fault(fake, "loss", LINK, ARGS(STR("", "10%")));
	(void)fake_fault(fake, "kill", BO_TARGET_NODE, NODE_DB, NULL, 0);
	(void)fake_fault(fake, "blackhole", BO_TARGET_LINK, LINK_FRONT, NULL,
			 0); /* never applied */
	begin();
	for (size_t i = 0; i < 3; i++) {
		apply(i);
		fake_now += SEC;
	}
	assert_int_equal(bo_fault_set_revert_all(&set, &err), 0);
	im = fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B);
	assert_true(bo_impair_is_none(&im));
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake->records[3].confirm, BO_CONFIRM_PENDING);
	for (int link = 0; link < LINKS; link++)
		assert_false(fake->probing[link][0] || fake->probing[link][1]);
	/* Last applied, first reverted. */
	assert_true(fake->records[2].reverted_ns < fake->records[1].reverted_ns);
	assert_true(fake->records[1].reverted_ns < fake->records[0].reverted_ns);
}

static void revert_all_goes_on_past_failures(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms")));
	(void)fake_fault(fake, "kill", BO_TARGET_NODE, NODE_DB, NULL, 0);
	begin();
	apply(0);
	apply(1);
	fake->fail_errno = EIO;
	assert_int_equal(bo_fault_set_revert_all(&set, &err), -EIO);
	fake->fail_errno = 0;
	assert_int_equal(bo_fault_set_revert_all(&set, &err), 0);
	assert_true(fake->nodes[NODE_DB].running);
	assert_int_equal(fake_impair(fake, LINK_BACK, BO_DIR_A_TO_B).delay_ns, 0);
}

static void what_the_machine_cannot_is_refused_by_name(void **state)
{
	struct bo_err err = { 0 };
	size_t at = 99;

	(void)state;
	(void)fake_fault(fake, "kill", BO_TARGET_NODE, NODE_DB, NULL, 0);
	(void)fake_fault(fake, "delay", LINK, ARGS(STR("", "50ms")));
	begin();
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), 0);
	fake->machine.tun = false;
	snprintf(fake->machine.why_not_tun, sizeof(fake->machine.why_not_tun), "no /dev/net/tun");
	snprintf(fake->machine.why_not_netem, sizeof(fake->machine.why_not_netem), "no sch_netem");
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), -ENOTSUP);
	assert_int_equal(at, 1);
	assert_string_equal(err.msg, "delay needs netem (no sch_netem) or TUN (no /dev/net/tun)");
	fake->machine.tun = true;
	fake->plan->driver = BO_DRIVER_NETEM;
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &at, &err), -ENOTSUP);
	assert_string_equal(err.msg, "delay needs netem: no sch_netem");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(one_fault_from_apply_to_revert),
		RIG_TEST(toward_is_one_direction),
		RIG_TEST(faults_merge_and_part_again),
		RIG_TEST(windows_leave_out_what_others_did),
		RIG_TEST(a_rate_is_measured_without_the_jitter_of_others),
		RIG_TEST(probes_under_way_are_not_called_lost),
		RIG_TEST(too_short_is_unknown),
		RIG_TEST(standing_queue_under_a_rate_is_allowed),
		RIG_TEST(the_path_before_is_known),
		RIG_TEST(hands_that_do_nothing_are_found_out),
		RIG_TEST(wrong_rate_is_found_out),
		RIG_TEST(a_failed_apply_is_off_and_leaves_nothing),
		RIG_TEST(a_failed_measurement_is_unknown),
		RIG_TEST(revert_all_takes_everything_back),
		RIG_TEST(revert_all_goes_on_past_failures),
		RIG_TEST(what_the_machine_cannot_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
