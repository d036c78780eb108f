/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_rtt_bench.c — what does a wire without an impairment add to a round trip of one byte, and what does
 * its thread use of a CPU for it?  Many short rounds in turn, because where the scheduler puts four threads decides more
 * than anything else, and it decides anew for each: medians and quartiles of the rounds.
 *
 *   wire_rtt_bench [DIR]    DIR: a folder with toxiproxy's server
 *
 * Privilege: root or user namespaces. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"
#include "wire_peer.h"

#define ROUNDS 61
#define TRIPS 700
#define PACED_GAP_US 5000
#define PACED 400

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** wire_cpu_ns() - CPU time of the threads of wires so far, from /proc/PID/task/TID/schedstat */
static int64_t wire_cpu_ns(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int64_t sum = 0, ns;
	char path[300], name[32];

	while (dir && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		name[0] = '\0';
		(void)!fgets(name, sizeof(name), f);
		fclose(f);
		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", entry->d_name);
		f = strcmp(name, "bo-wire\n") == 0 ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%" SCNd64, &ns) == 1)
			sum += ns;
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}

/** paced() - datagrams, one at a time */
static void paced(const struct wire_netns *net)
{
	bo_auto_fd int fd = wire_netns_socket(net, 0, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage to;
	socklen_t len = wire_netns_address(1, AF_INET, FLOWS_PORT, &to);

	for (int i = 0; i < PACED; i++) {
		(void)!sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len);
		usleep(PACED_GAP_US);
	}
}

static void cpu_row(const char *what, int64_t cpu_ns, int64_t took_ns)
{
	printf("  %-34s %6.2f %% of a CPU\n", what, 100.0 * (double)cpu_ns / (double)took_ns);
}

static void rtt_row(const char *what, double rounds[ROUNDS], double base)
{
	double m;

	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	m = rounds[ROUNDS / 2];
	printf("  %-12s %8.1f us  (%.1f … %.1f)   added %8.1f us\n", what, m / 1e3,
	       rounds[ROUNDS / 4] / 1e3, rounds[ROUNDS * 3 / 4] / 1e3, (m - base) / 1e3);
}

int main(int argc, char **argv)
{
	static double veth_ns[ROUNDS], wire_ns[ROUNDS], peer_ns[ROUNDS];
	struct wire_netns veth, tun;
	struct bo_err err = { 0 };
	struct bo_wire *wire;
	int64_t cpu = 0, took = 0, from;
	bool have_peer;
	double base;
	pid_t peer;

	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	flows_veth_up(&veth);
	if (!wire_netns_up(&tun, true) || flows_wire_new(&wire, &tun, &err) < 0)
		flows_die(err.msg);
	have_peer = peer_start(&veth, argc > 1 ? argv[1] : NULL, &peer);
	for (int i = 0; i < ROUNDS; i++) {
		veth_ns[i] = flows_rtt_ns(&veth, FLOWS_PORT, TRIPS);
		if (have_peer)
			peer_ns[i] = flows_rtt_ns(&veth, PEER_PORT, TRIPS);
		cpu -= wire_cpu_ns();
		took -= bo_now_ns();
		wire_ns[i] = flows_rtt_ns(&tun, FLOWS_PORT, TRIPS);
		took += bo_now_ns();
		cpu += wire_cpu_ns();
	}
	printf("tcp, round trip of one byte, p50 of %d; median (quartiles) of %d rounds\n", TRIPS,
	       ROUNDS);
	qsort(veth_ns, ROUNDS, sizeof(double), compare);
	base = veth_ns[ROUNDS / 2];
	rtt_row("veth", veth_ns, base);
	rtt_row("wire", wire_ns, base);
	if (have_peer) {
		rtt_row("toxiproxy", peer_ns, base);
		printf("  added by wire / added by toxiproxy %.2f\n",
		       (wire_ns[ROUNDS / 2] - base) / (peer_ns[ROUNDS / 2] - base));
		peer_stop(peer);
	}
	printf("the wire's thread\n");
	cpu_row("one round trip after the other", cpu, took);
	cpu = -wire_cpu_ns();
	from = bo_now_ns();
	paced(&tun);
	cpu_row("200 datagrams per second", cpu + wire_cpu_ns(), bo_now_ns() - from);
	cpu = -wire_cpu_ns();
	from = bo_now_ns();
	usleep(2000000);
	cpu_row("nothing", cpu + wire_cpu_ns(), bo_now_ns() - from);
	bo_wire_free(wire);
	wire_netns_down(&tun);
	wire_netns_down(&veth);
	return 0;
}
