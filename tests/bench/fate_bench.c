/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/fate_bench.c — what the fate of a packet costs, in nanoseconds: taking it apart, finding
 * its flow, and the stations that are in force.  No I/O.
 *   fate_bench [PACKETS]     5,000,000 by default; best of 5 rounds, each over 64 and 100,000 flows */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "wire-internal.h"

#define MS BO_NSEC_PER_MSEC
#define ROUNDS 5
#define LEN 512

static const uint32_t trace_ms[] = { 1 };
static const struct bo_trace trace = { "12 Mbit/s", trace_ms, 1 };

/* clang-format off */
static const struct {
	const char *name;
	struct bo_impair im;
} cases[] = {
	{ "none", { 0 } },
	{ "delay", { .delay_ns = MS } },
	{ "loss", { .loss.random.ppm = 10000 } },
	{ "loss, correlated", { .loss.random = { 10000, 250000 } } },
	{ "Gilbert-Elliott", { .loss = { .model = BO_LOSS_GE, .p_ppm = 10000, .r_ppm = 250000, .bad_loss_ppm = BO_PPM_ALL } } },
	{ "four states", { .loss = { .model = BO_LOSS_STATE, .p13_ppm = 10000, .p31_ppm = 250000, .p14_ppm = 1000 } } },
	{ "jitter, uniform", { .delay_ns = 10 * MS, .jitter_ns = MS } },
	{ "jitter, normal", { .delay_ns = 10 * MS, .jitter_ns = MS, .dist = BO_DIST_NORMAL } },
	{ "rate", { .rate_bps = INT64_C(10000000000) } },
	{ "trace", { .trace = &trace } },
	{ "slots", { .slot = { MS, 2 * MS, 100, 0 } } },
	{ "duplicate 1%", { .duplicate.ppm = 10000 } },
	{ "corrupt 1%", { .corrupt.ppm = 10000 } },
	{ "everything", { .delay_ns = 10 * MS, .jitter_ns = MS, .delay_corr_ppm = 250000, .dist = BO_DIST_NORMAL,
			  .loss = { .model = BO_LOSS_GE, .p_ppm = 10000, .r_ppm = 250000, .bad_loss_ppm = BO_PPM_ALL },
			  .duplicate = { 10000, 250000 }, .corrupt = { 10000, 250000 }, .reorder = { 10000, 250000 },
			  .rate_bps = INT64_C(10000000000), .slot = { MS, 2 * MS, 100, 0 } } },
};
/* clang-format on */

/** packet_of() - a UDP datagram of one flow; IPv4, no options */
static void packet_of(uint8_t *frame, uint32_t flow)
{
	uint8_t *ip = frame + BO_WIRE_HDR_LEN;

	ip[0] = 0x45;
	ip[2] = LEN >> 8;
	ip[3] = LEN & 0xff;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[]){ 10, 77, 0, (uint8_t)(flow >> 16), 10, 77, 0, 9 }, 8);
	ip[20] = (uint8_t)(flow >> 8);
	ip[21] = (uint8_t)flow;
	ip[23] = 53;
	ip[25] = LEN - 20 - 256;
	ip[24] = 1;
}

/** round_of() - nanoseconds per packet */
static double round_of(const struct bo_impair *im, uint32_t flows, uint32_t packets)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line;
	struct bo_wire_packet packet;
	struct bo_wire_outcome out;
	uint8_t frame[BO_WIRE_HDR_LEN + LEN] = { 0 };
	int64_t start, now_ns = 0, sum = 0;

	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	line.flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 1);
	if (!line.flows)
		exit(1);
	(void)bo_wire_line_change(&line, im, 0, &queue);
	for (uint32_t i = 0; i < flows; i++) { /* not what a new flow costs */
		packet_of(frame, i);
		bo_wire_packet_parse(frame, sizeof(frame), &packet);
		bo_wire_line_next(&line, 0, &packet, 1, 0, &out);
	}
	start = bo_now_ns();
	for (uint32_t i = 0; i < packets; i++) {
		packet_of(frame, (uint32_t)(bo_mix64(i) % flows));
		bo_wire_packet_parse(frame, sizeof(frame), &packet);
		bo_wire_line_next(&line, now_ns += 2000, &packet, 1, 10, &out);
		sum += out.due_ns;
	}
	start = bo_now_ns() - start;
	bo_wire_flows_free(line.flows);
	return sum ? (double)start / packets : 0;
}

static double best_of(const struct bo_impair *im, uint32_t flows, uint32_t packets)
{
	double best = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double ns = round_of(im, flows, packets / ROUNDS);

		best = ns < best ? ns : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	uint32_t packets = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 5000000;

	if (packets < ROUNDS) {
		fprintf(stderr, "usage: fate_bench [PACKETS]\n");
		return 2;
	}
	printf("ns per packet, %zu bytes of memory per flow\n%-20s %10s %12s\n",
	       sizeof(struct bo_wire_flow), "impairment", "64 flows", "100000 flows");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		printf("%-20s %10.0f %12.0f\n", cases[i].name, best_of(&cases[i].im, 64, packets),
		       best_of(&cases[i].im, 100000, packets));
	return 0;
}
