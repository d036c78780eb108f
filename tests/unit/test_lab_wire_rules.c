/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_rules.c — rules on connections on their own: every filter, drop, refuse and reset, on packets
 * that no kernel has sent.  Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/lab/linkprobe.h"
#include "wire_rules_rig.h"

/* --- filters ---------------------------------------------------------------------------------- */

static void nothing_in_force_changes_nothing(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	assert_true(handshake(&c) && data(&c, 0, "x") && udp(6, 0, 9, 53, "q"));
	assert_false(bo_wire_rules_per_packet(rules));
	assert_false(bo_wire_rules_counts(rules, 0, &(struct bo_conn_counts){ 0 }));
	assert_false(bo_wire_rules_counts(rules, 1, &(struct bo_conn_counts){ 0 }));
}

static void port_is_the_responders(void **state)
{
	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .port = 5432 });
	for (int version = 4; version <= 6; version += 2) {
		struct conn hit = conn_at(version, 40000, 5432, 1);
		struct conn miss = conn_at(version, 5432, 8080, 1); /* a client may have any port */

		assert_false(handshake(&hit));
		assert_false(tcp(&hit, 1, SYN | ACK, NULL)); /* the answers too */
		assert_true(handshake(&miss));
		assert_true(data(&miss, 1, "x"));
		assert_false(udp(version, 0, 999, 5432, "x"));
		assert_false(udp(version, 1, 5432, 999, "x"));
		assert_true(udp(version, 0, 999, 53, "x"));
		assert_true(udp(version, 0, 5432, 53, "x"));
	}
	assert_int_equal(counts().connections, 4);
	assert_int_equal(counts().dropped, 8);
	assert_int_equal(counts().matched, 8);
}

static void protocols_and_directions(void **state)
{
	struct spec ping = { .protocol = IPPROTO_ICMP, .source = 9, .icmp_type = 8 };
	struct spec ping6 = { .version = 6, .protocol = 58, .source = 9, .icmp_type = 128 };
	struct conn c = conn_at(4, 40000, 80, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .protocol = BO_CONN_ICMP, .dirs = 1u << BO_DIR_B_TO_A });
	assert_true(goes(&ping) && goes(&ping6) && handshake(&c) && udp(4, 1, 1, 2, "x"));
	ping.from = ping6.from = 1;
	assert_false(goes(&ping) || goes(&ping6));
	/* The answer is of the flow that the question began: established once the rule is new. */
	force((struct bo_conn_rule){
		.id = 2, .action = BO_CONN_DROP, .protocol = BO_CONN_ICMP, .age = BO_CONN_NEW });
	assert_true(goes(&ping));
	ping.source = 10;
	assert_false(goes(&ping));
}

/* Of either end, whichever sends, later fragments included. */
static void an_address_of_either_end(void **state)
{
	static const struct {
		const char *prefix;
		bool hits4, hits6;
	} cases[] = {
		{ "10.0.0.1", true, false },  { "10.0.0.2/32", true, false },
		{ "10.0.0.3", false, false }, { "fd00::1", false, true },
		{ "fd00::2", false, true },   { "fd00::/16", false, true },
		{ "0.0.0.0/0", true, false }, { "::/0", false, true },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bo_conn_rule rule = { .id = 1 + i, .action = BO_CONN_DROP };
		struct spec fragment = { .protocol = IPPROTO_UDP, .fragment = 100 };

		assert_int_equal(bo_conn_prefix_parse(cases[i].prefix, &rule.address), 0);
		force(rule);
		for (int from = 0; from < 2; from++) {
			assert_int_equal(udp(4, from, 5, 6, "x"), !cases[i].hits4);
			assert_int_equal(udp(6, from, 5, 6, "x"), !cases[i].hits6);
			fragment.from = from;
			assert_int_equal(goes(&fragment), !cases[i].hits4);
		}
	}
}

static void new_and_established(void **state)
{
	struct conn old = conn_at(4, 40000, 80, 1), unseen = conn_at(4, 40001, 80, 1);
	struct conn fresh = conn_at(4, 40002, 80, 1);

	(void)state;
	assert_true(handshake(&old));
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .age = BO_CONN_ESTABLISHED });
	assert_false(data(&old, 0, "x"));
	assert_false(data(&old, 1, "x"));
	assert_false(data(&unseen, 1, "x")); /* began before anybody looked */
	assert_true(handshake(&fresh) && data(&fresh, 0, "x") && data(&fresh, 1, "y"));
	/* The same ports again: a connection that is new, as behind a NAT that forgot the old. */
	old.next[0] += 100000;
	assert_true(handshake(&old) && data(&old, 0, "x"));
	force((struct bo_conn_rule){ .id = 2, .action = BO_CONN_DROP, .age = BO_CONN_NEW });
	assert_true(data(&old, 0, "x") && data(&fresh, 0, "x") && data(&unseen, 1, "x"));
	fresh.port = 40003;
	assert_false(handshake(&fresh));
}

