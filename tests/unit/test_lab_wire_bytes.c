/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_bytes.c — rules on connections on their own: limits of bytes, several rules at a time, many
 * connections, and packets that mean harm.  Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire_rules_rig.h"

/* --- bytes ------------------------------------------------------------------------------------ */

static size_t went_on(void)
{
	return arrived.len - arrived.payload;
}

static void stalled_at_the_byte(void **state)
{
	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		struct conn c = conn_at(version, 40000, 80, UINT32_MAX - 5);

		force((struct bo_conn_rule){
			.action = BO_CONN_STALL, .after_bytes = 10, .dirs = 1u << BO_DIR_B_TO_A });
		assert_true(handshake(&c) && data(&c, 1, "01234567"));
		assert_int_equal(went_on(), 8);
		assert_true(data(&c, 1, "89abcd"));
		assert_int_equal(went_on(), 2);
		assert_memory_equal(arrived.ip + arrived.payload, "89", 2);
		assert_true(checksums_are_right(made.data, made.len));
		assert_false(data(&c, 1, "efgh"));
		assert_true(again(&c, 1, "01234567") == false); /* all of it lies beyond */
		assert_true(tcp(&c, 1, ACK, NULL) &&
			    data(&c, 0, "the other way, as much as it likes"));
		assert_false(tcp(&c, 1, FIN | ACK, NULL));
		assert_int_equal(counts().passed_bytes, 10);
		assert_int_equal(counts().shortened, 1);
		assert_int_equal(counts().connections, 1);
		rules_down(NULL);
		rules_up(NULL);
	}
}

static void a_fin_does_not_get_past_a_shortened_packet(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 3 });
	assert_true(handshake(&c) && tcp(&c, 0, FIN | PSH | ACK, "four"));
	assert_int_equal(went_on(), 3);
	assert_int_equal(arrived.ip[arrived.l4 + 13] & FIN, 0);
	assert_true(checksums_are_right(made.data, made.len));
	/* Who has sent no more than may pass, may close. */
	c = conn_at(4, 40001, 80, 1);
	assert_true(handshake(&c) && tcp(&c, 0, FIN | PSH | ACK, "abc"));
	assert_int_equal(arrived.ip[arrived.l4 + 13] & FIN, FIN);
}

static void bytes_count_from_the_rule_on(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);
	struct spec early;

	(void)state;
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	early = segment(&c, 0, ACK, "012");
	early.seq -= 10;
	assert_true(goes(&early)); /* which does not put the beginning back */
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 4 });
	assert_true(again(&c, 0, "0123456789")); /* from before */
	assert_int_equal(went_on(), 10);
	assert_true(data(&c, 0, "abcdef"));
	assert_int_equal(went_on(), 4);
}

static void bytes_in_a_syn_are_of_the_stream(void **state)
{
	struct conn c = conn_at(6, 40000, 80, 1);

	(void)state;
	assert_true(tcp(&c, 0, SYN, "fast") && tcp(&c, 1, SYN | ACK, NULL));
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 3 });
	assert_true(again(&c, 0, "fast"));
	assert_int_equal(went_on(), 4);
	assert_true(data(&c, 0, "open"));
	assert_int_equal(went_on(), 3);
}

static void what_arrived_all_the_same_is_seen(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);
	struct spec ack;

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 4 });
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	ack = segment(&c, 1, ACK, NULL);
	ack.ack -= 6;
	assert_true(goes(&ack));
	assert_int_equal(counts().escaped, 0);
	ack.ack += 6;
	assert_true(goes(&ack));
	assert_int_equal(counts().escaped, 1);
}

static void cut_when_the_receiver_has_it(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);
	struct spec ack;

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_CUT, .protocol = BO_CONN_TCP, .after_bytes = 4, .dirs = 1 });
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 4);
	assert_int_equal(nemitted, 0);
	ack = segment(&c, 1, ACK, NULL);
	ack.ack -= 8;
	assert_true(goes(&ack)); /* two of four */
	assert_int_equal(nemitted, 0);
	ack.ack += 2;
	assert_true(goes(&ack) && is_rst(ack.seq));
	assert_true(was_emitted(BO_DIR_A_TO_B, RST, c.next[0] - 6));
	assert_true(was_emitted(BO_DIR_B_TO_A, RST, c.next[1]));
	assert_true(data(&c, 0, "more") && is_rst(c.next[0] - 4));
	assert_int_equal(counts().connections, 1);
}

