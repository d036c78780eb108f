/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/link_mechanisms_bench.c — what a link in user space could be made of, each beside a plain veth pair, in
 * turn and in the same run: one TCP stream, a flood of small datagrams, round trips of one byte.
 *
 *   link_mechanisms_bench [-r ROUNDS] [-m NAME]    NAME: only mechanisms whose name holds it
 *
 * Privilege: root or user namespaces; AF_XDP needs root. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "hop.h"
#include "wire_flows.h"

#define ROUNDS 5
#define ROUNDS_MAX 99
#define ROUND_NS (BO_NSEC_PER_SEC / 2)
#define SMALL_BYTES 64
#define TRIPS 1000

/* The first is what the others are compared with. */
static const struct hop_kind *const kinds[] = {
	&hop_veth,   &hop_wire,       &hop_tun,   &hop_tun_two,
#ifdef HAVE_URING
	&hop_uring,
#endif
	&hop_packet, &hop_packet_two, &hop_queue,
#ifdef HAVE_XDP
	&hop_xdp,
#endif
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* TCP as this machine's default has it, and unpaced; CPU time of our threads per MiB of the latter */
enum { PACED, UNPACED, CPU, UDP, RTT, MEASURES };

/** struct entry - a mechanism and what was measured of it */
struct entry {
	struct hop hop;
	bool up;
	double values[MEASURES][ROUNDS_MAX];
};

static void measure(struct entry *e, const char *congestion, int round)
{
	int64_t cpu_ns, began_ns;
	double mib;

	e->values[RTT][round] = flows_rtt_ns(&e->hop.ends, FLOWS_PORT, TRIPS);
	e->values[PACED][round] = flows_tcp_bps(&e->hop.ends, FLOWS_PORT, 0, ROUND_NS);
	flows_congestion(&e->hop.ends, FLOWS_UNPACED);
	cpu_ns = hop_cpu_ns(&e->hop);
	began_ns = bo_now_ns();
	e->values[UNPACED][round] = flows_tcp_bps(&e->hop.ends, FLOWS_PORT, 0, ROUND_NS);
	mib = e->values[UNPACED][round] / 8 * (double)(bo_now_ns() - began_ns) / 1e9 / (1 << 20);
	e->values[CPU][round] = (double)(hop_cpu_ns(&e->hop) - cpu_ns) / mib;
	flows_congestion(&e->hop.ends, congestion);
	e->values[UDP][round] = flows_udp_pps(&e->hop.ends, SMALL_BYTES, ROUND_NS);
}

static void print(struct entry *e, struct entry *base, int rounds)
{
	double median[MEASURES], of_base[MEASURES];
	char cpu[16] = "-";

	if (!e->up) {
		printf("%-32s %s\n", e->hop.kind->name, e->hop.why);
		return;
	}
	for (int m = 0; m < MEASURES; m++) {
		median[m] = flows_median(e->values[m], rounds);
		of_base[m] = median[m] / flows_median(base->values[m], rounds);
	}
	if (e->hop.kind->threads)
		snprintf(cpu, sizeof(cpu), "%.0f", median[CPU] / 1e3);
	printf("%-32s %6.2f %5.2f  %6.2f %5.2f  %5s  %5.0f %5.2f  %6.1f\n", e->hop.kind->name,
	       median[PACED] / 1e9, of_base[PACED], median[UNPACED] / 1e9, of_base[UNPACED], cpu,
	       median[UDP] / 1e3, of_base[UDP], median[RTT] / 1e3);
}

int main(int argc, char **argv)
{
	static struct entry entries[KINDS];
	char congestion[16];
	const char *only = "";
	int rounds = ROUNDS, c;

	while ((c = getopt(argc, argv, "r:m:")) != -1) {
		if (c == 'm') {
			only = optarg;
		} else if (c != 'r' || (rounds = atoi(optarg)) < 1 || rounds > ROUNDS_MAX) {
			fprintf(stderr, "usage: link_mechanisms_bench [-r ROUNDS] [-m NAME]\n");
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	flows_congestion_here(congestion, sizeof(congestion));
	for (size_t i = 0; i < KINDS; i++) {
		if (i > 0 && !strstr(kinds[i]->name, only)) {
			snprintf(entries[i].hop.why, sizeof(entries[i].hop.why), "not asked for");
			entries[i].hop.kind = kinds[i];
			continue;
		}
		entries[i].up = hop_up(&entries[i].hop, kinds[i]);
		if (entries[i].up)
			flows_big_windows(&entries[i].hop.ends);
	}
	/* In turn, so that whatever else the machine does hits all alike. */
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < KINDS; i++)
			if (entries[i].up)
				measure(&entries[i], congestion, round);
	printf("median of %d; Gbit/s of one TCP stream (%s, and unpaced: %s), CPU time of the threads between per MiB of the\n"
	       "latter, thousands of datagrams of %d bytes per second, p50 of a round trip of one byte\n",
	       rounds, congestion, FLOWS_UNPACED, SMALL_BYTES);
	printf("%-32s %6s %5s  %6s %5s  %5s  %5s %5s  %6s\n", "", congestion, "/veth",
	       FLOWS_UNPACED, "/veth", "us", "kpps", "/veth", "us");
	for (size_t i = 0; i < KINDS; i++) {
		print(&entries[i], &entries[0], rounds);
		if (entries[i].up)
			hop_down(&entries[i].hop);
	}
	return 0;
}
