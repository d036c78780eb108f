/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_flows.c — see the header. */
#include "wire_flows.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

#define BATCH 64
#define PATIENCE_S 10

void flows_die(const char *what)
{
	perror(what);
	exit(1);
}

int flows_wire_new(struct bo_wire **ret, struct wire_netns *net, struct bo_err *err)
{
	const int tun[2] = { bo_steal_fd(&net->tun[0]), bo_steal_fd(&net->tun[1]) };
	const int stamps[2] = { bo_steal_fd(&net->stamps[0]), bo_steal_fd(&net->stamps[1]) };

	return bo_wire_new_stamped(ret, tun, stamps, 1, 1, err);
}

void flows_enter(const struct wire_netns *net, int ns)
{
	if (setns(ns < 0 ? net->home : ns, CLONE_NEWNET) < 0)
		flows_die("setns");
}

/** pair_add() - a veth pair, @here in this namespace and @there in @ns */
static void pair_add(const char *here, const char *there, int ns)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct rtnl_link *link = rtnl_link_veth_alloc(), *peer;

	if (!sock || !link || nl_connect(sock, NETLINK_ROUTE) < 0)
		flows_die("veth");
	peer = rtnl_link_veth_get_peer(link);
	rtnl_link_set_name(link, here);
	rtnl_link_set_name(peer, there);
	rtnl_link_set_ns_fd(peer, ns);
	if (rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL) < 0)
		flows_die("veth add");
	rtnl_link_put(peer);
	rtnl_link_put(link);
	nl_socket_free(sock);
}

static void ends_configure(struct wire_netns *net)
{
	for (int end = 0; end < 2; end++)
		if (!wire_netns_switch(net, end) || !wire_netns_configure(end, "w0"))
			flows_die("veth configure");
	if (!wire_netns_switch(net, -1))
		flows_die("setns");
}

static void write_file(const char *path, const char *text)
{
	bo_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		flows_die(path);
}

void flows_veth_up(struct wire_netns *net)
{
	if (!wire_netns_up(net, false) || !wire_netns_switch(net, 0))
		flows_die("veth");
	pair_add("w0", "w0", net->ns[1]);
	ends_configure(net);
}

static void device_up(int sock, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		flows_die(name);
}

void flows_middle_up(struct wire_netns *net, int *ret_middle)
{
	static const char *const names[] = { "m0", "m1" };
	bo_auto_fd int sock = -1;

	if (!wire_netns_up(net, false) || unshare(CLONE_NEWNET) < 0)
		flows_die("namespace");
	*ret_middle = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* The kernel there has nothing to say. */
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	for (int end = 0; end < 2; end++) {
		pair_add(names[end], "w0", net->ns[end]);
		device_up(sock, names[end]);
	}
	ends_configure(net);
}

void flows_big_windows(const struct wire_netns *net)
{
	for (int end = 0; end < 2; end++) {
		if (!wire_netns_switch(net, end))
			flows_die("setns");
		write_file("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 268435456");
		write_file("/proc/sys/net/ipv4/tcp_wmem", "4096 131072 268435456");
	}
	if (!wire_netns_switch(net, -1))
		flows_die("setns");
}

#define CONGESTION "/proc/sys/net/ipv4/tcp_congestion_control"

void flows_congestion(const struct wire_netns *net, const char *name)
{
	for (int end = 0; end < 2; end++) {
		if (!wire_netns_switch(net, end))
			flows_die("setns");
		write_file(CONGESTION, name);
	}
	if (!wire_netns_switch(net, -1))
		flows_die("setns");
}

void flows_congestion_here(char *ret, size_t size)
{
	bo_auto_fd int fd = open(CONGESTION, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		flows_die(CONGESTION);
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/** connection_up() - end 0 to end 1; through @port, which may be somebody who passes it on */
static void connection_up(const struct wire_netns *net, int port, int *ret_client, int *ret_server)
{
	bo_auto_fd int listener = wire_netns_socket(net, 1, AF_INET, SOCK_STREAM, 0);
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, AF_INET, FLOWS_PORT, &addr);
	int on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 1) < 0)
		flows_die("listen");
	*ret_client = wire_netns_socket(net, 0, AF_INET, SOCK_STREAM, 0);
	wire_netns_address(1, AF_INET, port, &addr);
	if (connect(*ret_client, (struct sockaddr *)&addr, len) < 0)
		flows_die("connect");
	*ret_server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*ret_server < 0)
		flows_die("accept");
	for (int i = 0; i < 2; i++) {
		int fd = i ? *ret_server : *ret_client;

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
}

