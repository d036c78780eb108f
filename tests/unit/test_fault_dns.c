/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_dns.c — faults of names, through hands that play a name server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault_rig.h"

static struct bo_dns_fault in_force;
static struct bo_dns_stats stats;
static int calls, fails;

static int fake_dns(void *self, int node, const struct bo_dns_fault *fault, struct bo_err *err)
{
	assert_ptr_equal(self, fake);
	assert_int_equal(node, NODE_ORDERS);
	calls++;
	if (fails)
		return bo_err_set(err, fails, BO_SUBSYS_LAB, "told to fail");
	in_force = fault ? *fault : (struct bo_dns_fault){ 0 };
	return 0;
}

static int fake_dns_stats(void *self, int node, struct bo_dns_stats *ret, struct bo_err *err)
{
	assert_ptr_equal(self, fake);
	assert_int_equal(node, NODE_ORDERS);
	if (fails)
		return bo_err_set(err, fails, BO_SUBSYS_LAB, "told to fail");
	*ret = stats;
	return 0;
}

static int set_up(void **state)
{
	rig_up(state);
	fake->plan->nodes.items[NODE_ORDERS].dns = true;
	fake->hands.node_dns = fake_dns;
	fake->hands.node_dns_stats = fake_dns_stats;
	memset(&in_force, 0, sizeof(in_force));
	memset(&stats, 0, sizeof(stats));
	calls = fails = 0;
	return 0;
}

static void begin_with(const struct bo_arg *args, size_t nargs)
{
	(void)fake_fault(fake, "dns", BO_TARGET_NODE, NODE_ORDERS, args, nargs);
	begin();
	apply(0);
}

static void end(enum bo_confirm confirm, const char *achieved, const char *reason)
{
	revert(0);
	revert(0);
	expect(0, confirm, achieved, reason);
	/* once on, once off */
	assert_int_equal(calls, 2);
	assert_true(!in_force.fail && !in_force.delay_ns && !in_force.lie);
}

static void what_is_asked_for_is_in_force(void **state)
{
	(void)state;
	begin_with(ARGS(STR("fail", "servfail"), STR("name", "db"), STR("delay", "2s")));
	assert_int_equal(in_force.fail, BO_DNS_SERVFAIL);
	assert_string_equal(in_force.name, "db");
	assert_true(in_force.delay_ns == 2 * SEC && !in_force.lie);
	assert_string_equal(fake->records[0].driver, "name server");
	assert_string_equal(fake->records[0].requested, "orders asks for db: servfail after 2.00s");
	stats = (struct bo_dns_stats){
		.asked = 3, .hit = 3, .delay_min_ns = 2 * SEC, .delay_max_ns = 2 * SEC + 5 * MS
	};
	end(BO_CONFIRM_OK, "3 of 3 look-ups, answered after 2.00s to 2", "");
}

static void every_word_is_its_own(void **state)
{
	static const char *const words[] = { "nxdomain", "servfail", "refused", "timeout" };

	for (int i = 0; i < 4; i++) {
		begin_with(ARGS(STR("", words[i])));
		assert_int_equal(in_force.fail, i + 1);
		assert_string_equal(in_force.name, "");
		stats = (struct bo_dns_stats){ .asked = 1, .hit = 1 };
		end(BO_CONFIRM_OK, "1 of 1 look-ups", "");
		rig_down(state);
		set_up(state);
	}
}

static void lies_have_an_address(void **state)
{
	begin_with(ARGS(STR("answer", "192.0.2.7")));
	assert_true(in_force.lie && in_force.lie4.s_addr && !*in_force.lie_of);
	assert_string_equal(fake->records[0].requested,
			    "orders asks for any name: the address 192.0.2.7");
	stats = (struct bo_dns_stats){ .asked = 9, .hit = 9 };
	end(BO_CONFIRM_OK, "9 of 9", "");
	rig_down(state);
	set_up(state);
	begin_with(ARGS(STR("answer", "db"), STR("name", "client")));
	assert_true(in_force.lie && !in_force.lie4.s_addr);
	assert_string_equal(in_force.lie_of, "db");
	assert_string_equal(fake->records[0].requested,
			    "orders asks for client: the address of db");
	stats = (struct bo_dns_stats){ .asked = 9, .hit = 9 };
	end(BO_CONFIRM_OK, "9 of 9", "");
}

static void nobody_asked_is_not_confirmed(void **state)
{
	(void)state;
	begin_with(ARGS(STR("fail", "nxdomain"), STR("name", "db")));
	stats = (struct bo_dns_stats){ .others = 12 };
	end(BO_CONFIRM_UNKNOWN, "0 of 0 look-ups",
	    "orders did not ask for db while the fault lasted (it asked for others 12 times)");
}