static void closed_as_by_the_peer(void **state)
{
	struct conn c = conn_at(6, 40000, 80, 1);
	struct spec ack;

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_CUT,
				     .protocol = BO_CONN_TCP,
				     .after_bytes = 4,
				     .dirs = 1,
				     .orderly = true });
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	ack = segment(&c, 1, ACK, NULL);
	ack.ack -= 6;
	assert_false(goes(&ack));
	assert_int_equal(nemitted, 2);
	assert_true(was_emitted(BO_DIR_A_TO_B, FIN | ACK, c.next[0] - 6));
	assert_true(was_emitted(BO_DIR_B_TO_A, FIN | ACK, c.next[1]));
	ack.ack++;
	assert_false(goes(&ack)); /* the FIN is acknowledged: nothing to say to that */
	assert_int_equal(nemitted, 2);
	ack.flags |= FIN;
	assert_false(goes(&ack));
	assert_true(was_emitted(BO_DIR_A_TO_B, RST, ack.ack));
}

static void a_drip(void **state)
{
	struct conn c = conn_at(4, 40000, 80, UINT32_MAX - 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DRIP, .after_bytes = 3, .every_ns = 100 * MS });
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 3);
	assert_false(data(&c, 0, "abc"));
	c.next[0] -= 3;
	assert_true(again(&c, 0, "0123456789")); /* what was let through once, is again */
	assert_int_equal(went_on(), 3);
	now_ns += 199 * MS;
	assert_true(again(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 6);
	now_ns += MS;
	assert_true(again(&c, 0, "3456789"));
	assert_int_equal(went_on(), 6);
	now_ns += 1000 * MS;
	assert_true(again(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 10);
	assert_int_equal(counts().passed_bytes, 10);
	assert_true(data(&c, 0, "abc"));
	/* Nothing is saved up while there is nothing to send. */
	now_ns += 60000 * MS;
	assert_true(data(&c, 0, "defghijk"));
	assert_int_equal(went_on(), 3);
	assert_true(tcp(&c, 1, ACK, NULL));
	assert_int_equal(counts().connections, 1);
}

static void a_drip_of_datagrams(void **state)
{
	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DRIP, .after_bytes = 4, .every_ns = 100 * MS });
	assert_true(udp(4, 0, 1, 2, "four"));
	for (int i = 0; i < 20; i++)
		assert_false(udp(4, 0, 1, 2, "four"));
	now_ns += 100 * MS;
	assert_true(udp(4, 0, 1, 2, "two"));
	assert_false(udp(4, 0, 1, 2, "two"));
	now_ns += 1000 * MS;
	assert_true(udp(4, 0, 1, 2, "four"));
	assert_false(udp(4, 0, 1, 2, "four"));
	/* A stall is for good, whatever the size of what comes. */
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 6 });
	assert_true(udp(4, 0, 1, 2, "four"));
	assert_false(udp(4, 0, 1, 2, "four"));
	assert_false(udp(4, 0, 1, 2, "x"));
}

/* --- sets ------------------------------------------------------------------------------------- */

static void the_harshest_wins_and_each_counts(void **state)
{
	const struct bo_conn_rule both[] = {
		{ .id = 1, .action = BO_CONN_STALL, .dirs = BOTH, .after_bytes = 5 },
		{ .id = 2, .action = BO_CONN_STALL, .dirs = BOTH, .after_bytes = 2 },
		{ .id = 3, .action = BO_CONN_DROP, .dirs = BOTH, .port = 81 },
	};
	struct conn c = conn_at(4, 40000, 80, 1), d = conn_at(4, 40000, 81, 1);
	struct bo_conn_counts c3;

	(void)state;
	bo_wire_rules_replace(rules, both, 3, now_ns);
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 2);
	assert_false(handshake(&d));
	/* One goes, the others go on where they were. */
	bo_wire_rules_replace(rules, (struct bo_conn_rule[]){ both[0], both[2] }, 2, now_ns);
	assert_false(bo_wire_rules_counts(rules, 2, &c3));
	assert_true(again(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 5);
	assert_true(bo_wire_rules_counts(rules, 3, &c3));
	assert_int_equal(c3.connections, 1);
	assert_int_equal(counts().shortened, 2);
	/* The same id later is another rule. */
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	assert_true(again(&c, 0, "0123456789"));
	assert_int_equal(went_on(), 10);
	bo_wire_rules_replace(rules, both, 1, now_ns);
	assert_int_equal(counts().connections, 0);
	assert_true(data(&c, 0, "abcdef"));
	assert_int_equal(went_on(), 5);
}

