/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_delay_bench.c — how exact is a delay of the userspace wire?  UDP probes through
 * a wire with 0.1, 1, 10 and 100 ms, as the link prober measures them, against the same path
 * without delay; then the same while every CPU has something else to do.  Privilege: root or user namespaces. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/wake.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define PROBES 400
#define MAX_HOGS 256

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static struct bo_linkprobe_end probe_end(const struct wire_netns *net, int end)
{
	struct bo_linkprobe_end e = { .fd = wire_netns_socket(net, end, AF_INET, SOCK_DGRAM, 0) };

	e.addr_len = wire_netns_address(end, AF_INET, BO_LINKPROBE_PORT, &e.addr);
	if (e.fd < 0 || bind(e.fd, (struct sockaddr *)&e.addr, e.addr_len) < 0)
		die("bind");
	return e;
}

static struct bo_link_measure measure(struct bo_wire *wire, struct bo_linkprobe *probe,
				      int64_t delay_ns)
{
	const struct bo_impair im = { .delay_ns = delay_ns };
	struct bo_link_measure m = { 0 };
	struct bo_err err = { 0 };
	int64_t from;

	if (bo_wire_impair(wire, BO_DIR_A_TO_B, &im, &err) < 0)
		die(err.msg);
	from = bo_now_ns();
	do {
		usleep(10000);
		if (bo_linkprobe_measure(probe, 0, BO_DIR_A_TO_B, from,
					 bo_now_ns() - delay_ns - BO_NSEC_PER_SEC / 10, &m,
					 &err) < 0)
			die(err.msg);
	} while (m.sent < PROBES);
	return m;
}

static void *hog_main(void *arg)
{
	const atomic_bool *stop = arg;

	while (!atomic_load_explicit(stop, memory_order_relaxed))
		;
	return NULL;
}

static void measure_all(struct bo_wire *wire, struct bo_linkprobe *probe)
{
	static const int64_t delays_us[] = { 0, 100, 1000, 10000, 100000 };

	printf("delay asked   p50 beyond   p99 beyond   p50 / asked   lost\n");
	for (size_t i = 0; i < sizeof(delays_us) / sizeof(delays_us[0]); i++) {
		int64_t asked = delays_us[i] * BO_NSEC_PER_USEC;
		struct bo_link_measure m = measure(wire, probe, asked);

		printf("%8.1f ms   %7.1f us   %7.1f us   ", (double)asked / 1e6,
		       (double)(m.delay_p50_ns - asked) / 1e3,
		       (double)(m.delay_p99_ns - asked) / 1e3);
		if (asked)
			printf("%11.4f   ", (double)m.delay_p50_ns / (double)asked);
		else
			printf("%11s   ", "-");
		printf("%llu of %llu\n", (unsigned long long)(m.sent - m.received),
		       (unsigned long long)m.sent);
	}
}

int main(void)
{
	struct bo_linkprobe_end a, b;
	struct bo_linkprobe *probe = NULL;
	struct bo_err err = { 0 };
	struct wire_netns net;
	struct bo_wire *wire;
	atomic_bool stop = false;
	pthread_t hogs[MAX_HOGS];
	unsigned int nhogs = bo_wake_cpus();

	wire_netns_enter();
	if (!wire_netns_up(&net, true) ||
	    bo_wire_new(&wire, bo_steal_fd(&net.tun[0]), bo_steal_fd(&net.tun[1]), 1, 1, &err) <
		    0 ||
	    bo_linkprobe_new(&probe, 1, &err) < 0)
		die(err.msg);
	a = probe_end(&net, 0);
	b = probe_end(&net, 1);
	if (bo_linkprobe_add(probe, 0, &a, &b, &err) < 0 ||
	    bo_linkprobe_run(probe, 0, BO_DIR_A_TO_B, true, &err) < 0)
		die(err.msg);
	printf("machine as it is\n");
	measure_all(wire, probe);
	if (nhogs > MAX_HOGS)
		nhogs = MAX_HOGS;
	printf("every CPU busy with something else (%u threads)\n", nhogs);
	for (unsigned int i = 0; i < nhogs; i++)
		if (pthread_create(&hogs[i], NULL, hog_main, &stop) != 0)
			die("no thread");
	measure_all(wire, probe);
	stop = true;
	for (unsigned int i = 0; i < nhogs; i++)
		pthread_join(hogs[i], NULL);
	bo_linkprobe_free(probe);
	bo_wire_free(wire);
	wire_netns_down(&net);
	return 0;
}
