/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_conns.c — arbitrary frames meet rules on connections.
 * The input is RULES rules of RULE bytes, then frames: two bytes, of which the first bit says that other rules follow
 * instead of a frame, the second is the direction, and the rest is the length.
 * Besides memory errors it looks for packets that were forged or shortened and are none, frames that grow beyond their
 * room, and counts that do not fit together.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "wire_bytes.h"
#include "wire_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RULES = 4, RULE = 10, KINDS = 16, IDS = RULES * KINDS };
#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/** rule_of() - as a fault would make it: what its action has no use for is left out */
static struct bo_conn_rule rule_of(const uint8_t c[RULE], uint32_t id)
{
	struct bo_conn_rule rule = {
		.id = id,
		.action = (enum bo_conn_action)(c[0] % BO_CONN_ACTION_COUNT),
		.dirs = c[1] & 3 ? c[1] & 3 : 3,
		.age = (enum bo_conn_age)(c[1] >> 2 & 3) % 3,
		.packets = (enum bo_conn_packets)(c[1] >> 4) % 3,
		.protocol = (enum bo_conn_protocol)(c[2] % 4),
		.first = c[5] & 7,
		.ends = (enum bo_conn_ends)(c[5] >> 3) % 3,
		.orderly = c[5] >> 7,
	};
	bool counts_bytes = rule.action == BO_CONN_STALL || rule.action == BO_CONN_CUT ||
			    rule.action == BO_CONN_DRIP;

	if (rule.action == BO_CONN_REFUSE || rule.action == BO_CONN_RESET ||
	    rule.action == BO_CONN_CUT || rule.packets)
		rule.protocol = BO_CONN_TCP;
	if (c[2] & 4 && rule.protocol != BO_CONN_ICMP)
		rule.port = (uint16_t)(c[3] << 8 | c[4]);
	if (counts_bytes) {
		rule.after_bytes = (c[6] & 0x3f) << (c[6] >> 4) | 1;
		rule.every_ns = (c[7] + 1) * BO_NSEC_PER_MSEC;
	} else if (c[6] & 1) {
		rule.packet = c[6] >> 1 & 7;
	} else if (c[6] & 2) {
		rule.contains = (const char *)&c[7];
		rule.contains_len = c[6] >> 2 & 3;
		rule.occurrence = rule.contains_len ? c[6] >> 4 & 3 : 0;
	}
	return rule;
}

static void replace(struct bo_wire_rules *rules, const uint8_t *data, size_t len, int64_t now_ns)
{
	uint8_t config[RULES * RULE] = { 0 };
	struct bo_conn_rule list[RULES];
	size_t n = 0;

	memcpy(config, data, len < sizeof(config) ? len : sizeof(config));
	for (uint32_t i = 0; i < RULES; i++) {
		/* A rule of the same number and kind goes on. */
		list[n] = rule_of(&config[(size_t)i * RULE],
				  1 + i + config[i * RULE] % KINDS * RULES);
		n += bo_conn_rule_check(&list[n], NULL) == 0;
	}
	bo_wire_rules_replace(rules, list, n, now_ns);
	for (size_t i = 0; i < n; i++)
		REQUIRE(bo_wire_rules_counts(rules, list[i].id, &(struct bo_conn_counts){ 0 }));
}

static void check_counts(const struct bo_wire_rules *rules)
{
	struct bo_conn_counts c;

	for (uint32_t id = 1; id < 1 + IDS; id++) {
		if (!bo_wire_rules_counts(rules, id, &c))
			continue;
		REQUIRE(c.dropped <= c.matched && c.shortened <= c.matched);
		REQUIRE(c.escaped <= c.connections + c.matched && c.survived <= c.connections);
	}
}

