/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_delay_bench.c — how exact is a delay of the userspace wire?  UDP probes through
 * a wire with 0.1, 1, 10 and 100 ms, as the link prober measures them, against the same path
 * without delay, and the same through one that counts from when it read a packet ("read": what it does where the
 * kernel gives no stamps), and through one that may not be real-time ("fair"); then all that while every CPU has something else to do; and the same
 * through netem where the kernel has it.  Privilege: root or user namespaces. */
#include <net/if.h>
#include <netlink/netlink.h>
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
#include "brownout/sys/caps.h"
#include "brownout/sys/netem.h"
#include "wire_flows.h"

#define PROBES 400
#define MAX_HOGS 256
#define MTU 1500
#define HEADING "by     delay asked   p50 beyond   p99 beyond   p50 / asked   lost\n"

/** struct path - what delays: a wire, or netem on the device of end 0 of a veth pair */
struct path {
	struct wire_netns net;
	struct bo_linkprobe *probe;
	struct bo_wire *wire;
	struct nl_sock *sock;
	int ifindex;
};

static struct bo_linkprobe_end probe_end(const struct wire_netns *net, int end)
{
	struct bo_linkprobe_end e = { .fd = wire_netns_socket(net, end, AF_INET, SOCK_DGRAM, 0) };

	e.addr_len = wire_netns_address(end, AF_INET, BO_LINKPROBE_PORT, &e.addr);
	if (e.fd < 0 || bind(e.fd, (struct sockaddr *)&e.addr, e.addr_len) < 0)
		flows_die("bind");
	return e;
}

static struct bo_link_measure measure(const struct path *path, int64_t delay_ns)
{
	const struct bo_impair im = { .delay_ns = delay_ns };
	struct bo_link_measure m = { 0 };
	struct bo_err err = { 0 };
	int64_t from;

	if ((path->wire ? bo_wire_impair(path->wire, BO_DIR_A_TO_B, &im, &err)
			: bo_netem_change(path->sock, path->ifindex, MTU, &im, &err)) < 0)
		flows_die(err.msg);
	from = bo_now_ns();
	do {
		usleep(10000);
		if (bo_linkprobe_measure(path->probe, 0, BO_DIR_A_TO_B, from,
					 bo_now_ns() - delay_ns - BO_NSEC_PER_SEC / 10, &m,
					 &err) < 0)
			flows_die(err.msg);
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

static void measure_all(const struct path *path, const char *name)
{
	static const int64_t delays_us[] = { 0, 100, 1000, 10000, 100000 };

	for (size_t i = 0; i < sizeof(delays_us) / sizeof(delays_us[0]); i++) {
		int64_t asked = delays_us[i] * BO_NSEC_PER_USEC;
		struct bo_link_measure m = measure(path, asked);

		printf("%-5s  %8.1f ms   %7.1f us   %7.1f us   ", name, (double)asked / 1e6,
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

static void probe_up(struct path *path)
{
	struct bo_linkprobe_end a = probe_end(&path->net, 0), b = probe_end(&path->net, 1);
	struct bo_err err = { 0 };

	if (bo_linkprobe_new(&path->probe, 1, &err) < 0 ||
	    bo_linkprobe_add(path->probe, 0, &a, &b, &err) < 0 ||
	    bo_linkprobe_run(path->probe, 0, BO_DIR_A_TO_B, true, &err) < 0)
		flows_die(err.msg);
}

/** wire_up() - false when it was to have stamps and has none */
static bool wire_up(struct path *path, bool stamped)
{
	struct bo_err err = { 0 };

	if (!wire_netns_up(&path->net, true))
		flows_die("wire");
	for (int end = 0; end < 2 && !stamped; end++)
		bo_close(&path->net.stamps[end]);
	if (stamped && path->net.stamps[0] < 0) {
		printf("packets get no stamps here\n");
		return false;
	}
	if (flows_wire_new(&path->wire, &path->net, &err) < 0)
		flows_die(err.msg);
	probe_up(path);
	return true;
}

/** netem_up() - false when the kernel has none */
static bool netem_up(struct path *path)
{
	struct bo_err err = { 0 };
	bool ok;

	flows_veth_up(&path->net);
	path->sock = nl_socket_alloc();
	if (!path->sock || !wire_netns_switch(&path->net, 0) ||
	    nl_connect(path->sock, NETLINK_ROUTE) < 0)
		flows_die("netlink");
	path->ifindex = (int)if_nametoindex("w0");
	ok = bo_netem_install(path->sock, path->ifindex, MTU, &err) == 0;
	if (!wire_netns_switch(&path->net, -1))
		flows_die("setns");
	if (!ok)
		printf("netem is not there: %s\n", err.msg);
	else
		probe_up(path);
	return ok;
}

static void path_down(struct path *path)
{
	bo_linkprobe_free(path->probe);
	bo_wire_free(path->wire);
	nl_socket_free(path->sock);
	wire_netns_down(&path->net);
}

int main(void)
{
	struct path wire = { 0 }, read = { 0 }, fair = { 0 }, netem = { 0 };
	struct bo_err err = { 0 };
	atomic_bool stop = false;
	pthread_t hogs[MAX_HOGS];
	unsigned int nhogs = bo_wake_cpus();
	bool have_netem, have_stamps;

	setvbuf(stdout, NULL, _IOLBF, 0);
	wire_netns_enter();
	have_stamps = wire_up(&wire, true);
	(void)wire_up(&read, false);
	/* Its thread has what this one has when it is made. */
	if (bo_caps_effective(CAP_SYS_NICE, false, &err) < 0)
		flows_die(err.msg);
	(void)wire_up(&fair, have_stamps);
	if (bo_caps_effective(CAP_SYS_NICE, true, &err) < 0)
		flows_die(err.msg);
	have_netem = netem_up(&netem);
	printf("machine as it is\n%s", HEADING);
	if (have_stamps)
		measure_all(&wire, "wire");
	measure_all(&read, "read");
	measure_all(&fair, "fair");
	if (have_netem)
		measure_all(&netem, "netem");
	if (nhogs > MAX_HOGS)
		nhogs = MAX_HOGS;
	printf("every CPU busy with something else (%u threads)\n%s", nhogs, HEADING);
	for (unsigned int i = 0; i < nhogs; i++)
		if (pthread_create(&hogs[i], NULL, hog_main, &stop) != 0)
			flows_die("no thread");
	if (have_stamps)
		measure_all(&wire, "wire");
	measure_all(&read, "read");
	measure_all(&fair, "fair");
	if (have_netem)
		measure_all(&netem, "netem");
	stop = true;
	for (unsigned int i = 0; i < nhogs; i++)
		pthread_join(hogs[i], NULL);
	path_down(&wire);
	path_down(&read);
	path_down(&fair);
	path_down(&netem);
	return 0;
}
