/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_fault_conn.c — faults on connections: which rule each makes, what is refused, and that hands which do
 * nothing are found out.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conn-internal.h"
#include "fault_rig.h"

#define LINK BO_TARGET_LINK, LINK_BACK
#define BOTH 3u

static int set_up(void **state)
{
	rig_up(state);
	fake->conn_counts = (struct bo_conn_counts){
		.connections = 2, .matched = 9, .dropped = 4, .resets = 4
	};
	return 0;
}

static struct bo_conn_rule rule_of(const char *kind, const struct bo_arg *args, size_t n)
{
	const struct bo_fault_spec *spec = fake_fault(fake, kind, LINK, args, n);
	struct bo_err err = { 0 };
	struct bo_conn_rule rule;

	if (bo_fault_check(fake->plan, spec, &err) < 0)
		fail_msg("%s", err.msg);
	bo_fault_conn_rule(fake->plan, spec, &rule);
	assert_int_equal(bo_conn_rule_check(&rule, &err), 0);
	return rule;
}

static void each_kind_makes_its_rule(void **state)
{
	struct bo_conn_rule r;

	(void)state;
	r = rule_of("drop",
		    ARGS(STR("protocol", "tcp"), NUM("port", 5432), STR("connections", "new"),
			 NUM("first", 3), STR("contains", "UPDATE"), NUM("occurrence", 2),
			 BOOLEAN("handshake", false), STR("toward", "db")));
	assert_int_equal(r.action, BO_CONN_DROP);
	assert_int_equal(r.protocol, BO_CONN_TCP);
	assert_int_equal(r.port, 5432);
	assert_int_equal(r.age, BO_CONN_NEW);
	assert_int_equal(r.first, 3);
	assert_int_equal(r.contains_len, 6);
	assert_memory_equal(r.contains, "UPDATE", 6);
	assert_int_equal(r.occurrence, 2);
	assert_int_equal(r.packets, BO_CONN_NO_HANDSHAKE);
	assert_int_equal(r.dirs, 1u << BO_DIR_A_TO_B);
	assert_int_equal(r.share_ppm, 0);
	r = rule_of("drop", ARGS(NUM("packet", 7), STR("toward", "orders")));
	assert_int_equal(r.packet, 7);
	assert_int_equal(r.protocol, BO_CONN_ANY_PROTOCOL);
	assert_int_equal(r.packets, BO_CONN_ALL_PACKETS);
	assert_int_equal(r.dirs, 1u << BO_DIR_B_TO_A);
	r = rule_of("syn_drop", NULL, 0);
	assert_true(r.action == BO_CONN_DROP && r.packets == BO_CONN_SYN_ONLY &&
		    r.age == BO_CONN_NEW && r.protocol == BO_CONN_TCP && r.dirs == BOTH);
	r = rule_of("refuse", ARGS(NUM("first", 2)));
	assert_true(r.action == BO_CONN_REFUSE && r.age == BO_CONN_NEW && r.first == 2 &&
		    r.protocol == BO_CONN_TCP);
	assert_int_equal(r.with, BO_CONN_CLOSED_PORT);
	r = rule_of("refuse", ARGS(STR("protocol", "udp"), STR("address", "fd00::/8")));
	assert_true(r.action == BO_CONN_REFUSE && r.age == BO_CONN_ANY_AGE &&
		    r.protocol == BO_CONN_UDP && r.address.version == 6 && r.address.bits == 8 &&
		    r.address.addr[0] == 0xfd);
	r = rule_of("refuse", ARGS(STR("protocol", "any"), STR("connections", "new"),
				   STR("with", "admin-prohibited")));
	assert_true(r.age == BO_CONN_NEW && !r.protocol && r.with == BO_CONN_PROHIBITED);
	r = rule_of("reset", ARGS(STR("to", "responder")));
	assert_true(r.action == BO_CONN_RESET && r.age == BO_CONN_ESTABLISHED &&
		    r.ends == BO_CONN_RESPONDER);
	r = rule_of("reset",
		    ARGS(STR("contains", "x"), STR("protocol", "tcp"), STR("toward", "db")));
	assert_true(r.protocol == BO_CONN_TCP && r.dirs == 1u << BO_DIR_A_TO_B);
	r = rule_of("reset", ARGS(STR("contains", "x")));
	assert_true(r.age == BO_CONN_ANY_AGE && r.ends == BO_CONN_BOTH_ENDS);
	r = rule_of("reset", ARGS(STR("contains", "x"), STR("connections", "established")));
	assert_int_equal(r.age, BO_CONN_ESTABLISHED);
	r = rule_of("half_open", NULL, 0);
	assert_true(r.action == BO_CONN_DROP && r.age == BO_CONN_ESTABLISHED &&
		    r.packets == BO_CONN_ALL_PACKETS && r.dirs == BOTH);
	r = rule_of("stall", ARGS(STR("", "4KiB"), STR("protocol", "udp")));
	assert_true(r.action == BO_CONN_STALL && r.after_bytes == 4096 &&
		    r.protocol == BO_CONN_UDP);
	r = rule_of("drip", ARGS(STR("", "10B"), STR("every", "200ms")));
	assert_true(r.action == BO_CONN_DRIP && r.after_bytes == 10 && r.every_ns == 200 * MS);
	r = rule_of("data_limit", ARGS(STR("", "1KiB")));
	assert_true(r.action == BO_CONN_CUT && r.after_bytes == 1024 && !r.orderly &&
		    r.protocol == BO_CONN_TCP);
	r = rule_of("data_limit", ARGS(STR("after", "1KiB"), STR("how", "close")));
	assert_true(r.orderly);
}