/** check_tcp() - a packet that was made here: whole, with the right checksums and nothing left to the device */
static void check_tcp(const uint8_t *frame, size_t len)
{
	static const uint8_t nothing[BO_WIRE_HDR_LEN];
	struct bo_wire_packet p;
	uint64_t sum;

	bo_wire_packet_parse(frame, len, &p);
	REQUIRE(p.has_l4 && p.protocol == IPPROTO_TCP && p.len == len - BO_WIRE_HDR_LEN);
	REQUIRE(!memcmp(frame, nothing, sizeof(nothing)));
	sum = bo_wire_pseudo_sum(p.ip, p.version == 6, IPPROTO_TCP, p.len - p.l4);
	REQUIRE(!bo_wire_checksum_fold(bo_wire_checksum(sum, p.ip + p.l4, p.len - p.l4)));
	REQUIRE(p.version == 6 || !bo_wire_checksum_fold(bo_wire_checksum(0, p.ip, p.l4)));
}

static bool emit(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	unsigned int *emitted = arg;

	REQUIRE((unsigned int)dir < BO_DIR_COUNT && len <= BO_FORGED_MAX);
	check_tcp(frame, len);
	return ++*emitted % 5; /* a device that is full now and then */
}

static void pass(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns, uint8_t *frame,
		 size_t len, size_t room, uint32_t packets)
{
	struct bo_wire_packet packet, again;
	size_t left = len;

	bo_wire_packet_parse(frame, len, &packet);
	if (!bo_wire_rules_pass(rules, dir, now_ns, &packet, packets, frame, &left))
		return;
	REQUIRE(left <= room && left > BO_WIRE_HDR_LEN);
	bo_wire_packet_parse(frame, left, &again);
	REQUIRE(again.ip == packet.ip && again.len == packet.len &&
		again.payload == packet.payload && again.tcp_flags == packet.tcp_flags);
	if (left != len)
		check_tcp(frame, left);
}

/** take() - as the wire does: cut when a rule looks at bytes, else whole */
static void take(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns, const uint8_t *data,
		 size_t len)
{
	size_t room = len > BO_FORGED_MAX ? len : BO_FORGED_MAX;
	struct bo_wire_super super;
	/* of exact size, so that a byte beyond it is seen */
	uint8_t *frame = malloc(room);

	REQUIRE(frame);
	memcpy(frame, data, len);
	if (bo_wire_rules_per_packet(rules) && bo_wire_super_parse(data, len, &super)) {
		uint8_t *segment =
			malloc(BO_WIRE_HDR_LEN + super.header_len + super.mss + BO_FORGED_MAX);

		REQUIRE(segment);
		for (uint32_t i = 0; i < super.count; i++)
			pass(rules, dir, now_ns, segment, bo_wire_super_segment(&super, i, segment),
			     BO_WIRE_HDR_LEN + super.header_len + super.mss + BO_FORGED_MAX, 1);
		free(segment);
	} else {
		pass(rules, dir, now_ns, frame, len, room, bo_wire_packets(data, len));
	}
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int emitted = 0;
	struct bo_wire_rules *rules = bo_wire_rules_new(1, emit, &emitted);
	int64_t now_ns = BO_NSEC_PER_SEC;

	REQUIRE(rules);
	if (size >= RULES * RULE) {
		replace(rules, data, RULES * RULE, now_ns);
		data += RULES * RULE;
		size -= RULES * RULE;
	}
	while (size >= 2) {
		size_t len = (size_t)(data[0] & 0x3f) << 8 | data[1];
		uint8_t kind = data[0];

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		now_ns += (int64_t)len * BO_NSEC_PER_MSEC;
		if (kind & 0x80)
			replace(rules, data, len, now_ns);
		else if (len > BO_WIRE_HDR_LEN)
			take(rules, kind & 0x40 ? BO_DIR_B_TO_A : BO_DIR_A_TO_B, now_ns, data, len);
		check_counts(rules);
		data += len;
		size -= len;
	}
	bo_wire_rules_free(rules);
	return 0;
}