static void a_hundred_thousand_connections(void **state)
{
	enum { N = 100000 };
	(void)state;
	for (int i = 0; i < N; i++) {
		struct conn c = conn_at(i % 2 ? 6 : 4, (uint16_t)(1024 + i % 60000), 80,
					(uint32_t)i * 7);

		c.host = i / 60000;
		assert_true(handshake(&c));
	}
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .age = BO_CONN_ESTABLISHED });
	for (int i = 0; i < N; i++) {
		struct conn c = conn_at(i % 2 ? 6 : 4, (uint16_t)(1024 + i % 60000), 80,
					(uint32_t)i * 7);

		c.host = i / 60000;
		c.next[0]++;
		assert_false(data(&c, 0, "x"));
	}
	assert_int_equal(counts().connections, N);
}

/* The other fragments cannot be told that this one became shorter. */
static void a_fragment_is_not_shortened(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);
	struct spec s;

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 4 });
	assert_true(handshake(&c));
	s = segment(&c, 0, ACK, "abcdefgh");
	s.fragment = 0x2000;
	assert_false(goes(&s));
	s.fragment = 0;
	assert_true(goes(&s));
	assert_int_equal(arrived.len - arrived.payload, 4);
}

/* Rules come and go; what a flow keeps of them does not grow, and what is kept of one in force is not given away. */
static void states_of_rules_that_went_are_used_again(void **state)
{
	struct bo_conn_rule both[2] = { { .id = 1, .dirs = BOTH, .packet = 3 },
					{ .id = 100, .dirs = BOTH, .action = BO_CONN_STALL } };
	struct conn c = conn_at(4, 40000, 80, 1);

	(void)state;
	both[1].after_bytes = 1000;
	assert_true(handshake(&c));
	for (uint32_t i = 0; i < 600; i++) { /* more than a flow could keep */
		both[1].id = 100 + i;
		bo_wire_rules_replace(rules, both, 2, now_ns);
		assert_int_equal(data(&c, 0, "x"), i != 2);
	}
	assert_int_equal(counts().connections, 1);
	assert_int_equal(counts().missed, 0);
}

/** struct beside - what rules know, beside a table of flows of its own */
struct beside {
	struct bo_wire_flows *table;
	struct bo_conns conns;
};

static struct beside beside_new(uint32_t max)
{
	struct beside b = { .table = bo_wire_flows_new(max, 1) };

	assert_true(b.table && bo_conns_init(&b.conns, b.table));
	return b;
}

static void beside_done(struct beside *b)
{
	bo_conns_done(&b->conns);
	bo_wire_flows_free(b->table);
}

static struct bo_conn_flow *met(struct beside *b, uint32_t client, uint8_t flags)
{
	struct bo_wire_packet p;

	make_packet(&(struct spec){ .protocol = IPPROTO_TCP,
				    .host = (int)(client >> 16),
				    .source = (uint16_t)client,
				    .target = 80,
				    .flags = flags },
		    &made);
	bo_wire_packet_parse(made.data, made.len, &p);
	return bo_conns_meet(&b->conns, BO_DIR_A_TO_B, &p);
}

/* Each of the flood is seen once; a hundred connections are used now and then, and none of them is forgotten. */
static void a_flood_drives_out_itself(void **state)
{
	enum { MAX = 4096, USED = 100, FLOOD = 100 * MAX };
	struct beside b = beside_new(MAX);

	(void)state;
	bo_conns_begin(&b.conns);
	for (uint32_t i = 0; i < USED; i++)
		assert_int_equal(met(&b, i, SYN)->number, i);
	for (uint32_t i = 0; i < FLOOD; i++) {
		struct bo_conn_flow *flow = met(&b, 1000 + i, SYN);

		assert_int_equal(flow->port[0], (1000 + i) & 0xffff);
		assert_int_equal(flow->number, USED + i);
		if (i % 8 == 0) /* states go with their flow */
			assert_non_null(bo_conns_add_state(&b.conns, flow));
		if (i % 16 == 0)
			assert_int_equal(met(&b, i / 16 % USED, ACK)->number, i / 16 % USED);
	}
	assert_int_equal(bo_wire_flows_count(b.table, NULL), MAX);
	assert_in_range(b.conns.nstates, MAX / 8 - USED, MAX / 8);
	assert_int_equal(met(&b, 1000 + FLOOD - 1, ACK)->number, USED + FLOOD - 1);
	assert_true(met(&b, 1000, ACK)->number >= USED + FLOOD); /* forgotten: it is a new one */
	beside_done(&b);
}

