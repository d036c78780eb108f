/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_stamp_bench.c — what do the kernel's stamps of arrival (sys/tun_stamp.h) cost?  The same floods and
 * streams through a wire with them and through one without, in turn, so that whatever else the machine does hits both
 * alike; and what a sender pays, apart from them.  Privilege: root, for with user namespaces alone there are no stamps. */
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"

#define ROUNDS 11
#define ROUND_NS (BO_NSEC_PER_SEC / 2)
#define SMALL_BYTES 64
#define SENT 5000 /* less than a queue holds */
#define SEND_ROUNDS 301
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
		exit(0);
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

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

/** sending_ns() - CPU time per datagram, into a device that nobody reads meanwhile; then all are taken out again */
static double sending_ns(const struct wire_netns *net, int socket)
{
	static uint8_t frame[2048];
	struct sockaddr_storage to;
	socklen_t len = wire_netns_address(1, AF_INET, FLOWS_PORT, &to);
	uint8_t payload[SMALL_BYTES] = { 0 };
	int64_t from = cpu_ns(), took;

	for (int i = 0; i < SENT; i++)
		(void)!sendto(socket, payload, sizeof(payload), 0, (struct sockaddr *)&to, len);
	took = cpu_ns() - from;
	while (read(net->tun[0], frame, sizeof(frame)) > 0)
		;
	return (double)took / SENT;
}

/** bench_sender() - what the program costs whoever sends, apart from everything else */
static void bench_sender(void)
{
	struct wire_netns net[2];
	double difference[SEND_ROUNDS], without[SEND_ROUNDS];
	int sockets[2];

	for (int s = 0; s < 2; s++) {
		if (!wire_netns_up(&net[s], true))
			flows_die("wire");
		sockets[s] = wire_netns_socket(&net[s], 0, AF_INET, SOCK_DGRAM, 0);
	}
	/* No program any more. */
	if (ioctl(net[1].tun[0], TUNSETFILTEREBPF, &(int){ -1 }) < 0)
		flows_die("TUNSETFILTEREBPF");
	for (int i = 0; i < SEND_ROUNDS; i++) {
		double ns[2];

		ns[i % 2] = sending_ns(&net[i % 2], sockets[i % 2]);
		ns[1 - i % 2] = sending_ns(&net[1 - i % 2], sockets[1 - i % 2]);
		difference[i] = ns[0] - ns[1];
		without[i] = ns[1];
	}
	qsort(difference, SEND_ROUNDS, sizeof(double), compare);
	qsort(without, SEND_ROUNDS, sizeof(double), compare);
	printf("sending a datagram takes %.0f ns of a CPU without; a stamp adds %.0f ns (%.0f … %.0f, quartiles of %d rounds)\n",
	       without[SEND_ROUNDS / 2], difference[SEND_ROUNDS / 2], difference[SEND_ROUNDS / 4],
	       difference[SEND_ROUNDS * 3 / 4], SEND_ROUNDS);
	for (int s = 0; s < 2; s++) {
		close(sockets[s]);
		wire_netns_down(&net[s]);
	}
}

int main(void)
{
	static struct side sides[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	side_up(&sides[0], true);
	side_up(&sides[1], false);
	bench_sender();
	printf("median of %d rounds%*s   without          ratio of a round (quartiles)\n", ROUNDS,
	       24, "stamped");
	row("udp, a flood of 64 bytes", "kpps  ", sides, flood, 0);
	row("udp, a flood, delay of 10 ms", "kpps  ", sides, flood, DELAY_NS);
	row("tcp, one stream", "Gbit/s", sides, stream, 0);
	for (int s = 0; s < 2; s++) {
		bo_wire_free(sides[s].wire);
		wire_netns_down(&sides[s].net);
	}
	return 0;
}
