/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/conns_bench.c — what keeping track of connections, and rules on them, cost per packet.
 *   conns_bench [CONNECTIONS]      default 1000; packets of 1500 bytes, round robin
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "wire_packets.h"
#include "wire_rules.h"

#define PACKETS 2000000u

static bool emit(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	(void)arg;
	(void)dir;
	(void)frame;
	(void)len;
	return true;
}

static double ns_per_packet(struct bo_wire_rules *rules, uint32_t conns)
{
	static const char payload[1448];
	struct spec spec = { .protocol = IPPROTO_TCP,
			     .target = 5432,
			     .flags = ACK,
			     .tcp_options = 12,
			     .payload = payload,
			     .payload_len = sizeof(payload) };
	struct bo_wire_packet packet;
	struct made made;
	int64_t start;

	make_packet(&spec, &made);
	start = bo_now_ns();
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint8_t *tcp = made.data + BO_WIRE_HDR_LEN + 20;
		uint32_t seq = htonl(i / conns * (uint32_t)sizeof(payload));
		uint16_t port = htons((uint16_t)(1024 + i % conns));
		size_t len = made.len;

		memcpy(tcp, &port, sizeof(port));
		memcpy(tcp + 4, &seq, sizeof(seq));
		bo_wire_packet_parse(made.data, made.len, &packet);
		if (rules)
			(void)bo_wire_rules_pass(rules, BO_DIR_A_TO_B, start + i, &packet, 1,
						 made.data, &len);
	}
	return (double)(bo_now_ns() - start) / PACKETS;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		struct bo_conn_rule rule;
	} cases[] = {
		{ "tracked, no rule", { 0 } },
		{ "drop, another port", { .id = 1, .dirs = 3, .port = 80 } },
		{ "stall, far off",
		  { .id = 1,
		    .dirs = 3,
		    .action = BO_CONN_STALL,
		    .after_bytes = INT64_C(1) << 40 } },
		{ "drop, contains",
		  { .id = 1, .dirs = 3, .contains = "UPDATE", .contains_len = 6 } },
	};
	uint32_t conns = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000;
	double parsed;

	if (!conns || conns > 60000)
		return fprintf(stderr, "expected 1 to 60000 connections\n"), 2;
	parsed = ns_per_packet(NULL, conns);
	printf("%-20s %7.1f ns per packet\n", "parsed only", parsed);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bo_wire_rules *rules = bo_wire_rules_new(flows, emit, NULL);

		if (!rules)
			return 1;
		bo_wire_rules_replace(rules, &cases[i].rule, !!cases[i].rule.id, 1);
		printf("%-20s %7.1f more\n", cases[i].name, ns_per_packet(rules, conns) - parsed);
		bo_wire_rules_free(rules);
	}
	return 0;
}
