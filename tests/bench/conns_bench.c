/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/conns_bench.c — what keeping track of connections, and rules on them, cost per packet.
 *   conns_bench [CONNECTIONS]      default 1000; packets of 1500 bytes, round robin
 * and what it saves that fates and rules look a flow up in one table: the same packets, in random order, with a table for
 * each of them beside it.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "wire_packets.h"
#include "wire_rules.h"

#define PACKETS 2000000u
#define ROUNDS 10

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

/** struct both - a table for fates and rules, or one for each */
struct both {
	struct bo_wire_flows *flows, *second;
	struct bo_wire_rules *rules;
	struct bo_wire_line line;
};

static bool both_up(struct both *b, bool apart)
{
	*b = (struct both){ .flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1) };
	if (!b->flows)
		return false;
	b->rules = bo_wire_rules_new(b->flows, 1, emit, NULL);
	if (apart)
		b->second = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	if (!b->rules || (apart && !b->second))
		return false;
	bo_wire_rules_replace(b->rules, NULL, 0, 1);
	bo_wire_line_init(&b->line, 1, 1, BO_DIR_A_TO_B);
	b->line.flows = apart ? b->second : b->flows;
	return true;
}

static void both_down(struct both *b)
{
	bo_wire_rules_free(b->rules);
	bo_wire_flows_free(b->second);
	bo_wire_flows_free(b->flows);
}

/** rules_then_fate() - nanoseconds per packet */
static double rules_then_fate(struct both *b, struct made *made, uint32_t conns, uint32_t packets)
{
	uint8_t *ip = made->data + BO_WIRE_HDR_LEN;
	int64_t start = bo_now_ns();

	for (uint32_t i = 0; i < packets; i++) {
		uint32_t conn = packets == conns ? i : (uint32_t)(bo_mix64(i) % conns);
		struct bo_wire_outcome out;
		struct bo_wire_packet packet;
		size_t len = made->len;

		ip[14] = ip[18] = (uint8_t)(conn >> 16);
		memcpy(ip + 20, &(uint16_t){ (uint16_t)conn }, sizeof(uint16_t));
		bo_wire_packet_parse(made->data, len, &packet);
		(void)bo_wire_rules_pass(b->rules, BO_DIR_A_TO_B, start, &packet, 1, made->data,
					 &len);
		if (b->second)
			packet.flow = NULL;
		bo_wire_line_next(&b->line, start, &packet, 1, 0, &out);
	}
	return (double)(bo_now_ns() - start) / packets;
}

/** resident() - bytes of this process */
static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * 4096;
}

/** compare() - one table against two, turn by turn, the best of each;  Return: 0, or 1 without memory */
static int compare(uint32_t conns)
{
	static const char payload[64];
	struct spec spec = { .protocol = IPPROTO_TCP,
			     .target = 5432,
			     .flags = ACK,
			     .payload = payload,
			     .payload_len = sizeof(payload) };
	double best[2] = { 1e9, 1e9 }, bytes = 0;
	struct both b[2];
	struct made made;

	make_packet(&spec, &made);
	for (int apart = 0; apart < 2; apart++) {
		double before = resident();

		if (!both_up(&b[apart], apart))
			return 1;
		(void)rules_then_fate(&b[apart], &made, conns, conns);
		if (!apart)
			bytes = resident() - before;
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int apart = 0; apart < 2; apart++) {
			double ns = rules_then_fate(&b[apart], &made, conns, PACKETS / ROUNDS);

			best[apart] = ns < best[apart] ? ns : best[apart];
		}
	printf("%11u %10.0f ns %10.0f ns %7.2f %8.1f MiB\n", conns, best[0], best[1],
	       best[0] / best[1], bytes / (1 << 20));
	both_down(&b[0]);
	both_down(&b[1]);
	return 0;
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
		struct both b;

		if (!both_up(&b, false))
			return 1;
		bo_wire_rules_replace(b.rules, &cases[i].rule, !!cases[i].rule.id, 1);
		printf("%-20s %7.1f more\n", cases[i].name, ns_per_packet(b.rules, conns) - parsed);
		both_down(&b);
	}
	printf("%11s %13s %13s %7s %12s\n", "connections", "one table", "two tables", "ratio",
	       "memory");
	return compare(64) || compare(10000) || compare(100000);
}