static void hands_that_do_nothing_are_off(void **state)
{
	(void)state;
	begin_with(ARGS(STR("fail", "nxdomain")));
	stats = (struct bo_dns_stats){ .asked = 5 };
	end(BO_CONFIRM_OFF, "0 of 5", "0 of 5 look-ups met it");
}

static void some_that_got_through_are_off(void **state)
{
	(void)state;
	begin_with(ARGS(STR("fail", "nxdomain")));
	stats = (struct bo_dns_stats){ .asked = 5, .hit = 4 };
	end(BO_CONFIRM_OFF, "4 of 5", "4 of 5 look-ups met it");
}

static void late_is_late_and_not_later(void **state)
{
	static const struct {
		int64_t min, max;
		uint64_t late;
		enum bo_confirm confirm;
		const char *reason;
	} cases[] = {
		{ 300 * MS, 310 * MS, 0, BO_CONFIRM_OK, "" },
		{ 299 * MS, 310 * MS, 0, BO_CONFIRM_OFF, "an answer went after 299ms" },
		{ 300 * MS, 700 * MS, 2, BO_CONFIRM_OK, "" },
		{ 300 * MS, 700 * MS, 3, BO_CONFIRM_OFF,
		  "3 of 4 answers were late, by 400ms at most" },
		{ 0, 0, 0, BO_CONFIRM_UNKNOWN, "no answer was due before the fault was over" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_with(ARGS(STR("delay", "300ms")));
		stats = (struct bo_dns_stats){ .asked = 4,
					       .hit = 4,
					       .answered = cases[i].max ? 4 : 0,
					       .late = cases[i].late,
					       .delay_min_ns = cases[i].min,
					       .delay_max_ns = cases[i].max };
		end(cases[i].confirm, "4 of 4", cases[i].reason);
		rig_down(state);
		set_up(state);
	}
}

static void a_name_server_that_cannot_be_told_is_no_fault(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	fails = EIO;
	(void)fake_fault(fake, "dns", BO_TARGET_NODE, NODE_ORDERS, ARGS(STR("fail", "nxdomain")));
	assert_int_equal(bo_fault_set_init(&set, fake->plan, &fake->hands, fake->records, &err), 0);
	set.clock = fake_clock;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -EIO);
	assert_int_equal(fake->records[0].confirm, BO_CONFIRM_OFF);
}

static void refused(const char *message, bool dns, const struct bo_arg *args, size_t nargs)
{
	struct bo_err err = { 0 };

	fake->plan->faults.len = 0;
	fake->plan->nodes.items[NODE_ORDERS].dns = dns;
	(void)fake_fault(fake, "dns", BO_TARGET_NODE, NODE_ORDERS, args, nargs);
	assert_true(bo_fault_check(fake->plan, &fake->plan->faults.items[0], &err) < 0);
	assert_string_equal(err.msg, message);
}

static void mistakes_are_named(void **state)
{
	struct bo_err err = { 0 };
	size_t at = 0;

	(void)state;
	refused("dns: 'orders' asks no name server, it has an /etc/hosts; declare it with dns = true",
		false, ARGS(STR("fail", "nxdomain")));
	refused("dns: nothing to do: expected at least one of fail, delay, answer", true, NULL, 0);
	refused("dns: nothing to do: expected at least one of fail, delay, answer", true,
		ARGS(STR("name", "db")));
	refused("dns: fail or answer, expected one of them", true,
		ARGS(STR("fail", "refused"), STR("answer", "db")));
	refused("dns: delay: what is never answered cannot be answered late", true,
		ARGS(STR("fail", "timeout"), STR("delay", "1s")));
	refused("dns: answer: expected an IP address or the name of a node, found \"10.0.0\"", true,
		ARGS(STR("answer", "10.0.0")));
	/* two at a time on one name server */
	fake->plan->faults.len = 0;
	(void)fake_fault(fake, "dns", BO_TARGET_NODE, NODE_ORDERS, ARGS(STR("fail", "nxdomain")));
	(void)fake_fault(fake, "dns", BO_TARGET_NODE, NODE_ORDERS, ARGS(STR("delay", "1s")));
	assert_true(bo_fault_check_overlap(fake->plan, &at, &err) < 0);
	assert_non_null(strstr(err.msg, "both set the name server of orders"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, rig_down)
	const struct CMUnitTest tests[] = {
		T(what_is_asked_for_is_in_force),
		T(every_word_is_its_own),
		T(lies_have_an_address),
		T(nobody_asked_is_not_confirmed),
		T(hands_that_do_nothing_are_off),
		T(some_that_got_through_are_off),
		T(late_is_late_and_not_later),
		T(a_name_server_that_cannot_be_told_is_no_fault),
		T(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
