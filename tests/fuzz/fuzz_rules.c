/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_rules.c — rules on connections, and the table of flows, under arbitrary packets.
 * The input is RULES rules (RULE bytes each), then steps: a byte that says what (a packet of either direction, other
 * rules, time), two bytes of length, and that many bytes of IP.
 * Besides memory errors it looks for forged packets with wrong lengths or checksums, packets that grow, counts that
 * contradict each other, and flows beyond the bound of a table that is small enough to be full all the time.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "wire_bytes.h"
#include "wire_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES 3
#define RULE 16
#define FLOWS 64
#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static struct bo_conn_rule rule_of(const uint8_t c[RULE], uint32_t id)
{
	struct bo_conn_rule rule = {
		.id = id,
		.action = (enum bo_conn_action)(c[0] % BO_CONN_ACTION_COUNT),
		.dirs = 1u + c[1] % 3u,
		.protocol = (enum bo_conn_protocol)(c[1] / 4 % 4),
		.port = c[2],
		.age = (enum bo_conn_age)(c[3] % 3),
		.packets = (enum bo_conn_packets)(c[3] / 4 % 3),
		.share_ppm = (c[3] >> 4) * (BO_PPM_ALL / 15),
		.salt = id,
		.first = c[4],
		.packet = c[5],
		.contains = (const char *)c + 6,
		.contains_len = c[9] % 4u,
		.occurrence = c[10],
		.ends = (enum bo_conn_ends)(c[11] % 3),
		.with = (enum bo_conn_refusal)(c[12] % BO_CONN_REFUSAL_COUNT),
		.after_bytes = c[13],
		.every_ns = c[14] * 1000,
		.orderly = c[15] & 1,
		.address = { .version = (uint8_t)(c[15] & 2   ? 0
						  : c[15] & 4 ? 4
							      : 6),
			     .bits = c[15] / 8 },
	};

	return rule;
}

/** check_forged() - it is a packet in its own right, and its checksums are right; the device is full now and then */
static bool check_forged(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	struct bo_wire_packet p;
	uint64_t sum = 0;

	unsigned int *forged = arg;

	REQUIRE((unsigned int)dir < BO_DIR_COUNT && len <= BO_UNREACHABLE_MAX);
	bo_wire_packet_parse(frame, len, &p);
	REQUIRE(p.has_l4 && p.len == len - BO_WIRE_HDR_LEN);
	REQUIRE(p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_ICMP ||
		p.protocol == IPPROTO_ICMPV6);
	if (p.protocol != IPPROTO_ICMP)
		sum = bo_wire_pseudo_sum(p.ip, p.version == 6, p.protocol, p.len - p.l4);
	REQUIRE(bo_wire_checksum_fold(bo_wire_checksum(sum, p.ip + p.l4, p.len - p.l4)) == 0);
	REQUIRE(p.version == 6 || bo_wire_checksum_fold(bo_wire_checksum(0, p.ip, p.l4)) == 0);
	return ++*forged % 5;
}

static void replace(struct bo_wire_rules *rules, const uint8_t *data, uint32_t *id, int64_t now_ns)
{
	struct bo_conn_rule rule[RULES];
	size_t n = 0;

	for (size_t i = 0; i < RULES; i++) {
		rule[n] = rule_of(data + i * RULE, *id + 1);
		if (bo_conn_rule_check(&rule[n], NULL) < 0)
			continue;
		n++;
		++*id;
	}
	bo_wire_rules_replace(rules, rule, n, now_ns);
}

/** pass() - @frame: with room for @room bytes, so that a byte beyond them is seen */
static void pass(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns, uint8_t *frame,
		 size_t len, size_t room, uint32_t packets)
{
	struct bo_wire_packet packet;

	bo_wire_packet_parse(frame, len, &packet);
	if (bo_wire_rules_pass(rules, dir, now_ns, &packet, packets, frame, &len)) {
		REQUIRE(len <= room);
		REQUIRE(!packet.ip || packet.len <= len - BO_WIRE_HDR_LEN);
	}
}

/** header_of() - what the device says of @len bytes: nothing, a checksum that is left to do, or that they are several packets */
static struct virtio_net_hdr header_of(const uint8_t *data, size_t len)
{
	struct virtio_net_hdr vnet = { 0 };

	if (len && data[0] & 3)
		vnet = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = data[len - 1],
						.csum_offset = data[len / 2] };
	if (len && data[0] & 2) {
		vnet.gso_type = data[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
						  : VIRTIO_NET_HDR_GSO_TCPV4;
		vnet.gso_size = 1u + data[len - 1];
	}
	return vnet;
}

/** take() - as the wire does: cut when a rule looks at bytes, else whole */
static void take(struct bo_wire_rules *rules, enum bo_dir dir, int64_t now_ns, const uint8_t *data,
		 size_t len)
{
	size_t size = BO_WIRE_HDR_LEN + len, room = size > BO_FORGED_MAX ? size : BO_FORGED_MAX;
	struct virtio_net_hdr vnet = header_of(data, len);
	struct bo_wire_super super;
	uint8_t *frame = malloc(room), *segment;

	REQUIRE(frame);
	memcpy(frame, &vnet, sizeof(vnet));
	memcpy(frame + BO_WIRE_HDR_LEN, data, len);
	if (!bo_wire_rules_per_packet(rules) || !bo_wire_super_parse(frame, size, &super)) {
		pass(rules, dir, now_ns, frame, size, room, bo_wire_packets(frame, size));
		free(frame);
		return;
	}
	room = BO_WIRE_HDR_LEN + super.header_len + super.mss + BO_FORGED_MAX;
	segment = malloc(room);
	REQUIRE(segment);
	for (uint32_t i = 0; i < super.count; i++)
		pass(rules, dir, now_ns, segment, bo_wire_super_segment(&super, i, segment), room,
		     1);
	free(segment);
	free(frame);
}

static void check_counts(const struct bo_wire_rules *rules, uint32_t id)
{
	struct bo_conn_counts c;

	for (uint32_t i = 1; i <= id; i++) {
		if (!bo_wire_rules_counts(rules, i, &c))
			continue;
		REQUIRE(c.dropped <= c.matched && c.shortened <= c.matched);
		REQUIRE(c.missed == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bo_wire_flows *flows = bo_wire_flows_new(FLOWS, size);
	unsigned int forged = 0;
	struct bo_wire_rules *rules = bo_wire_rules_new(flows, 1, check_forged, &forged);
	int64_t now_ns = 1;
	uint32_t id = 0;

	REQUIRE(flows && rules);
	bo_wire_rules_replace(rules, NULL, 0, now_ns);
	if (size >= RULES * RULE)
		replace(rules, data, &id, now_ns);
	data += size < RULES * RULE ? size : RULES * RULE;
	size -= size < RULES * RULE ? size : RULES * RULE;
	while (size >= 3) {
		uint8_t what = data[0];
		size_t len = (size_t)(data[1] & 0x0f) << 8 | data[2];

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		if ((what & 0xf0) == 0xf0 && len >= RULES * RULE)
			replace(rules, data, &id, now_ns);
		else
			take(rules, (enum bo_dir)(what & 1), now_ns, data, len);
		now_ns += (int64_t)(what & 0xe) * BO_NSEC_PER_MSEC;
		REQUIRE(bo_wire_flows_count(flows, NULL) <= FLOWS);
		data += len;
		size -= len;
	}
	check_counts(rules, id);
	bo_wire_rules_free(rules);
	bo_wire_flows_free(flows);
	return 0;
}