static void each_kind_takes_a_share(void **state)
{
	static const struct {
		const char *kind;
		struct bo_arg args[3];
		size_t nargs;
	} all[] = {
		{ "drop", { { 0 } }, 0 },
		{ "syn_drop", { { 0 } }, 0 },
		{ "refuse", { { 0 } }, 0 },
		{ "reset", { { 0 } }, 0 },
		{ "half_open", { { 0 } }, 0 },
		{ "stall", { { 0 } }, 0 },
		{ "data_limit", { STR("", "1KiB") }, 1 },
		{ "drip", { STR("", "10B"), STR("every", "200ms") }, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct bo_arg args[3];

		memcpy(args, all[i].args, sizeof(args));
		args[all[i].nargs] = (struct bo_arg)STR("share", "30%");
		assert_int_equal(rule_of(all[i].kind, args, all[i].nargs + 1).share_ppm, 300000);
		args[all[i].nargs] = (struct bo_arg)STR("share", "0.0001%");
		assert_int_equal(rule_of(all[i].kind, args, all[i].nargs + 1).share_ppm, 1);
	}
	assert_int_equal(rule_of("reset", ARGS(STR("share", "100%"))).share_ppm, BO_PPM_ALL);
}

static void bad_ones_are_refused(void **state)
{
	static const struct {
		const char *kind, *says;
		struct bo_arg args[3];
		size_t nargs;
	} bad[] = {
		{ "drop", "for everything there is blackhole", { { 0 } }, 0 },
		{ "drop", "port: expected 1 to 65535, found 0", { NUM("port", 0) }, 1 },
		{ "drop",
		  "protocol: expected one of any|tcp|udp|icmp, found \"sctp\"",
		  { STR("protocol", "sctp") },
		  1 },
		{ "drop", "ICMP has none", { STR("protocol", "icmp"), NUM("port", 1) }, 2 },
		{ "drop", "only TCP has one", { NUM("port", 1), BOOLEAN("handshake", false) }, 2 },
		{ "drop",
		  "expected one of them, found both",
		  { NUM("packet", 1), STR("contains", "x") },
		  2 },
		{ "drop",
		  "occurrence: expected contains",
		  { NUM("port", 1), NUM("occurrence", 1) },
		  2 },
		{ "drop",
		  "contains: expected 1 byte to 64 bytes, found 0 bytes",
		  { STR("contains", "") },
		  1 },
		{ "drop",
		  "contains: expected a text such as \"UPDATE\", found number 5",
		  { NUM("contains", 5) },
		  1 },
		{ "reset", "toward: expected 'orders' or 'db'", { STR("toward", "client") }, 1 },
		{ "drop",
		  "address: expected an IP address or a prefix such as \"10.0.0.0/8\" or \"::/0\", "
		  "found \"10.0.0.0/33\"",
		  { STR("address", "10.0.0.0/33") },
		  1 },
		{ "reset", "found \"db\"", { STR("address", "db") }, 1 },
		{ "refuse",
		  "with: only TCP has resets",
		  { STR("with", "reset"), STR("protocol", "udp") },
		  2 },
		{ "refuse",
		  "with: ICMP has no ports",
		  { STR("with", "port-unreachable"), STR("protocol", "icmp") },
		  2 },
		{ "refuse",
		  "connections: an established TCP connection asks for nothing",
		  { STR("connections", "established") },
		  1 },
		{ "refuse", "did you mean 'no-route'", { STR("with", "noroute") }, 1 },
		{ "reset",
		  "protocol: expected one of tcp, found \"udp\"",
		  { STR("protocol", "udp") },
		  1 },
		{ "reset", "toward: chooses a packet", { STR("toward", "db") }, 1 },
		{ "reset", "no option 'prot'; did you mean 'port'", { NUM("prot", 1) }, 1 },
		{ "drip", "'every' is missing", { STR("", "1KiB") }, 1 },
		{ "stall", "after", { STR("", "-1KiB") }, 1 },
		{ "data_limit", "'after' is missing", { { 0 } }, 0 },
		{ "drop", "share: expected 0.0001% to 100%, found 0%", { STR("share", "0%") }, 1 },
		{ "reset",
		  "share: expected 0.0001% to 100%, found 100.1%",
		  { STR("share", "100.1%") },
		  1 },
		{ "stall",
		  "share: expected 0.0001% to 100%, found -5%",
		  { STR("share", "-5%") },
		  1 },
		{ "refuse",
		  "share: expected a ratio such as \"1%\" or \"0.01\", found \"some\"",
		  { STR("share", "some") },
		  1 },
		{ "reset",
		  "no option 'toxicity'; here that is share",
		  { STR("toxicity", "30%") },
		  1 },
		{ "delay",
		  "no option 'share'; here that is for faults that choose connections",
		  { STR("", "5ms"), STR("share", "30%") },
		  2 },
		{ "half_open", "no option 'toward'", { STR("toward", "db") }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct bo_fault_spec *spec = fake_fault(fake, bad[i].kind, LINK, bad[i].args,
							      bad[i].nargs);
		struct bo_err err = { 0 };

		if (bo_fault_check(fake->plan, spec, &err) == 0)
			fail_msg("%zu was accepted", i);
		if (!strstr(err.msg, bad[i].says) || !strstr(err.msg, bad[i].kind))
			fail_msg("expected \"%s\", found \"%s\"", bad[i].says, err.msg);
	}
}

static void only_the_wire_can(void **state)
{
	static const char *const kinds[] = { "syn_drop", "refuse", "reset", "half_open", "stall" };
	struct bo_err err = { 0 };
	size_t index = 9;

	(void)state;
	assert_null(bo_fault_wire_only(fake->plan, &index));
	assert_false(bo_fault_link_tracks(fake->plan, LINK_BACK));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		(void)fake_fault(fake, kinds[i], LINK, NULL, 0);
	assert_non_null(strstr(bo_fault_wire_only(fake->plan, &index), "netem"));
	assert_int_equal(index, 0);
	assert_true(bo_fault_link_tracks(fake->plan, LINK_BACK));
	assert_false(bo_fault_link_tracks(fake->plan, LINK_FRONT));
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &index, &err), 0);
	fake->machine.tun = false;
	fake->machine.netem = true;
	assert_int_equal(bo_fault_supported(fake->plan, &fake->machine, &index, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "TUN"));
}

