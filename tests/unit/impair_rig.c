/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/impair_rig.c — see the header. */
#include "impair_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/rtnl.h"
#include "brownout/sys/tun.h"
#include "brownout/sys/tun_stamp.h"

#define MTU 1500
#define PORT 7000
#define DEVICE "w0"
#define INDEX_A 21
#define INDEX_B 22
#define IP_UDP 28
#define SETTLE_EVERY 64
#define ROUND_SHIFT 16
#define PATIENCE_NS (60 * BO_NSEC_PER_SEC)

static const uint8_t mac_of[2][BO_RTNL_MAC_LEN] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

const char *rig_driver_name(enum rig_driver driver)
{
	return driver == RIG_NETEM ? "netem" : "wire";
}

static int64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

static void quiet_ipv6(void)
{
	bo_auto_fd int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
				 O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		assert_int_equal(write(fd, "1", 1), 1);
}

/** device_up() - address and neighbour of @end; the calling thread is there */
static void device_up(struct nl_sock *sock, int end, int ifindex, bool has_mac)
{
	struct bo_rtnl_batch b = { 0 };
	struct bo_rtnl_addr addr = { .family = AF_INET, .prefix = 24 };
	struct bo_err err = { 0 };

	bo_rtnl_link_up(&b, 1, 0, 0);
	inet_pton(AF_INET, end ? WIRE_NETNS_ADDR4_B : WIRE_NETNS_ADDR4_A, addr.bytes);
	bo_rtnl_addr_add(&b, ifindex, &addr);
	bo_rtnl_link_up(&b, ifindex, 0, 0);
	inet_pton(AF_INET, end ? WIRE_NETNS_ADDR4_A : WIRE_NETNS_ADDR4_B, addr.bytes);
	if (has_mac)
		bo_rtnl_neigh_add(&b, ifindex, &addr, mac_of[!end]);
	if (bo_rtnl_batch_send(&b, sock, &err) < 0)
		fail_msg("%s", err.msg);
	bo_rtnl_batch_done(&b);
}

static void veth_add(struct impair_rig *rig, struct nl_sock *sock)
{
	struct bo_rtnl_veth veth = { .name = DEVICE,
				     .ifindex = INDEX_A,
				     .peer_name = DEVICE,
				     .peer_ifindex = INDEX_B,
				     .peer_netns = rig->net.ns[1],
				     .mtu = MTU,
				     .no_gso = true };
	struct bo_rtnl_batch b = { 0 };
	struct bo_err err = { 0 };

	memcpy(veth.mac, mac_of[0], sizeof(veth.mac));
	memcpy(veth.peer_mac, mac_of[1], sizeof(veth.peer_mac));
	bo_rtnl_veth_add(&b, &veth);
	if (bo_rtnl_batch_send(&b, sock, &err) < 0)
		fail_msg("%s", err.msg);
	bo_rtnl_batch_done(&b);
}

static void end_up(struct impair_rig *rig, int end)
{
	bool is_netem = rig->driver == RIG_NETEM;
	struct nl_sock *sock = NULL;
	struct bo_err err = { 0 };

	assert_true(wire_netns_switch(&rig->net, end));
	quiet_ipv6();
	assert_int_equal(bo_rtnl_open(&sock, &err), 0);
	if (is_netem && end == 0)
		veth_add(rig, sock);
	if (!is_netem && bo_tun_open(DEVICE, &rig->net.tun[end], &err) < 0)
		fail_msg("%s", err.msg);
	if (!is_netem && bo_tun_stamp_open(rig->net.tun[end], &rig->net.stamps[end], &err) < 0)
		rig->net.stamps[end] = -1; /* then without */
	device_up(sock, end, (int)if_nametoindex(DEVICE), is_netem);
	if (end == 0) {
		rig->ifindex = (int)if_nametoindex(DEVICE);
		rig->sock = sock;
	} else {
		bo_rtnl_close(&sock);
	}
	assert_true(wire_netns_switch(&rig->net, -1));
}