static void *tcp_send(void *arg)
{
	static uint8_t chunk[1 << 17];
	int fd = *(int *)arg;

	while (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

double flows_tcp_bps(const struct wire_netns *net, int port, int64_t warm_ns, int64_t ns)
{
	static uint8_t chunk[1 << 17];
	bo_auto_fd int client = -1;
	bo_auto_fd int server = -1;
	uint64_t bytes = 0;
	int64_t start, now;
	pthread_t sender;

	connection_up(net, port, &client, &server);
	start = bo_now_ns() + warm_ns;
	if (pthread_create(&sender, NULL, tcp_send, &client) != 0)
		flows_die("thread");
	do {
		ssize_t n = recv(server, chunk, sizeof(chunk), 0);

		if (n <= 0)
			flows_die("recv");
		now = bo_now_ns();
		if (now >= start)
			bytes += (uint64_t)n;
	} while (now - start < ns);
	shutdown(server, SHUT_RDWR);
	shutdown(client, SHUT_RDWR);
	pthread_join(sender, NULL);
	return (double)bytes * 8 / ((double)(now - start) / 1e9);
}

/** struct flood - the sender's thread */
struct flood {
	int fd;
	size_t bytes;
	struct sockaddr_storage to;
	socklen_t to_len;
	atomic_bool stop;
};

static void *udp_send(void *arg)
{
	static uint8_t data[1500];
	struct flood *flood = arg;
	struct iovec iov = { data, flood->bytes };
	struct mmsghdr msgs[BATCH] = { 0 };

	for (int i = 0; i < BATCH; i++) {
		msgs[i].msg_hdr.msg_iov = &iov;
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_name = &flood->to;
		msgs[i].msg_hdr.msg_namelen = flood->to_len;
	}
	while (!atomic_load_explicit(&flood->stop, memory_order_relaxed))
		(void)sendmmsg(flood->fd, msgs, BATCH, 0);
	return NULL;
}

double flows_udp_pps(const struct wire_netns *net, size_t bytes, int64_t ns)
{
	bo_auto_fd int from = wire_netns_socket(net, 0, AF_INET, SOCK_DGRAM, 0);
	bo_auto_fd int to = wire_netns_socket(net, 1, AF_INET, SOCK_DGRAM, 0);
	struct flood flood = { .fd = from, .bytes = bytes };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	static uint8_t data[BATCH][1500];
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int64_t start, now;
	uint64_t got = 0;
	pthread_t sender;
	int buffer = 8 << 20;

	flood.to_len = wire_netns_address(1, AF_INET, FLOWS_PORT, &flood.to);
	setsockopt(to, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(to, (struct sockaddr *)&flood.to, flood.to_len) < 0)
		flows_die("bind");
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	if (pthread_create(&sender, NULL, udp_send, &flood) != 0)
		flows_die("thread");
	start = bo_now_ns() + BO_NSEC_PER_SEC / 10;
	do {
		int n = recvmmsg(to, msgs, BATCH, MSG_WAITFORONE, NULL);

		if (n <= 0)
			flows_die("recvmmsg");
		now = bo_now_ns();
		if (now >= start)
			got += (uint64_t)n;
	} while (now - start < ns);
	atomic_store(&flood.stop, true);
	pthread_join(sender, NULL);
	return (double)got / ((double)(now - start) / 1e9);
}

static void *echo(void *arg)
{
	int fd = *(int *)arg;
	uint8_t byte;

	while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
		;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

double flows_rtt_ns(const struct wire_netns *net, int port, size_t rounds)
{
	bo_auto_fd int client = -1;
	bo_auto_fd int server = -1;
	int64_t *took = calloc(rounds, sizeof(*took));
	pthread_t answerer;
	uint8_t byte = 0;
	double p50;

	connection_up(net, port, &client, &server);
	if (!took || pthread_create(&answerer, NULL, echo, &server) != 0)
		flows_die("thread");
	for (size_t i = 0; i < rounds; i++) {
		int64_t start = bo_now_ns();

		if (send(client, &byte, 1, MSG_NOSIGNAL) != 1 || recv(client, &byte, 1, 0) != 1)
			flows_die("round trip");
		took[i] = bo_now_ns() - start;
	}
	shutdown(client, SHUT_RDWR);
	pthread_join(answerer, NULL);
	qsort(took, rounds, sizeof(*took), compare);
	p50 = (double)took[rounds / 2];
	free(took);
	return p50;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double flows_median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_doubles);
	return values[n / 2];
}