static void a_retransmitted_syn_is_no_new_connection(void **state)
{
	struct conn c = conn_at(4, 40000, 80, UINT32_MAX);
	struct spec syn = segment(&c, 0, SYN, NULL);

	(void)state;
	assert_true(goes(&syn));
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .age = BO_CONN_NEW });
	assert_true(goes(&syn));
	syn.seq++;
	assert_false(goes(&syn));
}

static void syn_only_and_no_handshake(void **state)
{
	struct conn old = conn_at(4, 40000, 80, 1), c = conn_at(6, 40001, 80, 1);

	(void)state;
	assert_true(handshake(&old));
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .protocol = BO_CONN_TCP, .packets = BO_CONN_SYN_ONLY });
	assert_true(data(&old, 0, "x") && data(&old, 1, "x"));
	assert_false(tcp(&c, 0, SYN, NULL));
	assert_int_equal(counts().escaped, 0);
	assert_true(tcp(&c, 1, SYN | ACK, NULL)); /* an answer to what did not arrive */
	assert_int_equal(counts().escaped, 1);
	force((struct bo_conn_rule){ .id = 2,
				     .action = BO_CONN_DROP,
				     .protocol = BO_CONN_TCP,
				     .packets = BO_CONN_NO_HANDSHAKE });
	c.port = 40002;
	assert_true(tcp(&c, 0, SYN, NULL) && tcp(&c, 1, SYN | ACK, NULL));
	assert_false(tcp(&c, 0, ACK, NULL) || data(&c, 0, "x"));
}

static void only_the_first_connections(void **state)
{
	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_REFUSE,
				     .protocol = BO_CONN_TCP,
				     .port = 80,
				     .age = BO_CONN_NEW,
				     .first = 3 });
	for (uint16_t i = 0; i < 6; i++) {
		struct conn c = conn_at(4, (uint16_t)(40000 + i), 80, 1);
		struct conn other = conn_at(4, (uint16_t)(40000 + i), 81, 1);

		assert_true(handshake(&other));
		assert_int_equal(tcp(&c, 0, SYN, NULL), i >= 3);
		c.next[0]--;
		assert_int_equal(tcp(&c, 0, SYN, NULL), i >= 3); /* and sent again */
	}
	assert_int_equal(counts().connections, 3);
}

static void the_nth_packet(void **state)
{
	struct conn c = conn_at(4, 40000, 80, UINT32_MAX - 3); /* numbers wrap on the way */

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .packet = 3 });
	assert_true(bo_wire_rules_per_packet(rules));
	assert_true(handshake(&c) && data(&c, 0, "one") && tcp(&c, 0, ACK, NULL));
	assert_true(again(&c, 0, "one")); /* not counted */
	assert_true(data(&c, 1, "uno") && data(&c, 0, "two"));
	assert_false(data(&c, 0, "three"));
	assert_false(again(&c, 0, "three")); /* chosen for good */
	assert_false(again(&c, 0, "ree"));
	assert_true(data(&c, 0, "four"));
	assert_true(data(&c, 1, "dos"));
	assert_false(data(&c, 1, "tres"));
	assert_int_equal(counts().connections, 1);
	/* Each datagram counts. */
	assert_true(udp(4, 0, 1, 2, "same") && udp(4, 0, 1, 2, "same"));
	assert_false(udp(4, 0, 1, 2, "same"));
	assert_true(udp(4, 0, 1, 2, "same"));
}

static void a_text_within_and_across_packets(void **state)
{
	struct conn c = conn_at(6, 40000, 5432, UINT32_MAX - 10);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .contains = "aab", .contains_len = 3 });
	assert_true(handshake(&c) && data(&c, 0, "xxa") && data(&c, 0, "a"));
	assert_true(data(&c, 1, "b")); /* the other stream is another one */
	assert_false(data(&c, 0, "bcd"));
	assert_false(again(&c, 0, "bcd")); /* however often it is sent again */
	assert_true(again(&c, 0, "d"));    /* what was not chosen may go on */
	c = conn_at(6, 40001, 5432, 1);
	assert_true(handshake(&c));
	assert_false(data(&c, 0, "aaaab")); /* found although it begins anew three times */
	assert_int_equal(counts().connections, 2);
}