static void a_link_has_the_rules_of_all_that_are_active(void **state)
{
	(void)state;
	(void)fake_fault(fake, "refuse", LINK, ARGS(NUM("port", 80)));
	(void)fake_fault(fake, "reset", BO_TARGET_LINK, LINK_FRONT, NULL, 0);
	(void)fake_fault(fake, "stall", LINK, ARGS(NUM("port", 80)));
	begin();
	assert_false(fake->probing[LINK_BACK][0]);
	apply(0);
	apply(1);
	apply(2);
	assert_int_equal(fake->nrules[LINK_BACK], 2);
	assert_int_equal(fake->nrules[LINK_FRONT], 1);
	assert_int_equal(fake->rules[LINK_BACK][0].action, BO_CONN_REFUSE);
	assert_int_equal(fake->rules[LINK_BACK][1].action, BO_CONN_STALL);
	assert_int_not_equal(fake->rules[LINK_BACK][0].id, fake->rules[LINK_BACK][1].id);
	revert(0);
	assert_int_equal(fake->nrules[LINK_BACK], 1);
	assert_int_equal(fake->rules[LINK_BACK][0].action, BO_CONN_STALL);
	revert(2);
	revert(2);
	assert_int_equal(fake->nrules[LINK_BACK], 0);
	assert_int_equal(fake->nrules[LINK_FRONT], 1);
	revert(1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fake->records[i].confirm, BO_CONFIRM_OK);
	assert_string_equal(fake->records[0].driver, "wire");
	assert_string_equal(
		fake->records[0].requested,
		"refused: new TCP connections to port 80 on orders-db (both directions)");
	assert_non_null(
		strstr(fake->records[0].achieved, "2 connections, 4 packets dropped, 4 RST sent"));
}

