/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_rules.c — rules on connections on their own: every filter and every action, on packets that
 * no kernel has sent.  Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/lab/linkprobe.h"
#include "wire_packets.h"
#include "wire_rules.h"

#define MS BO_NSEC_PER_MSEC
#define BOTH 3u
#define EMITTED_MAX 512

static struct bo_wire_rules *rules;
static int64_t now_ns;
static bool device_is_full, addresses_are_noise;

/** emitted - what the rules have forged */
static struct {
	enum bo_dir dir;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t source, target;
} emitted[EMITTED_MAX];
static size_t nemitted;

static bool emit(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	struct bo_wire_packet p;

	(void)arg;
	if (device_is_full)
		return false;
	bo_wire_packet_parse(frame, len, &p);
	assert_true(p.has_l4 && p.protocol == IPPROTO_TCP && p.payload == p.len);
	assert_true(checksums_are_right(frame, len));
	if (addresses_are_noise)
		return true;
	assert_int_equal(p.source[p.addr_len - 1], dir == BO_DIR_A_TO_B ? 1 : 2);
	assert_int_equal(p.target[p.addr_len - 1], dir == BO_DIR_A_TO_B ? 2 : 1);
	assert_true(nemitted < EMITTED_MAX);
	emitted[nemitted].dir = dir;
	emitted[nemitted].flags = p.tcp_flags;
	emitted[nemitted].seq = tcp_seq(&p);
	emitted[nemitted].ack = tcp_ack(&p);
	emitted[nemitted].source = p.source_port;
	emitted[nemitted++].target = p.target_port;
	return true;
}

static int set_up(void **state)
{
	(void)state;
	rules = bo_wire_rules_new(7, emit, NULL);
	now_ns = BO_NSEC_PER_SEC;
	nemitted = 0;
	device_is_full = addresses_are_noise = false;
	return !rules;
}

static int set_down(void **state)
{
	(void)state;
	bo_wire_rules_free(rules);
	return 0;
}

static void force(struct bo_conn_rule rule)
{
	struct bo_err err = { 0 };

	rule.id = rule.id ? rule.id : 1;
	rule.dirs = rule.dirs ? rule.dirs : BOTH;
	if (bo_conn_rule_check(&rule, &err) < 0)
		fail_msg("%s", err.msg);
	bo_wire_rules_replace(rules, &rule, 1, now_ns);
}

#define RESET_ALL ((struct bo_conn_rule){ .action = BO_CONN_RESET, .protocol = BO_CONN_TCP })

static struct bo_conn_counts counts(void)
{
	struct bo_conn_counts c = { 0 };

	assert_true(bo_wire_rules_counts(rules, 1, &c));
	return c;
}

static struct made made;              /* what was sent … */
static struct bo_wire_packet arrived; /* … and what went on of it */

/** goes() - send it; did it go on? */
static bool goes(const struct spec *spec)
{
	bool passes;

	make_packet(spec, &made);
	bo_wire_packet_parse(made.data, made.len, &arrived);
	passes = bo_wire_rules_pass(rules, spec->from ? BO_DIR_B_TO_A : BO_DIR_A_TO_B, now_ns,
				    &arrived, 1, made.data, &made.len);
	if (passes && arrived.has_l4)
		assert_int_equal(arrived.len + BO_WIRE_HDR_LEN, made.len);
	return passes;
}

/** struct conn - a TCP connection from a (client) to b (server) */
struct conn {
	int version, host;
	uint16_t port, server;
	uint32_t next[2]; /* sequence numbers */
};

static struct conn conn_at(int version, uint16_t port, uint16_t server, uint32_t isn)
{
	return (struct conn){
		.version = version, .port = port, .server = server, .next = { isn, isn + 5000 }
	};
}

static struct spec segment(const struct conn *c, int from, uint8_t flags, const char *payload)
{
	return (struct spec){
		.version = c->version,
		.protocol = IPPROTO_TCP,
		.host = c->host,
		.from = from,
		.source = from ? c->server : c->port,
		.target = from ? c->port : c->server,
		.seq = c->next[from],
		.ack = flags & ACK ? c->next[!from] : 0,
		.flags = flags,
		.payload = payload,
		.payload_len = payload ? strlen(payload) : 0,
	};
}

/** tcp() - the next segment of the connection; it counts as sent whatever becomes of it */
static bool tcp(struct conn *c, int from, uint8_t flags, const char *payload)
{
	struct spec s = segment(c, from, flags, payload);

	c->next[from] += (uint32_t)s.payload_len + !!(flags & SYN) + !!(flags & FIN);
	return goes(&s);
}

static bool data(struct conn *c, int from, const char *payload)
{
	return tcp(c, from, PSH | ACK, payload);
}

static bool handshake(struct conn *c)
{
	return tcp(c, 0, SYN, NULL) && tcp(c, 1, SYN | ACK, NULL) && tcp(c, 0, ACK, NULL);
}

/** again() - the last @bytes of that end once more */
static bool again(struct conn *c, int from, const char *payload)
{
	struct spec s = segment(c, from, PSH | ACK, payload);

	s.seq -= (uint32_t)strlen(payload);
	return goes(&s);
}