static void a_text_that_repeats_itself(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .contains = "ababc", .contains_len = 5, .occurrence = 2 });
	assert_true(handshake(&c) && data(&c, 0, "abababab") && data(&c, 0, "c"));
	assert_true(data(&c, 0, "ab"));
	assert_false(data(&c, 0, "ababc"));
}

/* What was sent before comes again with more behind it: only that is new. */
static void a_text_behind_a_retransmission(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .contains = "UPDATE", .contains_len = 6, .occurrence = 2 });
	assert_true(handshake(&c) && data(&c, 0, "UPDATE x"));
	c.next[0] -= 8;
	assert_true(data(&c, 0, "UPDATE x UP"));
	c.next[0] -= 4;
	assert_false(data(&c, 0, "x UPDATE y"));
}

static void not_across_a_gap(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .contains = "UPDATE", .contains_len = 6 });
	assert_true(handshake(&c) && data(&c, 0, "UPD"));
	c.next[0] += 10; /* lost before it came here */
	assert_true(data(&c, 0, "ATE"));
	assert_false(data(&c, 0, "UPDATE"));
}

static void the_second_statement(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .contains = "UPDATE", .contains_len = 6, .occurrence = 2 });
	assert_true(handshake(&c) && data(&c, 0, "UPDATE 1") && again(&c, 0, "UPDATE 1"));
	assert_true(data(&c, 0, "SELECT"));
	assert_false(data(&c, 0, "UPDATE 2"));
	assert_false(again(&c, 0, "UPDATE 2"));
	assert_true(data(&c, 0, "UPDATE 3"));
	/* Two in one packet: the second is in it. */
	c = conn_at(4, 40001, 5432, 1);
	assert_true(handshake(&c));
	assert_false(data(&c, 0, "UPDATE 1; UPDATE 2"));
}

static void a_text_in_datagrams(void **state)
{
	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_DROP,
				     .protocol = BO_CONN_UDP,
				     .contains = "name",
				     .contains_len = 4 });
	assert_false(udp(4, 0, 1, 53, "a name in it"));
	assert_true(udp(4, 0, 1, 53, "na"));
	assert_true(udp(4, 0, 1, 53, "me"));
	assert_false(udp(6, 1, 53, 1, "name"));
}

static void fragments_have_no_connection(void **state)
{
	struct spec later = {
		.protocol = IPPROTO_UDP, .payload = "xxxxxxxx", .payload_len = 8, .fragment = 0x2001
	};
	struct spec first = later;

	(void)state;
	first.fragment = 0x2000;
	first.target = 53;
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .port = 53 });
	assert_false(goes(&first)); /* which is enough: nothing is put together without it */
	assert_true(goes(&later));
	force((struct bo_conn_rule){
		.id = 2, .action = BO_CONN_DROP, .protocol = BO_CONN_UDP, .age = BO_CONN_NEW });
	assert_true(goes(&later));
	force((struct bo_conn_rule){ .id = 3, .action = BO_CONN_DROP, .protocol = BO_CONN_TCP });
	assert_true(goes(&later));
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .protocol = BO_CONN_UDP });
	assert_false(goes(&later));
	assert_int_equal(counts().dropped, 1);
}

static void probes_pass(void **state)
{
	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .protocol = BO_CONN_UDP });
	assert_true(udp(4, 0, BO_LINKPROBE_PORT, BO_LINKPROBE_PORT, "probe"));
	assert_true(udp(6, 1, BO_LINKPROBE_PORT, BO_LINKPROBE_PORT, "probe"));
	assert_false(udp(4, 0, 40000, 53, "query"));
	assert_int_equal(counts().matched, 1);
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	/* Nor what the kernels say about addresses, which no connection could do without. */
	force((struct bo_conn_rule){ .action = BO_CONN_DROP, .protocol = BO_CONN_ICMP });
	assert_true(goes(&(struct spec){ .version = 6, .protocol = 58, .icmp_type = 135 }));
}

/* --- reset, refuse ---------------------------------------------------------------------------- */

static void refused_as_by_a_closed_port(void **state)
{
	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_REFUSE, .protocol = BO_CONN_TCP, .age = BO_CONN_NEW });
	for (int version = 4; version <= 6; version += 2) {
		struct conn c = conn_at(version, 40000, 80, UINT32_MAX);

		nemitted = 0;
		assert_false(tcp(&c, 0, SYN, NULL));
		assert_int_equal(nemitted, 1);
		assert_int_equal(emitted[0].dir, BO_DIR_B_TO_A);
		assert_int_equal(emitted[0].flags, RST | ACK);
		assert_int_equal(emitted[0].ack, 0); /* SYN number + 1, wrapped */
		assert_int_equal(emitted[0].source, 80);
		assert_int_equal(emitted[0].target, 40000);
	}
	assert_int_equal(counts().connections, 2);
	assert_int_equal(counts().resets, 2);
	assert_int_equal(counts().escaped, 0);
}

