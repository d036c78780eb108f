/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_stamp_bench.c — what do the kernel's stamps of arrival (sys/tun_stamp.h) cost?  The same floods and
 * streams through a wire with them and through one without, in turn, so that whatever else the machine does hits both
 * alike; and how many frames were stamped.  Privilege: root, for with user namespaces alone there are no stamps. */
#include <stdio.h>
#include <stdlib.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"

#define ROUNDS 11
#define ROUND_NS (BO_NSEC_PER_SEC / 2)
#define SMALL_BYTES 64
#define DELAY_NS (10 * BO_NSEC_PER_MSEC)

struct side {
	struct wire_netns net;
	struct bo_wire *wire;
};

static void side_up(struct side *side, bool stamped)
{
	struct bo_err err = { 0 };

	if (!wire_netns_up(&side->net, true))
		flows_die("wire");
	if (stamped && side->net.stamps[0] < 0) {
		printf("packets get no stamps here\n");
		exit(77);
	}
	for (int end = 0; end < 2 && !stamped; end++)
		bo_close(&side->net.stamps[end]);
	if (flows_wire_new(&side->wire, &side->net, &err) < 0)
		flows_die(err.msg);
	flows_big_windows(&side->net);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double flood(const struct side *side)
{
	return flows_udp_pps(&side->net, SMALL_BYTES, ROUND_NS) / 1e3;
}

static double stream(const struct side *side)
{
	return flows_tcp_bps(&side->net, FLOWS_PORT, 0, ROUND_NS) / 1e9;
}

static void row(const char *what, const char *unit, struct side sides[2],
		double (*flow)(const struct side *side), int64_t delay_ns)
{
	const struct bo_impair im = { .delay_ns = delay_ns,
				      .limit_packets = delay_ns ? 1000000 : 0 };
	double got[2][ROUNDS], ratio[ROUNDS];
	struct bo_err err = { 0 };

	for (int s = 0; s < 2; s++)
		if (bo_wire_impair(sides[s].wire, BO_DIR_A_TO_B, &im, &err) < 0)
			flows_die(err.msg);
	for (int i = 0; i < ROUNDS; i++) {
		/* Who goes first alternates. */
		got[i % 2][i] = flow(&sides[i % 2]);
		got[1 - i % 2][i] = flow(&sides[1 - i % 2]);
		ratio[i] = got[0][i] / got[1][i];
	}
	qsort(got[0], ROUNDS, sizeof(double), compare);
	qsort(got[1], ROUNDS, sizeof(double), compare);
	qsort(ratio, ROUNDS, sizeof(double), compare);
	printf("%-36s %8.2f %8.2f %s   %.3f (%.3f … %.3f)\n", what, got[0][ROUNDS / 2],
	       got[1][ROUNDS / 2], unit, ratio[ROUNDS / 2], ratio[ROUNDS / 4],
	       ratio[ROUNDS * 3 / 4]);
}

int main(void)
{
	static struct side sides[2];
	struct bo_wire_stats stats;

	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	side_up(&sides[0], true);
	side_up(&sides[1], false);
	printf("median of %d rounds%*s   without          ratio of a round (quartiles)\n", ROUNDS,
	       24, "stamped");
	row("udp, a flood of 64 bytes", "kpps  ", sides, flood, 0);
	row("udp, a flood, delay of 10 ms", "kpps  ", sides, flood, DELAY_NS);
	row("tcp, one stream", "Gbit/s", sides, stream, 0);
	bo_wire_stats(sides[0].wire, BO_DIR_A_TO_B, &stats);
	printf("stamps were believed for %.1f %% of %llu packets of floods and streams\n",
	       100.0 * (double)stats.stamped / (double)stats.packets_in,
	       (unsigned long long)stats.packets_in);
	for (int s = 0; s < 2; s++) {
		bo_wire_free(sides[s].wire);
		wire_netns_down(&sides[s].net);
	}
	return 0;
}