static void what_did_not_happen_is_said(void **state)
{
	static const struct {
		const char *kind;
		struct bo_conn_counts counts;
		enum bo_confirm confirm;
		const char *says;
	} cases[] = {
		{ "reset",
		  { 0 },
		  BO_CONFIRM_UNKNOWN,
		  "no connection to port 80 on orders-db was there to be reset" },
		{ "refuse",
		  { 0 },
		  BO_CONFIRM_UNKNOWN,
		  "no connection to port 80 on orders-db was tried" },
		{ "half_open", { 0 }, BO_CONFIRM_UNKNOWN, "existed when it began" },
		{ "stall", { .matched = 5 }, BO_CONFIRM_UNKNOWN, "carried that much" },
		{ "stall", { .connections = 1, .dropped = 1 }, BO_CONFIRM_OK, "" },
		{ "syn_drop",
		  { .connections = 3, .escaped = 1 },
		  BO_CONFIRM_OFF,
		  "in 1 of 3 connections" },
		{ "reset",
		  { .connections = 3, .resets = 6, .survived = 2 },
		  BO_CONFIRM_OFF,
		  "2 of 3 connections to port 80 on orders-db went on" },
		{ "reset",
		  { .connections = 3, .unsent = 6 },
		  BO_CONFIRM_OFF,
		  "its device took no packet" },
		{ "reset", { .connections = 3, .resets = 6, .unsent = 1 }, BO_CONFIRM_OK, "" },
		{ "refuse", { .connections = 3, .unreachables = 6 }, BO_CONFIRM_OK, "" },
		{ "refuse",
		  { .connections = 3, .dropped = 6 },
		  BO_CONFIRM_OFF,
		  "no end of a connection" },
		{ "drop",
		  { .connections = 3, .missed = 6 },
		  BO_CONFIRM_OFF,
		  "6 packets to port 80 on orders-db are of connections beyond those" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bo_fault_record *record = &fake->records[0];

		(void)fake_fault(fake, cases[i].kind, LINK, ARGS(NUM("port", 80)));
		fake->conn_counts = cases[i].counts;
		begin();
		apply(0);
		revert(0);
		if (record->confirm != cases[i].confirm || !strstr(record->reason, cases[i].says))
			fail_msg("%zu: %s \"%s\"", i, bo_confirm_name(record->confirm),
				 record->reason);
		rig_down(NULL);
		set_up(NULL);
	}
}

/** judged() - what is made of counts of a rule with that share */
static const struct bo_fault_record *judged(const char *share, int64_t first,
					    struct bo_conn_counts counts)
{
	if (first)
		(void)fake_fault(fake, "reset", LINK,
				 ARGS(NUM("port", 80), STR("share", share), NUM("first", first)));
	else
		(void)fake_fault(fake, "reset", LINK, ARGS(NUM("port", 80), STR("share", share)));
	counts.resets = 2 * counts.connections;
	fake->conn_counts = counts;
	begin();
	apply(0);
	revert(0);
	return &fake->records[0];
}

/* The 99.9 % interval of the binomial distribution, which two directions share, from so many on that neither none nor all
 * could be by chance. */
static void a_share_is_judged_by_its_counts(void **state)
{
	static const struct {
		const char *share;
		struct bo_conn_counts counts;
		int64_t first;
		enum bo_confirm confirm;
		const char *says;
	} cases[] = {
		{ "30%", { .connections = 60, .spared = 140 }, 0, BO_CONFIRM_OK, "" },
		{ "30%",
		  { 0 },
		  0,
		  BO_CONFIRM_UNKNOWN,
		  "no connection to port 80 on orders-db was there to be reset" },
		{ "30%",
		  { .connections = 5, .spared = 14 },
		  0,
		  BO_CONFIRM_UNKNOWN,
		  "19 connections to port 80 on orders-db that matched, 5 of them of the share, cannot tell a "
		  "share of 30% from none or all: that takes 20" },
		{ "30%", { .connections = 5, .spared = 15 }, 0, BO_CONFIRM_OK, "" },
		{ "70%", { .connections = 14, .spared = 5 }, 0, BO_CONFIRM_UNKNOWN, "takes 20" },
		{ "70%", { .connections = 14, .spared = 6 }, 0, BO_CONFIRM_OK, "" },
		{ "30%",
		  { .connections = 20 },
		  0,
		  BO_CONFIRM_OFF,
		  "20 of 20 connections to port 80 on orders-db that matched are of the share, "
		  "outside the 99.95% interval of 30%" },
		{ "30%", { .spared = 40 }, 0, BO_CONFIRM_OFF, "0 of 40" },
		{ "30%", { .spared = 20 }, 0, BO_CONFIRM_UNKNOWN, "takes 21" },
		{ "30%", { .connections = 100, .spared = 100 }, 0, BO_CONFIRM_OFF, "100 of 200" },
		{ "1%",
		  { .connections = 2, .spared = 98 },
		  0,
		  BO_CONFIRM_UNKNOWN,
		  "a share of 1% from none or all: that takes 688" },
		{ "0.0001%", { .spared = 9 }, 0, BO_CONFIRM_UNKNOWN, "a share of 0.0001%" },
		{ "100%", { .connections = 1 }, 0, BO_CONFIRM_OK, "" },
		{ "100%", { .connections = 100, .spared = 1 }, 0, BO_CONFIRM_OFF, "100 of 101" },
		{ "50%", { .connections = 3, .beyond = 47, .spared = 50 }, 3, BO_CONFIRM_OK, "" },
		{ "50%", { .connections = 3, .spared = 97 }, 3, BO_CONFIRM_OFF, "3 of 100" },
		{ "30%",
		  { .connections = 60, .spared = 140, .survived = 1 },
		  0,
		  BO_CONFIRM_OFF,
		  "went on after they were reset" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bo_fault_record *record = judged(cases[i].share, cases[i].first,
							      cases[i].counts);

		if (record->confirm != cases[i].confirm || !strstr(record->reason, cases[i].says))
			fail_msg("%zu: %s \"%s\"", i, bo_confirm_name(record->confirm),
				 record->reason);
		rig_down(NULL);
		set_up(NULL);
	}
}

static void a_share_is_reported(void **state)
{
	const struct bo_fault_record *record;

	(void)state;
	record = judged("30%", 0, (struct bo_conn_counts){ .connections = 60, .spared = 140 });
	assert_string_equal(record->requested,
			    "reset: 30% of established TCP connections to port 80 on orders-db "
			    "(both directions)");
	assert_string_equal(record->achieved, "60 connections of 200 that matched, 120 RST sent");
	rig_down(NULL);
	set_up(NULL);
	record = judged("0.0001%", 3,
			(struct bo_conn_counts){ .connections = 3, .beyond = 57, .spared = 140 });
	assert_non_null(strstr(record->requested,
			       "reset: the first 3 of 0.0001% of established TCP connections"));
	assert_string_equal(record->achieved,
			    "3 connections of 200 that matched (57 more of the share "
			    "beyond the first 3), 6 RST sent");
}

/* Of a kind on a link each fault has its salt, which hangs on the run's seed and on no fault elsewhere. */
static void each_fault_chooses_for_itself(void **state)
{
	uint64_t salt[3];

	(void)state;
	(void)fake_fault(fake, "reset", LINK, ARGS(STR("share", "30%")));
	(void)fake_fault(fake, "stall", LINK, ARGS(STR("share", "30%")));
	fake->plan->faults.items[0].id = "reset orders-db #1";
	fake->plan->faults.items[1].id = "stall orders-db #1";
	begin();
	apply(0);
	apply(1);
	salt[0] = fake->rules[LINK_BACK][0].salt;
	salt[1] = fake->rules[LINK_BACK][1].salt;
	assert_true(salt[0] && salt[1] && salt[0] != salt[1]);
	rig_down(NULL);
	set_up(NULL);
	(void)fake_fault(fake, "refuse", LINK, NULL, 0);
	(void)fake_fault(fake, "reset", LINK, ARGS(STR("share", "50%")));
	(void)fake_fault(fake, "reset", LINK, ARGS(STR("share", "50%")));
	fake->plan->faults.items[0].id = "refuse orders-db #1";
	fake->plan->faults.items[1].id = "reset orders-db #1";
	fake->plan->faults.items[2].id = "reset orders-db #2";
	begin();
	for (size_t i = 0; i < 3; i++)
		apply(i);
	assert_true(fake->rules[LINK_BACK][1].salt == salt[0]);
	assert_true(fake->rules[LINK_BACK][2].salt != salt[0]);
	rig_down(NULL);
	set_up(NULL);
	fake->plan->seed++;
	(void)fake_fault(fake, "reset", LINK, ARGS(STR("share", "30%")));
	fake->plan->faults.items[0].id = "reset orders-db #1";
	begin();
	apply(0);
	assert_true(fake->rules[LINK_BACK][0].salt != salt[0]);
}

static void hands_that_do_nothing_are_found_out(void **state)
{
	static const char *const kinds[] = { "syn_drop", "refuse", "reset", "half_open", "stall" };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		(void)fake_fault(fake, kinds[i], LINK, NULL, 0);
		begin();
		fake->lies = true;
		apply(0);
		revert(0);
		assert_int_equal(fake->records[0].confirm, BO_CONFIRM_UNKNOWN);
		rig_down(NULL);
		set_up(NULL);
	}
}

static void hands_that_fail_are_heard(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	(void)fake_fault(fake, "reset", LINK, NULL, 0);
	begin();
	fake->fail_errno = EIO;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -EIO);
	assert_int_equal(fake->records[0].confirm, BO_CONFIRM_OFF);
	fake->hands.link_rules = NULL;
	assert_int_equal(bo_fault_set_apply(&set, 0, fake_now, &err), -ENOTSUP);
}