static void live_connections_are_reset_at_once(void **state)
{
	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		struct conn c = conn_at(version, 40000, 5432, UINT32_MAX - 2);

		assert_true(handshake(&c) && data(&c, 0, "query") && data(&c, 1, "answer"));
		/* a has not acknowledged "answer" yet: it may expect what follows it, or it itself. */
		nemitted = 0;
		force((struct bo_conn_rule){ .action = BO_CONN_RESET,
					     .protocol = BO_CONN_TCP,
					     .port = 5432,
					     .age = BO_CONN_ESTABLISHED });
		assert_int_equal(nemitted, 3);
		assert_true(was_emitted(BO_DIR_B_TO_A, RST, c.next[1]));
		assert_true(was_emitted(BO_DIR_B_TO_A, RST, c.next[1] - 6));
		assert_true(was_emitted(BO_DIR_A_TO_B, RST, c.next[0]));
		assert_int_equal(counts().connections, 1);
		assert_int_equal(counts().resets, 3);
		assert_int_equal(emitted[0].source == 5432 ? emitted[0].target : emitted[0].source,
				 40000);
		rules_down(NULL);
		rules_up(NULL);
	}
}

static void what_follows_a_reset_is_answered_exactly(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1), fresh = conn_at(4, 40001, 5432, 1);
	struct spec challenge;

	(void)state;
	assert_true(handshake(&c));
	force((struct bo_conn_rule){
		.action = BO_CONN_RESET, .protocol = BO_CONN_TCP, .age = BO_CONN_ESTABLISHED });
	nemitted = 0;
	challenge = segment(&c, 0, ACK, NULL);
	challenge.ack = 123456; /* what this end really expects */
	assert_true(goes(&challenge) && is_rst(c.next[0]));
	assert_int_equal(nemitted, 1);
	assert_true(was_emitted(BO_DIR_B_TO_A, RST, 123456));
	/* Its own RST is let through, and new connections live. */
	assert_true(tcp(&c, 0, RST, NULL));
	assert_true(handshake(&fresh) && data(&fresh, 0, "x"));
	assert_int_equal(counts().survived, 0);
}

static void survivors_are_seen(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	assert_true(handshake(&c));
	force((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP });
	assert_true(data(&c, 0, "was under way") && is_rst(c.next[0] - 13));
	assert_int_equal(counts().survived, 0);
	now_ns += 600 * MS;
	assert_true(data(&c, 0, "still alive") && is_rst(c.next[0] - 11));
	assert_true(data(&c, 0, "still alive") && is_rst(c.next[0] - 11));
	assert_int_equal(counts().survived, 1);
}

static void one_end_only(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1);

	(void)state;
	assert_true(handshake(&c));
	force((struct bo_conn_rule){
		.action = BO_CONN_RESET, .protocol = BO_CONN_TCP, .ends = BO_CONN_RESPONDER });
	assert_int_equal(nemitted, 1);
	assert_int_equal(emitted[0].dir, BO_DIR_A_TO_B);
	/* The initiator knows nothing; the responder's kernel will tell it. */
	assert_true(data(&c, 0, "hello?"));
	assert_int_equal(nemitted, 1);
	force((struct bo_conn_rule){ .id = 2,
				     .action = BO_CONN_RESET,
				     .protocol = BO_CONN_TCP,
				     .ends = BO_CONN_INITIATOR });
	assert_int_equal(emitted[1].dir, BO_DIR_B_TO_A);
}

static void a_connection_that_is_coming_about(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1000);

	(void)state;
	assert_true(tcp(&c, 0, SYN, NULL));
	force((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP });
	assert_int_equal(nemitted, 1);
	assert_int_equal(emitted[0].flags, RST | ACK);
	assert_int_equal(emitted[0].ack, 1001);
	assert_int_equal(emitted[0].dir, BO_DIR_B_TO_A);
}

