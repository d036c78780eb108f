/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_bench.c — TCP and UDP through the userspace wire beside the same through a plain
 * veth pair, and beside toxiproxy where it is there, in the same run.  What counts is the ratio: all
 * share the machine.
 *
 *   wire_bench [-p DIR]    DIR: a folder with toxiproxy's server
 *
 * Privilege: root or user namespaces. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"
#include "wire_peer.h"

#define ROUNDS 5
#define ROUND_NS (BO_NSEC_PER_SEC / 2)
#define SMALL_BYTES 64
#define DELAY_MS 10
#define LATE_TRIPS 20
#define DELAY_NS (DELAY_MS * BO_NSEC_PER_MSEC)

static double median(double *values)
{
	return flows_median(values, ROUNDS);
}

/** struct bench - what is compared */
struct bench {
	struct wire_netns veth;
	struct wire_netns tun;
	struct bo_wire *wire;
	pid_t peer;
	bool have_peer;
};

static void impair(const struct bench *b, struct bo_impair im)
{
	struct bo_err err = { 0 };

	if (bo_wire_impair(b->wire, BO_DIR_A_TO_B, &im, &err) < 0)
		flows_die(err.msg);
}

static void row(const char *name, double *values, double scale, const char *unit, double base)
{
	double m = median(values);

	printf("  %-34s %9.2f %s  %5.2f\n", name, m / scale, unit, m / base);
}

static void congestion(const struct bench *b, const char *name)
{
	flows_congestion(&b->veth, name);
	flows_congestion(&b->tun, name);
}

/* In turn, so that whatever else the machine does hits all alike. */
static void bench_tcp(const struct bench *b, const char *control)
{
	double plain[ROUNDS], whole[ROUNDS], cut[ROUNDS], lossy[ROUNDS], peer[ROUNDS], base;

	congestion(b, control);
	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = flows_tcp_bps(&b->veth, FLOWS_PORT, 0, ROUND_NS);
		if (b->have_peer)
			peer[i] = flows_tcp_bps(&b->veth, PEER_PORT, 0, ROUND_NS);
		whole[i] = flows_tcp_bps(&b->tun, FLOWS_PORT, 0, ROUND_NS);
		impair(b, (struct bo_impair){ .rate_bps = INT64_C(100000000000),
					      .limit_packets = 1000000 });
		cut[i] = flows_tcp_bps(&b->tun, FLOWS_PORT, 0, ROUND_NS);
		impair(b, (struct bo_impair){ .loss.random.ppm = 1 });
		lossy[i] = flows_tcp_bps(&b->tun, FLOWS_PORT, 0, ROUND_NS);
		impair(b, (struct bo_impair){ 0 });
	}
	base = median(plain);
	printf("tcp (%s), one stream, median of %d\n", control, ROUNDS);
	row("veth", plain, 1e9, "Gbit/s", base);
	row("wire", whole, 1e9, "Gbit/s", base);
	row("wire, rate of 100 Gbit/s (cut)", cut, 1e9, "Gbit/s", base);
	row("wire, loss of 1 in a million (cut)", lossy, 1e9, "Gbit/s", base);
	if (b->have_peer) {
		row("toxiproxy", peer, 1e9, "Gbit/s", base);
		printf("  wire / toxiproxy %.2f; the ceiling, veth / toxiproxy, %.2f\n",
		       median(whole) / median(peer), base / median(peer));
	}
}

static void bench_udp(const struct bench *b)
{
	double plain[ROUNDS], whole[ROUNDS], late[ROUNDS], cut[ROUNDS], base;

	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = flows_udp_pps(&b->veth, SMALL_BYTES, ROUND_NS);
		whole[i] = flows_udp_pps(&b->tun, SMALL_BYTES, ROUND_NS);
		impair(b, (struct bo_impair){ .delay_ns = DELAY_NS, .limit_packets = 1000000 });
		late[i] = flows_udp_pps(&b->tun, SMALL_BYTES, ROUND_NS);
		impair(b, (struct bo_impair){ .loss.random.ppm = 1 });
		cut[i] = flows_udp_pps(&b->tun, SMALL_BYTES, ROUND_NS);
		impair(b, (struct bo_impair){ 0 });
	}
	base = median(plain);
	printf("udp, a flood of %d bytes, median of %d\n", SMALL_BYTES, ROUNDS);
	row("veth", plain, 1e3, "kpps  ", base);
	row("wire", whole, 1e3, "kpps  ", base);
	row("wire, delay of 10 ms", late, 1e3, "kpps  ", base);
	row("wire, loss of 1 in a million", cut, 1e3, "kpps  ", base);
}