static bool udp(int version, int from, uint16_t source, uint16_t target, const char *payload)
{
	struct spec s = { .version = version,
			  .protocol = IPPROTO_UDP,
			  .from = from,
			  .source = source,
			  .target = target,
			  .payload = payload,
			  .payload_len = strlen(payload) };

	return goes(&s);
}

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

/** is_rst() - has a RST taken the place of what was sent? */
static bool is_rst(uint32_t seq)
{
	return arrived.has_l4 && arrived.tcp_flags == RST && arrived.payload == arrived.len &&
	       tcp_seq(&arrived) == seq && checksums_are_right(made.data, made.len);
}

/* --- reset, refuse ---------------------------------------------------------------------------- */

static bool was_emitted(enum bo_dir dir, uint8_t flags, uint32_t seq)
{
	for (size_t i = 0; i < nemitted; i++)
		if (emitted[i].dir == dir && emitted[i].flags == flags && emitted[i].seq == seq)
			return true;
	return false;
}

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
		set_down(NULL);
		set_up(NULL);
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
		set_down(NULL);
		set_up(NULL);
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

	(void)state;
	assert_true(handshake(&c) && data(&c, 0, "0123456789"));
	force((struct bo_conn_rule){ .action = BO_CONN_STALL, .after_bytes = 4 });
	assert_true(again(&c, 0, "0123456789")); /* from before */
	assert_int_equal(went_on(), 10);
	assert_true(data(&c, 0, "abcdef"));
	assert_int_equal(went_on(), 4);
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

static void beyond_the_bound_the_idle_are_forgotten(void **state)
{
	static const struct spec syn = { .protocol = IPPROTO_TCP, .target = 80, .flags = SYN };
	struct bo_conns conns;
	struct bo_wire_packet p;
	uint64_t first;

	(void)state;
	bo_conns_init(&conns, 1);
	conns.max = 100;
	for (int round = 0; round < 3; round++)
		for (uint16_t i = 0; i < 150; i++) {
			struct spec s = syn;

			/* Port 1000 is used all the time, so it is never the idle one. */
			s.source = i % 2 ? 1000 : (uint16_t)(2000 + i);
			make_packet(&s, &made);
			bo_wire_packet_parse(made.data, made.len, &p);
			assert_non_null(bo_conns_meet(&conns, BO_DIR_A_TO_B, &p));
			assert_true(conns.nflows <= 100);
		}
	make_packet(&(struct spec){ .protocol = IPPROTO_TCP, .source = 1000, .target = 80 }, &made);
	bo_wire_packet_parse(made.data, made.len, &p);
	first = bo_conns_meet(&conns, BO_DIR_A_TO_B, &p)->number;
	for (uint16_t i = 0; i < 300; i++) {
		struct spec s = syn;

		s.source = (uint16_t)(5000 + i);
		make_packet(&s, &made);
		bo_wire_packet_parse(made.data, made.len, &p);
		(void)bo_conns_meet(&conns, BO_DIR_A_TO_B, &p);
	}
	assert_int_equal(conns.nflows, 100);
	make_packet(&(struct spec){ .protocol = IPPROTO_TCP, .source = 1000, .target = 80 }, &made);
	bo_wire_packet_parse(made.data, made.len, &p);
	assert_true(bo_conns_meet(&conns, BO_DIR_A_TO_B, &p)->number > first);
	bo_conns_done(&conns);
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
		{ .id = 1, .dirs = BOTH, .action = BO_CONN_REFUSE, .protocol = BO_CONN_UDP },
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

#define RULE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, set_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE_TEST(nothing_in_force_changes_nothing),
		RULE_TEST(port_is_the_responders),
		RULE_TEST(protocols_and_directions),
		RULE_TEST(new_and_established),
		RULE_TEST(a_retransmitted_syn_is_no_new_connection),
		RULE_TEST(syn_only_and_no_handshake),
		RULE_TEST(only_the_first_connections),
		RULE_TEST(the_nth_packet),
		RULE_TEST(a_text_within_and_across_packets),
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
		RULE_TEST(reset_at_a_packet),
		RULE_TEST(what_was_reset_is_not_reset_again),
		RULE_TEST(the_closed_are_left_alone),
		RULE_TEST(a_full_device_is_told_of),
		RULE_TEST(stalled_at_the_byte),
		RULE_TEST(a_fin_does_not_get_past_a_shortened_packet),
		RULE_TEST(bytes_count_from_the_rule_on),
		RULE_TEST(what_arrived_all_the_same_is_seen),
		RULE_TEST(cut_when_the_receiver_has_it),
		RULE_TEST(closed_as_by_the_peer),
		RULE_TEST(a_drip),
		RULE_TEST(a_drip_of_datagrams),
		RULE_TEST(the_harshest_wins_and_each_counts),
		RULE_TEST(a_hundred_thousand_connections),
		RULE_TEST(beyond_the_bound_the_idle_are_forgotten),
		RULE_TEST(hostile_packets),
		RULE_TEST(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