static void a_new_connection_comes_about_and_is_reset(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1), d = conn_at(4, 40001, 5432, 1);

	(void)state;
	force((struct bo_conn_rule){
		.action = BO_CONN_RESET, .protocol = BO_CONN_TCP, .age = BO_CONN_NEW });
	assert_true(tcp(&c, 0, SYN, NULL) && tcp(&c, 1, SYN | ACK, NULL));
	assert_int_equal(nemitted, 0);
	assert_int_equal(counts().connections, 0);
	assert_true(tcp(&c, 0, ACK, NULL) && is_rst(c.next[0]));
	assert_true(was_emitted(BO_DIR_B_TO_A, RST, c.next[1]));
	/* One that the responder refuses needs no help. */
	assert_true(tcp(&d, 0, SYN, NULL) && tcp(&d, 1, RST | ACK, NULL));
	assert_int_equal(arrived.tcp_flags, RST | ACK);
	assert_int_equal(counts().connections, 1);
}

static void reset_at_a_packet(void **state)
{
	struct conn c = conn_at(4, 40000, 5432, 1), other = conn_at(4, 40001, 5432, 1);

	(void)state;
	assert_true(handshake(&c) && handshake(&other));
	force((struct bo_conn_rule){ .action = BO_CONN_RESET,
				     .protocol = BO_CONN_TCP,
				     .contains = "GET",
				     .contains_len = 3,
				     .occurrence = 2 });
	assert_int_equal(nemitted, 0);
	assert_true(data(&c, 0, "GET 1") && data(&c, 1, "1") && data(&other, 0, "GET 1"));
	/* It never gets the packet, but a RST in its place: after what was sent before. */
	assert_true(data(&c, 0, "GET 2") && is_rst(c.next[0] - 5));
	assert_int_equal(nemitted, 1);
	assert_true(was_emitted(BO_DIR_B_TO_A, RST, c.next[1]));
	assert_true(data(&c, 1, "late") && is_rst(c.next[1] - 4));
	assert_true(data(&other, 1, "1"));
	assert_int_equal(counts().connections, 1);
}

static void what_was_reset_is_not_reset_again(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);

	(void)state;
	assert_true(handshake(&c));
	force(RESET_ALL);
	assert_int_equal(counts().connections, 1);
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	force(RESET_ALL);
	assert_int_equal(counts().connections, 0);
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	assert_true(data(&c, 0, "it lives all the same"));
	force(RESET_ALL);
	assert_int_equal(counts().connections, 1);
}

static void the_closed_are_left_alone(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1), d = conn_at(4, 40001, 80, 1);

	(void)state;
	assert_true(handshake(&c) && tcp(&c, 0, FIN | ACK, NULL) && tcp(&c, 1, FIN | ACK, NULL));
	assert_true(handshake(&d) && tcp(&d, 1, RST, NULL));
	force((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP });
	assert_int_equal(nemitted, 0);
	assert_int_equal(counts().connections, 0);
}

static void a_full_device_is_told_of(void **state)
{
	struct conn c = conn_at(4, 40000, 80, 1);

	(void)state;
	assert_true(handshake(&c));
	device_is_full = true;
	force((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP });
	assert_int_equal(counts().resets, 0);
	assert_int_equal(counts().unsent, 2);
	device_is_full = false;
	assert_true(data(&c, 0, "x") && is_rst(c.next[0] - 1));
	assert_int_equal(counts().resets, 2);
}

#define RULE_TEST(fn) cmocka_unit_test_setup_teardown(fn, rules_up, rules_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE_TEST(nothing_in_force_changes_nothing),
		RULE_TEST(port_is_the_responders),
		RULE_TEST(protocols_and_directions),
		RULE_TEST(an_address_of_either_end),
		RULE_TEST(new_and_established),
		RULE_TEST(a_retransmitted_syn_is_no_new_connection),
		RULE_TEST(syn_only_and_no_handshake),
		RULE_TEST(only_the_first_connections),
		RULE_TEST(the_nth_packet),
		RULE_TEST(a_text_within_and_across_packets),
		RULE_TEST(a_text_that_repeats_itself),
		RULE_TEST(a_text_behind_a_retransmission),
		RULE_TEST(not_across_a_gap),
		RULE_TEST(the_second_statement),
		RULE_TEST(a_text_in_datagrams),
		RULE_TEST(fragments_have_no_connection),
		RULE_TEST(probes_pass),
		RULE_TEST(refused_as_by_a_closed_port),
		RULE_TEST(live_connections_are_reset_at_once),
		RULE_TEST(what_follows_a_reset_is_answered_exactly),
		RULE_TEST(survivors_are_seen),
		RULE_TEST(one_end_only),
		RULE_TEST(a_connection_that_is_coming_about),
		RULE_TEST(a_new_connection_comes_about_and_is_reset),
		RULE_TEST(reset_at_a_packet),
		RULE_TEST(what_was_reset_is_not_reset_again),
		RULE_TEST(the_closed_are_left_alone),
		RULE_TEST(a_full_device_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