static int overlap(const char *a, const struct bo_arg *x, size_t nx, const char *b,
		   const struct bo_arg *y, size_t ny)
{
	struct bo_err err = { 0 };
	size_t index;
	int r;

	(void)fake_fault(fake, a, LINK, x, nx);
	(void)fake_fault(fake, b, LINK, y, ny);
	r = bo_fault_check_overlap(fake->plan, &index, &err);
	if (r < 0)
		assert_non_null(
			strstr(err.msg, "what becomes of the same connections of orders-db"));
	fake->plan->faults.len = 0;
	return r;
}

static void the_same_twice_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(overlap("stall", NULL, 0, "stall", ARGS(NUM("port", 80))), -EINVAL);
	assert_int_equal(overlap("reset", ARGS(NUM("port", 80)), "reset", ARGS(NUM("port", 80))),
			 -EINVAL);
	assert_int_equal(overlap("reset", ARGS(NUM("port", 81)), "reset", ARGS(NUM("port", 80))),
			 0);
	assert_int_equal(overlap("stall", ARGS(STR("toward", "db")), "stall",
				 ARGS(STR("toward", "orders"))),
			 0);
	assert_int_equal(overlap("drop", ARGS(STR("address", "0.0.0.0/0")), "drop",
				 ARGS(STR("address", "::/0"))),
			 0);
	assert_int_equal(overlap("drop", ARGS(STR("address", "10.1.0.0/16")), "drop",
				 ARGS(STR("address", "10.0.0.0/8"))),
			 -EINVAL);
	assert_int_equal(overlap("reset", NULL, 0, "refuse", NULL, 0), 0);
	assert_int_equal(overlap("reset", NULL, 0, "delay", ARGS(STR("", "5ms"))), 0);
	assert_int_equal(overlap("drop", ARGS(STR("protocol", "tcp")), "drop",
				 ARGS(STR("protocol", "udp"))),
			 0);
	assert_int_equal(overlap("reset", ARGS(STR("contains", "a")), "reset",
				 ARGS(STR("contains", "b"))),
			 0);
	assert_int_equal(overlap("reset", ARGS(STR("contains", "a")), "reset",
				 ARGS(STR("contains", "a"))),
			 -EINVAL);
}

#define CONN_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(each_kind_makes_its_rule),
		CONN_TEST(each_kind_takes_a_share),
		CONN_TEST(bad_ones_are_refused),
		CONN_TEST(only_the_wire_can),
		CONN_TEST(a_link_has_the_rules_of_all_that_are_active),
		CONN_TEST(what_did_not_happen_is_said),
		CONN_TEST(a_share_is_judged_by_its_counts),
		CONN_TEST(a_share_is_reported),
		CONN_TEST(each_fault_chooses_for_itself),
		CONN_TEST(hands_that_do_nothing_are_found_out),
		CONN_TEST(hands_that_fail_are_heard),
		CONN_TEST(the_same_twice_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