static void bench_rtt(const struct bench *b)
{
	double plain[ROUNDS], whole[ROUNDS], peer[ROUNDS], base;

	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = flows_rtt_ns(&b->veth, FLOWS_PORT, 2000);
		whole[i] = flows_rtt_ns(&b->tun, FLOWS_PORT, 2000);
		if (b->have_peer)
			peer[i] = flows_rtt_ns(&b->veth, PEER_PORT, 2000);
	}
	base = median(plain);
	printf("tcp, round trip of one byte, p50, median of %d\n", ROUNDS);
	row("veth", plain, 1e3, "us    ", base);
	row("wire", whole, 1e3, "us    ", base);
	if (b->have_peer) {
		row("toxiproxy", peer, 1e3, "us    ", base);
		printf("  added by wire / added by toxiproxy %.2f\n",
		       (median(whole) - base) / (median(peer) - base));
	}
}

/** delay() - in both; toxiproxy keeps its toxic from the first on */
static void delay(const struct bench *b, int ms)
{
	impair(b,
	       (struct bo_impair){ .delay_ns = ms * BO_NSEC_PER_MSEC, .limit_packets = 1000000 });
	if (b->have_peer)
		peer_delay(&b->veth, ms);
}

static void bench_late(const struct bench *b)
{
	static const int asked_ms[] = { 1, 10, 100 };
	double whole[ROUNDS], peer[ROUNDS];

	printf("round trip of one byte beyond the delay asked for one way, p50 of %d, median of %d\n",
	       LATE_TRIPS, ROUNDS);
	for (size_t n = 0; n < sizeof(asked_ms) / sizeof(asked_ms[0]); n++) {
		double asked_ns = asked_ms[n] * (double)BO_NSEC_PER_MSEC;

		delay(b, asked_ms[n]);
		for (int i = 0; i < ROUNDS; i++) {
			whole[i] = flows_rtt_ns(&b->tun, FLOWS_PORT, LATE_TRIPS) - asked_ns;
			if (b->have_peer)
				peer[i] = flows_rtt_ns(&b->veth, PEER_PORT, LATE_TRIPS) - asked_ns;
		}
		printf("  %3d ms: wire %8.2f us", asked_ms[n], median(whole) / 1e3);
		if (b->have_peer)
			printf("   toxiproxy %8.2f us   wire / toxiproxy %.2f", median(peer) / 1e3,
			       median(whole) / median(peer));
		printf("\n");
	}
	impair(b, (struct bo_impair){ 0 });
}

static void bench_delay(const struct bench *b, const char *control)
{
	double plain[ROUNDS], whole[ROUNDS], peer[ROUNDS];

	congestion(b, control);
	delay(b, DELAY_MS);
	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = flows_tcp_bps(&b->veth, FLOWS_PORT, 0, ROUND_NS);
		whole[i] = flows_tcp_bps(&b->tun, FLOWS_PORT, BO_NSEC_PER_SEC, ROUND_NS);
		if (b->have_peer)
			peer[i] = flows_tcp_bps(&b->veth, PEER_PORT, BO_NSEC_PER_SEC, ROUND_NS);
	}
	impair(b, (struct bo_impair){ 0 });
	printf("delay of %d ms one way (%s), one stream, median of %d\n", DELAY_MS, control,
	       ROUNDS);
	printf("  veth, without the delay %*.2f Gbit/s\n", 21, median(plain) / 1e9);
	printf("  wire %*.2f Gbit/s\n", 40, median(whole) / 1e9);
	if (b->have_peer) {
		printf("  toxiproxy %*.2f Gbit/s\n", 35, median(peer) / 1e9);
		printf("  wire / toxiproxy %.2f; the ceiling, veth without the delay, %.2f\n",
		       median(whole) / median(peer), median(plain) / median(peer));
	}
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	struct bo_err err = { 0 };
	char here[16];
	const char *const controls[] = { here, FLOWS_UNPACED };
	const char *dir = NULL;
	int c;

	while ((c = getopt(argc, argv, "p:")) != -1) {
		if (c != 'p') {
			fprintf(stderr, "usage: wire_bench [-p DIR]\n");
			return 2;
		}
		dir = optarg;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	flows_congestion_here(here, sizeof(here));
	flows_veth_up(&b.veth);
	if (!wire_netns_up(&b.tun, true) || flows_wire_new(&b.wire, &b.tun, &err) < 0)
		flows_die(err.msg);
	flows_big_windows(&b.veth);
	flows_big_windows(&b.tun);
	b.have_peer = peer_start(&b.veth, dir, &b.peer);
	if (!b.have_peer)
		printf("toxiproxy is not there: -p DIR says where it is\n");
	/* First, because for a while after a flood the scheduler takes its threads for such as wake
	 * many and no longer puts the woken where the waker is. */
	bench_rtt(&b);
	bench_tcp(&b, controls[0]);
	bench_tcp(&b, controls[1]);
	congestion(&b, controls[0]);
	bench_udp(&b);
	bench_late(&b);
	bench_delay(&b, controls[0]);
	bench_delay(&b, controls[1]);
	if (b.have_peer)
		peer_stop(b.peer);
	bo_wire_free(b.wire);
	wire_netns_down(&b.tun);
	wire_netns_down(&b.veth);
	return 0;
}