static int probe_socket(struct impair_rig *rig, int end)
{
	int fd = wire_netns_socket(&rig->net, end, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int buffer = 64 << 20, on = 1;
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(end, AF_INET, PORT, &addr);

	assert_true(fd >= 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) < 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	len = wire_netns_address(!end, AF_INET, PORT, &addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

bool rig_can(enum rig_driver driver, char *ret_why, size_t size)
{
	struct impair_rig rig = { .driver = driver };
	struct bo_err err = { 0 };
	bool seeded, can = true;

	if (driver == RIG_WIRE)
		return true; /* or wire_netns_enter() would have said why not */
	assert_true(wire_netns_up(&rig.net, false));
	end_up(&rig, 0);
	if (bo_netem_probe(rig.sock, rig.ifindex, MTU, &seeded, &err) < 0) {
		snprintf(ret_why, size, "%s", err.msg);
		can = false;
	}
	bo_rtnl_close(&rig.sock);
	wire_netns_down(&rig.net);
	return can;
}

void rig_up(struct impair_rig *rig, enum rig_driver driver)
{
	struct bo_err err = { 0 };
	int r = 0;

	*rig = (struct impair_rig){ .driver = driver, .tx = -1, .rx = -1 };
	assert_true(wire_netns_up(&rig->net, false));
	end_up(rig, 0);
	end_up(rig, 1);
	if (driver == RIG_WIRE)
		r = bo_wire_new_stamped(&rig->wire,
					(const int[]){ bo_steal_fd(&rig->net.tun[0]),
						       bo_steal_fd(&rig->net.tun[1]) },
					(const int[]){ bo_steal_fd(&rig->net.stamps[0]),
						       bo_steal_fd(&rig->net.stamps[1]) },
					1, 1, &err);
	else
		r = bo_netem_install(rig->sock, rig->ifindex, MTU, &err);
	if (r < 0)
		fail_msg("%s", err.msg);
	rig->tx = probe_socket(rig, 0);
	rig->rx = probe_socket(rig, 1);
}

void rig_down(struct impair_rig *rig)
{
	bo_wire_free(rig->wire);
	bo_rtnl_close(&rig->sock);
	bo_close(&rig->tx);
	bo_close(&rig->rx);
	wire_netns_down(&rig->net);
}

int rig_impair(struct impair_rig *rig, const struct bo_impair *im)
{
	struct bo_err err = { 0 };
	int r = rig->driver == RIG_WIRE ? bo_wire_impair(rig->wire, BO_DIR_A_TO_B, im, &err)
					: bo_netem_change(rig->sock, rig->ifindex, MTU, im, &err);

	if (r < 0 && r != -ENOTSUP)
		fail_msg("%s: %s", rig_driver_name(rig->driver), err.msg);
	return r;
}

/* --- probes ----------------------------------------------------------------------------------- */

/* The number thrice, so that a flipped bit cannot hide it; then bytes that both ends know. */
static void payload_fill(uint8_t *data, size_t len, uint32_t seq)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t i = 0; i < 3; i++)
		memcpy(data + i * sizeof(seq), &seq, sizeof(seq));
}

static uint32_t payload_seq(const uint8_t *data)
{
	uint32_t seq[3];

	memcpy(seq, data, sizeof(seq));
	return (seq[0] & seq[1]) | (seq[1] & seq[2]) | (seq[0] & seq[2]);
}

static uint32_t flipped(const uint8_t *data, size_t len, uint32_t seq)
{
	uint8_t expected[MTU];
	uint32_t n = 0;

	payload_fill(expected, len, seq);
	for (size_t i = 0; i < len; i++)
		n += (uint32_t)__builtin_popcount((unsigned int)(data[i] ^ expected[i]));
	return n;
}

static bool take_one(struct impair_rig *rig, struct traffic *t)
{
	_Alignas(struct cmsghdr) char control[256];
	uint8_t data[MTU];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(rig->rx, &msg, 0);
	struct arrival a = { 0 };
	struct probe *probe;

	if (len < 0)
		return false;
	a.at_ns = realtime_ns();
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct timespec ts;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		a.at_ns = ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
	}
	/* A flipped bit in the length of UDP without a checksum cuts the packet. */
	if (len < 12)
		return true;
	a.seq = payload_seq(data);
	if (a.seq >> ROUND_SHIFT != rig->round || t->narrivals == 2 * TRAFFIC_MAX)
		return true;
	a.flipped_bits = flipped(data, (size_t)len, a.seq);
	a.seq &= (1u << ROUND_SHIFT) - 1;
	if (a.seq >= t->probes)
		return true;
	probe = &t->probe[a.seq];
	if (!probe->arrivals++)
		probe->delay_ns = a.at_ns - probe->sent_ns;
	t->arrival[t->narrivals++] = a;
	return true;
}

/** sleep_until() - @at_ns of CLOCK_MONOTONIC */
static void sleep_until(int64_t at_ns)
{
	struct timespec at = bo_ns_to_timespec(at_ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/** settle() - until the wire has taken what was sent: its device holds a few hundred packets */
static void settle(struct impair_rig *rig)
{
	int64_t deadline = bo_now_ns() + PATIENCE_NS;
	struct bo_wire_stats stats = { 0 };

	while (rig->driver == RIG_WIRE) {
		bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
		if (stats.packets_in >= rig->sent)
			return;
		assert_true(bo_now_ns() < deadline);
		usleep(200);
	}
}

/** is_waiting() - is something still on its way through the wire, however late its thread is?  By what went in and has met no
 * fate: @queued is written last. */
static bool is_waiting(struct impair_rig *rig)
{
	struct bo_wire_stats s = { 0 };

	if (rig->driver == RIG_WIRE)
		bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &s);
	return s.packets_in + s.duplicated >
	       s.packets_out + s.lost + s.blackholed + s.overflowed + s.refused + s.ruled;
}

void rig_send(struct impair_rig *rig, struct traffic *t, int quiet_ms)
{
	int no_checksum = t->no_checksum;
	size_t len = t->bytes - IP_UDP;
	struct pollfd p = { .fd = rig->rx, .events = POLLIN };
	uint8_t data[MTU];
	int64_t began_ns = bo_now_ns();

	assert_true(t->probes <= TRAFFIC_MAX && t->bytes <= MTU && len >= 12);
	assert_int_equal(
		setsockopt(rig->tx, SOL_SOCKET, SO_NO_CHECK, &no_checksum, sizeof(no_checksum)), 0);
	memset(t->probe, 0, sizeof(t->probe));
	t->narrivals = 0;
	rig->round++;
	for (uint32_t seq = 0; seq < t->probes; seq++) {
		if (t->gap_us)
			sleep_until(began_ns + (int64_t)seq * t->gap_us * BO_NSEC_PER_USEC);
		payload_fill(data, len, rig->round << ROUND_SHIFT | seq);
		t->probe[seq].sent_ns = realtime_ns();
		assert_int_equal(send(rig->tx, data, len, 0), len);
		rig->sent++;
		if (seq % SETTLE_EVERY != SETTLE_EVERY - 1)
			continue;
		settle(rig);
		while (take_one(rig, t))
			;
	}
	settle(rig);
	while (poll(&p, 1, quiet_ms) == 1 || is_waiting(rig))
		while (take_one(rig, t))
			;
}
