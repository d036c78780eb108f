/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_bench.c — one TCP stream through the userspace wire against the same stream
 * through a plain veth pair, in the same run, and through a wire that must cut super-packets.  What
 * counts is the ratio: both share the machine. Privilege: root or user namespaces. */
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define PORT 7000
#define ROUNDS 5
#define ROUND_NS (BO_NSEC_PER_SEC / 2)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/** struct stream - a sender's thread, until its peer has had enough */
static void *stream_send(void *arg)
{
	static uint8_t chunk[1 << 17];
	int fd = *(int *)arg;

	while (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

/** stream_bps() - goodput of one stream from end 0 to end 1 */
static double stream_bps(const struct wire_netns *net)
{
	bo_auto_fd int listener = wire_netns_socket(net, 1, AF_INET, SOCK_STREAM, 0);
	bo_auto_fd int client = wire_netns_socket(net, 0, AF_INET, SOCK_STREAM, 0);
	bo_auto_fd int server = -1;
	static uint8_t chunk[1 << 17];
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, AF_INET, PORT, &addr);
	int64_t start, now;
	pthread_t sender;
	uint64_t bytes = 0;
	int on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 1) < 0)
		die("listen");
	if (connect(client, (struct sockaddr *)&addr, len) < 0)
		die("connect");
	server = accept(listener, NULL, NULL);
	if (server < 0 || pthread_create(&sender, NULL, stream_send, &client) != 0)
		die("accept");
	start = bo_now_ns();
	do {
		ssize_t n = recv(server, chunk, sizeof(chunk), 0);

		if (n <= 0)
			die("recv");
		bytes += (uint64_t)n;
		now = bo_now_ns();
	} while (now - start < ROUND_NS);
	shutdown(server, SHUT_RDWR);
	shutdown(client, SHUT_RDWR);
	pthread_join(sender, NULL);
	return (double)bytes * 8 / ((double)(now - start) / 1e9);
}

/** veth_up() - two namespaces joined by a plain veth pair */
static void veth_up(struct wire_netns *net)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct rtnl_link *link = rtnl_link_veth_alloc(), *peer;

	if (!sock || !link || !wire_netns_up(net, false) || !wire_netns_switch(net, 0) ||
	    nl_connect(sock, NETLINK_ROUTE) < 0)
		die("veth");
	peer = rtnl_link_veth_get_peer(link);
	rtnl_link_set_name(link, "w0");
	rtnl_link_set_name(peer, "w0");
	rtnl_link_set_ns_fd(peer, net->ns[1]);
	if (rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL) < 0)
		die("veth add");
	rtnl_link_put(peer);
	rtnl_link_put(link);
	nl_socket_free(sock);
	if (!wire_netns_configure(0, "w0") || !wire_netns_switch(net, 1) ||
	    !wire_netns_configure(1, "w0") || !wire_netns_switch(net, -1))
		die("veth configure");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

int main(void)
{
	const struct bo_impair cut = { .rate_bps = INT64_C(100000000000),
				       .limit_packets = 1000000 };
	double plain[ROUNDS], whole[ROUNDS], segmented[ROUNDS];
	struct wire_netns veth, tun;
	struct bo_wire *wire;
	struct bo_err err = { 0 };
	double base;

	wire_netns_enter();
	veth_up(&veth);
	if (!wire_netns_up(&tun, true) ||
	    bo_wire_new(&wire, bo_steal_fd(&tun.tun[0]), bo_steal_fd(&tun.tun[1]), 1, 1, &err) < 0)
		die(err.msg);
	/* In turn, so that whatever else the machine does hits all alike. */
	for (int i = 0; i < ROUNDS; i++) {
		struct bo_impair none = { 0 };

		plain[i] = stream_bps(&veth);
		whole[i] = stream_bps(&tun);
		if (bo_wire_impair(wire, BO_DIR_A_TO_B, &cut, &err) < 0)
			die(err.msg);
		segmented[i] = stream_bps(&tun);
		if (bo_wire_impair(wire, BO_DIR_A_TO_B, &none, &err) < 0)
			die(err.msg);
	}
	base = median(plain);
	printf("tcp, one stream, median of %d\n", ROUNDS);
	printf("  veth            %6.2f Gbit/s  1.00\n", base / 1e9);
	printf("  wire            %6.2f Gbit/s  %.2f\n", median(whole) / 1e9, median(whole) / base);
	printf("  wire, segmented %6.2f Gbit/s  %.2f\n", median(segmented) / 1e9,
	       median(segmented) / base);
	bo_wire_free(wire);
	wire_netns_down(&tun);
	wire_netns_down(&veth);
	return 0;
}