static void there_is_an_end_to_states(void **state)
{
	struct beside b = beside_new(64);
	struct bo_conn_flow *flow;

	(void)state;
	bo_conns_begin(&b.conns);
	flow = met(&b, 1, SYN);
	b.conns.nstates = BO_CONN_STATES_MAX - 1;
	assert_non_null(bo_conns_add_state(&b.conns, flow));
	assert_null(bo_conns_add_state(&b.conns, flow));
	assert_int_equal(flow->nstates, 1);
	for (uint32_t i = 0; i < 200; i++)
		(void)met(&b, 10 + i, SYN);
	assert_int_equal(b.conns.nstates, BO_CONN_STATES_MAX - 1);
	beside_done(&b);
}

static void is_later(struct bo_conn_flow *flow, void *arg)
{
	uint64_t *last = arg;

	assert_true(flow->met < *last);
	*last = flow->met;
}

static void the_last_used_come_first(void **state)
{
	enum { FLOWS = 100000 };
	struct beside b = beside_new(BO_WIRE_FLOWS_MAX);
	uint64_t last = UINT64_MAX;

	(void)state;
	assert_int_equal(sizeof(struct bo_conn_flow), 128); /* what the documents say */
	for (uint32_t i = 0; i < FLOWS; i++)
		(void)met(&b, i, SYN);
	for (uint32_t i = 0; i < FLOWS; i += 3)
		assert_int_equal(met(&b, i, ACK)->number, i);
	bo_conns_each(&b.conns, is_later, &last);
	assert_int_equal(last, 2); /* the second that was born was never seen again */
	assert_int_equal(bo_wire_flows_count(b.table, NULL), FLOWS);
	beside_done(&b);
}

/* Wild numbers, cut and noisy packets, every action at once: nothing breaks, and nothing but TCP and whole packets is
 * shortened. */
