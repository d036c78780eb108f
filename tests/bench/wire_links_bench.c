/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_links_bench.c — ten links at once: is each as exact as one, and does a link that
 * is flooded make the others late?  UDP probes on all of them through wires with 1 ms of delay.
 * Privilege: root or user namespaces. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/lab/wire.h"
#include "wire_flows.h"

#define LINKS 10
#define DELAY_NS BO_NSEC_PER_MSEC
#define PHASE_NS (4 * BO_NSEC_PER_SEC)

struct link {
	struct wire_netns net;
	struct bo_wire *wire;
};

static struct bo_linkprobe_end probe_end(const struct wire_netns *net, int end)
{
	struct bo_linkprobe_end e = { .fd = wire_netns_socket(net, end, AF_INET, SOCK_DGRAM, 0) };

	e.addr_len = wire_netns_address(end, AF_INET, BO_LINKPROBE_PORT, &e.addr);
	if (e.fd < 0 || bind(e.fd, (struct sockaddr *)&e.addr, e.addr_len) < 0)
		flows_die("bind");
	return e;
}

static void link_up(struct link *link, struct bo_linkprobe *probe, int number)
{
	const struct bo_impair late = { .delay_ns = DELAY_NS, .limit_packets = 1000000 };
	struct bo_linkprobe_end a, b;
	struct bo_err err = { 0 };

	if (!wire_netns_up(&link->net, true) || flows_wire_new(&link->wire, &link->net, &err) < 0)
		flows_die(err.msg);
	a = probe_end(&link->net, 0);
	b = probe_end(&link->net, 1);
	if (bo_linkprobe_add(probe, number, &a, &b, &err) < 0 ||
	    bo_wire_impair(link->wire, BO_DIR_A_TO_B, &late, &err) < 0 ||
	    bo_linkprobe_run(probe, number, BO_DIR_A_TO_B, true, &err) < 0)
		flows_die(err.msg);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/** report() - of all links but the first, which may be flooded */
static void report(const char *what, struct bo_linkprobe *probe, int64_t from_ns, int64_t to_ns)
{
	int64_t p50[LINKS - 1], p99[LINKS - 1];
	uint64_t sent = 0, lost = 0;
	struct bo_err err = { 0 };

	for (int i = 1; i < LINKS; i++) {
		struct bo_link_measure m;

		if (bo_linkprobe_measure(probe, i, BO_DIR_A_TO_B, from_ns, to_ns, &m, &err) < 0)
			flows_die(err.msg);
		p50[i - 1] = m.delay_p50_ns - DELAY_NS;
		p99[i - 1] = m.delay_p99_ns - DELAY_NS;
		sent += m.sent;
		lost += m.sent - m.received;
	}
	qsort(p50, LINKS - 1, sizeof(p50[0]), compare);
	qsort(p99, LINKS - 1, sizeof(p99[0]), compare);
	printf("%-24s %8.1f us  %8.1f us  %8.1f us  %8.1f us   %llu of %llu\n", what,
	       (double)p50[LINKS / 2 - 1] / 1e3, (double)p50[LINKS - 2] / 1e3,
	       (double)p99[LINKS / 2 - 1] / 1e3, (double)p99[LINKS - 2] / 1e3,
	       (unsigned long long)lost, (unsigned long long)sent);
}

int main(void)
{
	static struct link links[LINKS];
	struct bo_linkprobe *probe = NULL;
	struct bo_err err = { 0 };
	int64_t from;
	double pps;

	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	if (bo_linkprobe_new(&probe, LINKS, &err) < 0)
		flows_die(err.msg);
	for (int i = 0; i < LINKS; i++)
		link_up(&links[i], probe, i);
	printf("beyond the asked 1 ms     p50 median    p50 worst   p99 median    p99 worst   lost\n");
	from = bo_now_ns();
	usleep(PHASE_NS / BO_NSEC_PER_USEC);
	report("probes alone", probe, from, bo_now_ns() - BO_NSEC_PER_SEC / 10);
	from = bo_now_ns();
	pps = flows_udp_pps(&links[0].net, 64, PHASE_NS);
	report("another link flooded", probe, from, bo_now_ns() - BO_NSEC_PER_SEC / 10);
	printf("the flood: %.0f kpps of 64 bytes\n", pps / 1e3);
	bo_linkprobe_free(probe);
	for (int i = 0; i < LINKS; i++) {
		bo_wire_free(links[i].wire);
		wire_netns_down(&links[i].net);
	}
	return 0;
}