static void hostile_packets(void **state)
{
	static const uint8_t flags[] = { SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK,
					 RST, RST | ACK, 0,   0xff };
	const struct bo_conn_rule all[] = {
		{ .id = 1,
		  .action = BO_CONN_DROP,
		  .dirs = BOTH,
		  .contains = "ab",
		  .contains_len = 2 },
		{ .id = 2, .action = BO_CONN_DROP, .dirs = BOTH, .packet = 2, .age = BO_CONN_NEW },
		{ .id = 3, .action = BO_CONN_STALL, .dirs = BOTH, .after_bytes = 100 },
		{ .id = 4, .action = BO_CONN_DRIP, .dirs = BOTH, .after_bytes = 3, .every_ns = MS },
		{ .id = 5,
		  .action = BO_CONN_CUT,
		  .dirs = BOTH,
		  .protocol = BO_CONN_TCP,
		  .after_bytes = 50,
		  .orderly = true },
		{ .id = 6,
		  .action = BO_CONN_RESET,
		  .dirs = BOTH,
		  .protocol = BO_CONN_TCP,
		  .port = 3 },
		{ .id = 7,
		  .action = BO_CONN_REFUSE,
		  .dirs = BOTH,
		  .protocol = BO_CONN_TCP,
		  .port = 4 },
	};
	struct bo_rng rng;
	char payload[40];

	(void)state;
	bo_rng_init(&rng, 3, 3);
	addresses_are_noise = true;
	for (int i = 0; i < 300000; i++) {
		uint64_t dice = bo_rng_u64(&rng);
		struct spec s = { .version = dice & 1 ? 6 : 4,
				  .protocol = dice >> 1 & 3 ? IPPROTO_TCP
							    : (dice >> 3 & 1 ? IPPROTO_UDP
									     : IPPROTO_ICMP),
				  .from = dice >> 4 & 1,
				  .source = dice >> 5 & 7,
				  .target = dice >> 8 & 7,
				  .seq = dice >> 11 & 3 ? (uint32_t)(dice >> 32) % 200
							: (uint32_t)(dice >> 32),
				  .ack = (uint32_t)bo_rng_u64(&rng),
				  .flags = flags[(dice >> 13 & 0xff) % sizeof(flags)],
				  .payload = payload,
				  .payload_len = (dice >> 21 & 0xff) % sizeof(payload) };
		size_t len;

		nemitted = 0;
		for (size_t k = 0; k < sizeof(payload); k++)
			payload[k] = "abc"[bo_rng_u64(&rng) % 3];
		if (i % 1000 == 0)
			bo_wire_rules_replace(rules, all + i / 1000 % 7, 7 - (size_t)(i / 1000 % 7),
					      now_ns);
		nemitted = 0;
		make_packet(&s, &made);
		if (dice >> 60 == 0)
			made.data[BO_WIRE_HDR_LEN +
				  bo_rng_u64(&rng) % (made.len - BO_WIRE_HDR_LEN)] ^=
				(uint8_t)(dice >> 50);
		if (dice >> 60 == 1)
			made.len -= bo_rng_u64(&rng) % (made.len - BO_WIRE_HDR_LEN);
		len = made.len;
		bo_wire_packet_parse(made.data, made.len, &arrived);
		if (bo_wire_rules_pass(rules, s.from ? BO_DIR_B_TO_A : BO_DIR_A_TO_B, now_ns,
				       &arrived, 1, made.data, &made.len) &&
		    made.len != len)
			assert_true(arrived.has_l4 && arrived.protocol == IPPROTO_TCP &&
				    made.len < len);
		now_ns += (int64_t)(dice >> 40 & 0xfffff);
	}
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct bo_conn_rule bad[] = {
		{ .id = 0, .dirs = BOTH },
		{ .id = 1, .dirs = 0 },
		{ .id = 1, .dirs = 4 },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_ACTION_COUNT },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_RESET },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_REFUSE, .with = BO_CONN_WITH_RESET },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_REFUSE, .with = BO_CONN_REFUSAL_COUNT },
		{ .id = 1,
		  .dirs = BOTH,
		  .action = BO_CONN_REFUSE,
		  .protocol = BO_CONN_ICMP,
		  .with = BO_CONN_PORT_UNREACHABLE },
		{ .id = 1, .dirs = BOTH, .with = BO_CONN_NO_ROUTE },
		{ .id = 1, .dirs = BOTH, .address = { .version = 4, .bits = 33 } },
		{ .id = 1, .dirs = BOTH, .address = { .version = 6, .bits = 129 } },
		{ .id = 1, .dirs = BOTH, .packets = BO_CONN_SYN_ONLY },
		{ .id = 1, .dirs = BOTH, .protocol = BO_CONN_ICMP, .port = 1 },
		{ .id = 1, .dirs = BOTH, .occurrence = 1 },
		{ .id = 1, .dirs = BOTH, .packet = 1, .contains = "x", .contains_len = 1 },
		{ .id = 1,
		  .dirs = BOTH,
		  .contains = "x",
		  .contains_len = BO_CONN_CONTAINS_MAX + 1 },
		{ .id = 1, .dirs = BOTH, .after_bytes = 1 },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_DRIP, .after_bytes = 1 },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_DRIP, .every_ns = 1 },
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_STALL, .packet = 1 },
		{ .id = 1, .dirs = BOTH, .first = -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bo_err err = { 0 };

		if (bo_conn_rule_check(&bad[i], &err) == 0)
			fail_msg("rule %zu was accepted", i);
		assert_true(err.msg[0]);
	}
}

#define RULE_TEST(fn) cmocka_unit_test_setup_teardown(fn, rules_up, rules_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE_TEST(stalled_at_the_byte),
		RULE_TEST(a_fin_does_not_get_past_a_shortened_packet),
		RULE_TEST(bytes_count_from_the_rule_on),
		RULE_TEST(bytes_in_a_syn_are_of_the_stream),
		RULE_TEST(what_arrived_all_the_same_is_seen),
		RULE_TEST(cut_when_the_receiver_has_it),
		RULE_TEST(closed_as_by_the_peer),
		RULE_TEST(a_drip),
		RULE_TEST(a_drip_of_datagrams),
		RULE_TEST(the_harshest_wins_and_each_counts),
		RULE_TEST(a_hundred_thousand_connections),
		RULE_TEST(a_fragment_is_not_shortened),
		RULE_TEST(states_of_rules_that_went_are_used_again),
		cmocka_unit_test(a_flood_drives_out_itself),
		cmocka_unit_test(there_is_an_end_to_states),
		cmocka_unit_test(the_last_used_come_first),
		RULE_TEST(hostile_packets),
		RULE_TEST(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
