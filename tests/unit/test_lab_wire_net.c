/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_net.c — the wire between two real network namespaces: ICMP, UDP and TCP
 * over IPv4 and IPv6. The kernels at both ends are the judges: they check every checksum and
 * reassemble every stream. Privilege: root or user namespaces; exits 77 without. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define MS BO_NSEC_PER_MSEC
#define PORT 7000

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
};

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bo_err err = { 0 };

	assert_non_null(rig);
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), 1, 1, &err),
			 0);
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
	free(rig);
	return 0;
}

static void impair(const struct rig *rig, enum bo_dir dir, struct bo_impair im)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, dir, &im, &err), 0);
}

/** udp_socket() - bound to the end's address */
static int udp_socket(const struct rig *rig, int end, int family)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(end, family, PORT, &addr);
	int fd = wire_netns_socket(&rig->net, end, family, SOCK_DGRAM, 0);
	int buffer = 4 << 20;

	assert_true(fd >= 0);
	/* Beyond rmem_max, where root may: thousands of packets may come at once. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void udp_send(int fd, int to, int family, uint32_t number, size_t len)
{
	struct sockaddr_storage addr;
	socklen_t addr_len = wire_netns_address(to, family, PORT, &addr);
	uint8_t data[1400] = { 0 };

	memcpy(data, &number, sizeof(number));
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&addr, addr_len), len);
}

/** udp_receive() - the number received, or -1 when none comes in time */
static int64_t udp_receive(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t data[1400];
	uint32_t number;

	if (poll(&p, 1, timeout_ms) != 1 ||
	    recv(fd, data, sizeof(data), 0) < (ssize_t)sizeof(number))
		return -1;
	memcpy(&number, data, sizeof(number));
	return number;
}

/** wait_seen() - until the wire has read @n packets of the direction more than @before */
static void wait_seen(const struct rig *rig, enum bo_dir dir, uint64_t n)
{
	int64_t deadline = bo_now_ns() + 10 * BO_NSEC_PER_SEC;
	struct bo_wire_stats stats;

	do {
		assert_true(bo_now_ns() < deadline);
		usleep(1000);
		bo_wire_stats(rig->wire, dir, &stats);
	} while (stats.packets_in < n);
}

/* --- ICMP ------------------------------------------------------------------------------------- */

/** ping() - round trip in ns, or -1 */
static int64_t ping(const struct rig *rig, uint16_t number)
{
	bo_auto_fd int fd = wire_netns_socket(&rig->net, 0, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct icmphdr echo = { .type = ICMP_ECHO,
				.un.echo = { .id = htons(99), .sequence = htons(number) } };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t start = bo_now_ns();
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, AF_INET, 0, &addr);
	uint8_t answer[200];

	assert_true(fd >= 0);
	echo.checksum = (uint16_t) ~(ICMP_ECHO + htons(99) + htons(number));
	assert_int_equal(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&addr, len),
			 sizeof(echo));
	while (poll(&p, 1, 5000) == 1) {
		const struct icmphdr *reply = (const struct icmphdr *)(answer + 20);

		if (recv(fd, answer, sizeof(answer), 0) < 28)
			return -1;
		if (reply->type == ICMP_ECHOREPLY && reply->un.echo.sequence == htons(number))
			return bo_now_ns() - start;
	}
	return -1;
}

static void icmp_passes_and_is_delayed(void **state)
{
	const struct rig *rig = *state;

	assert_true(ping(rig, 1) >= 0);
	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = 20 * MS });
	assert_true(ping(rig, 2) >= 20 * MS);
	impair(rig, BO_DIR_B_TO_A, (struct bo_impair){ .delay_ns = 30 * MS });
	assert_true(ping(rig, 3) >= 50 * MS);
}

/* --- UDP -------------------------------------------------------------------------------------- */

static void udp_both_families(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		bo_auto_fd int a = udp_socket(rig, 0, families[f]);
		bo_auto_fd int b = udp_socket(rig, 1, families[f]);
		int64_t start;

		udp_send(a, 1, families[f], 5, 1200);
		assert_int_equal(udp_receive(b, 5000), 5);
		udp_send(b, 0, families[f], 6, 1200);
		assert_int_equal(udp_receive(a, 5000), 6);
		impair(rig, BO_DIR_B_TO_A, (struct bo_impair){ .delay_ns = 40 * MS });
		start = bo_now_ns();
		udp_send(b, 0, families[f], 7, 1200);
		assert_int_equal(udp_receive(a, 5000), 7);
		assert_true(bo_now_ns() - start >= 40 * MS);
		impair(rig, BO_DIR_B_TO_A, (struct bo_impair){ 0 });
	}
}

static void udp_jitter_keeps_order(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int a = udp_socket(rig, 0, AF_INET);
	bo_auto_fd int b = udp_socket(rig, 1, AF_INET);

	impair(rig, BO_DIR_A_TO_B,
	       (struct bo_impair){ .delay_ns = 20 * MS, .jitter_ns = 20 * MS, .in_order = true });
	for (uint32_t i = 0; i < 300; i++)
		udp_send(a, 1, AF_INET, i, 100);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(udp_receive(b, 5000), i);
}

static void udp_loss_within_the_interval(void **state)
{
	enum { N = 5000 };
	const struct rig *rig = *state;
	bo_auto_fd int a = udp_socket(rig, 0, AF_INET);
	bo_auto_fd int b = udp_socket(rig, 1, AF_INET);
	struct bo_wire_stats stats;
	double sigma = sqrt(N * 0.05 * 0.95);
	int received = 0;

	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .loss.random.ppm = 50000 });
	for (uint32_t i = 0; i < N; i++) {
		udp_send(a, 1, AF_INET, i, 100);
		/* Never more under way than the receive buffer holds, or that would lose packets as
		 * well. */
		if (i % 50 == 49) {
			wait_seen(rig, BO_DIR_A_TO_B, i + 1);
			impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .loss.random.ppm = 50000 });
			while (udp_receive(b, 0) >= 0)
				received++;
		}
	}
	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	while (received < (int)stats.packets_out && udp_receive(b, 5000) >= 0)
		received++;
	assert_in_range(N - received, 0.05 * N - 3.29 * sigma, 0.05 * N + 3.29 * sigma);
	/* The kernel itself sends a packet now and then (router solicitations), and that may be lost, too. */
	assert_in_range(stats.lost, N - received, N - received + (int)stats.packets_in - N);
	assert_int_equal(stats.overflowed, 0);
}

static void udp_rate_within_ten_percent(void **state)
{
	enum { N = 400, BYTES = 1228 };
	const struct rig *rig = *state;
	bo_auto_fd int a = udp_socket(rig, 0, AF_INET);
	bo_auto_fd int b = udp_socket(rig, 1, AF_INET);
	int64_t each_ns = BYTES * 8 * BO_NSEC_PER_SEC / 8000000, began, least_late = INT64_MAX;

	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .rate_bps = 8000000 });
	began = bo_now_ns();
	for (uint32_t i = 0; i < N; i++)
		udp_send(a, 1, AF_INET, i, BYTES - 28);
	for (uint32_t i = 0; i < N; i++) {
		int64_t late;

		assert_int_equal(udp_receive(b, 5000), i);
		/* It leaves when it and all before it have been through: never sooner, whoever sleeps. */
		late = bo_now_ns() - began - (i + 1) * each_ns;
		assert_true(late >= -each_ns);
		/* A thread that slept makes some late; a rate that is wrong all, and the more the later they come. */
		if (i >= N / 2 && late < least_late)
			least_late = late;
	}
	assert_true(least_late < N / 2 * each_ns / 10);
}

static void udp_blackhole_and_back(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int a = udp_socket(rig, 0, AF_INET);
	bo_auto_fd int b = udp_socket(rig, 1, AF_INET);
	struct bo_wire_stats stats;

	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	for (uint32_t i = 0; i < 50; i++)
		udp_send(a, 1, AF_INET, i, 100);
	wait_seen(rig, BO_DIR_A_TO_B, 50);
	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
	udp_send(a, 1, AF_INET, 1000, 100);
	assert_int_equal(udp_receive(b, 5000), 1000);
	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	assert_true(stats.blackholed >= 50);
}

/* What an application hands over as one super-packet (UDP_SEGMENT of udp(7)) arrives as the datagrams
 * that it stands for, carried whole or cut and merged. */
static void udp_super_packets_arrive_as_datagrams(void **state)
{
	enum { SEGMENT = 1000, N = 21 };
	static const struct bo_impair cases[] = {
		{ 0 },
		{ .delay_ns = MS },
		{ .rate_bps = 100000000 },
		{ .delay_ns = 30 * MS, .jitter_ns = 30 * MS, .in_order = true },
	};
	static const int families[] = { AF_INET, AF_INET6 };
	const struct rig *rig = *state;
	static uint8_t data[SEGMENT * (N - 1) + 500], got[2000];
	int segment = SEGMENT;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / SEGMENT + i * 7);
	for (size_t c = 0; c < 8; c++) {
		int family = families[c % 2];
		bo_auto_fd int a = udp_socket(rig, 0, family);
		bo_auto_fd int b = udp_socket(rig, 1, family);
		struct sockaddr_storage addr;
		socklen_t len = wire_netns_address(1, family, PORT, &addr);

		impair(rig, BO_DIR_A_TO_B, cases[c / 2]);
		assert_int_equal(setsockopt(a, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
		assert_int_equal(sendto(a, data, sizeof(data), 0, (struct sockaddr *)&addr, len),
				 sizeof(data));
		for (size_t i = 0; i < N; i++) {
			struct pollfd p = { .fd = b, .events = POLLIN };

			assert_int_equal(poll(&p, 1, 5000), 1);
			assert_int_equal(recv(b, got, sizeof(got), 0), i + 1 < N ? SEGMENT : 500);
			assert_memory_equal(got, data + i * SEGMENT, i + 1 < N ? SEGMENT : 500);
		}
	}
}

/* --- TCP -------------------------------------------------------------------------------------- */

/** struct stream - a sender's thread: @bytes of a known sequence */
struct stream {
	int fd;
	size_t bytes;
};

static uint8_t stream_byte(size_t at)
{
	return (uint8_t)(at * 131 + (at >> 11));
}

static void *stream_send(void *arg)
{
	const struct stream *stream = arg;
	static _Thread_local uint8_t chunk[65536];

	for (size_t at = 0; at < stream->bytes;) {
		size_t n = stream->bytes - at < sizeof(chunk) ? stream->bytes - at : sizeof(chunk);
		ssize_t sent;

		for (size_t i = 0; i < n; i++)
			chunk[i] = stream_byte(at + i);
		sent = send(stream->fd, chunk, n, MSG_NOSIGNAL);
		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	shutdown(stream->fd, SHUT_WR);
	return NULL;
}

/** tcp_transfer() - @bytes from a to b, compared byte by byte; the time it took */
static int64_t tcp_transfer(const struct rig *rig, int family, size_t bytes)
{
	bo_auto_fd int listener = wire_netns_socket(&rig->net, 1, family, SOCK_STREAM, 0);
	bo_auto_fd int client = wire_netns_socket(&rig->net, 0, family, SOCK_STREAM, 0);
	struct timeval patience = { .tv_sec = 30 };
	bo_auto_fd int server = -1;
	static uint8_t chunk[65536];
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, PORT, &addr);
	struct stream stream = { .fd = client, .bytes = bytes };
	int64_t start = bo_now_ns();
	pthread_t sender;
	size_t at = 0;
	ssize_t n;
	int on = 1;

	assert_true(listener >= 0 && client >= 0);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	assert_int_equal(pthread_create(&sender, NULL, stream_send, &stream), 0);
	while ((n = recv(server, chunk, sizeof(chunk), 0)) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			if (chunk[i] != stream_byte(at))
				fail_msg("byte %zu differs", at);
	if (n < 0)
		shutdown(client, SHUT_RDWR);
	pthread_join(sender, NULL);
	assert_int_equal(n, 0);
	assert_int_equal(at, bytes);
	return bo_now_ns() - start;
}

/** checksum_errors() - TCP segments that the kernel of @end threw away for their checksum */
static long checksum_errors(const struct rig *rig, int end)
{
	char names[1024], values[1024], *save_n = NULL, *save_v = NULL;
	long errors = -1;
	FILE *f;

	assert_true(wire_netns_switch(&rig->net, end));
	f = fopen("/proc/thread-self/net/snmp", "re");
	assert_true(wire_netns_switch(&rig->net, -1));
	assert_non_null(f);
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		char *name, *value;

		if (strncmp(names, "Tcp:", 4) != 0)
			continue;
		name = strtok_r(names, " \n", &save_n);
		value = strtok_r(values, " \n", &save_v);
		for (; name && value;
		     name = strtok_r(NULL, " \n", &save_n), value = strtok_r(NULL, " \n", &save_v))
			if (strcmp(name, "InCsumErrors") == 0)
				errors = strtol(value, NULL, 10);
	}
	fclose(f);
	return errors;
}

static void tcp_unimpaired_and_delayed(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct rig *rig = *state;
	struct bo_wire_stats stats;

	for (size_t f = 0; f < 2; f++)
		(void)tcp_transfer(rig, families[f], 20 << 20);
	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = 5 * MS });
	impair(rig, BO_DIR_B_TO_A, (struct bo_impair){ .delay_ns = 5 * MS });
	/* Three-way handshake and at least one round trip of data: two of 10 ms. */
	for (size_t f = 0; f < 2; f++)
		assert_true(tcp_transfer(rig, families[f], 5 << 20) >= 20 * MS);
	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	assert_int_equal(stats.lost + stats.overflowed + stats.refused, 0);
}

static void tcp_segmented_arrives_whole(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct rig *rig = *state;
	const struct bo_impair fast = { .rate_bps = INT64_C(50000000000),
					.limit_packets = 1000000 };
	struct bo_wire_stats stats;

	impair(rig, BO_DIR_A_TO_B, fast);
	impair(rig, BO_DIR_B_TO_A, fast);
	for (size_t f = 0; f < 2; f++)
		(void)tcp_transfer(rig, families[f], 20 << 20);
	assert_int_equal(checksum_errors(rig, 1), 0);
	assert_int_equal(checksum_errors(rig, 0), 0);
	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	/* No packet out was larger than the MTU. */
	assert_true(stats.bytes_out <= stats.packets_out * 1500);
	assert_true(stats.packets_out >= (40 << 20) / 1500);
}

static void tcp_survives_loss(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct rig *rig = *state;
	struct bo_wire_stats stats;

	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .loss.random.ppm = 10000 });
	for (size_t f = 0; f < 2; f++)
		(void)tcp_transfer(rig, families[f], 5 << 20);
	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	/* Of some 7000 segments; the interval is wide (60 ± 5 σ is 21 to 99), for what counts here is that segments are
	 * lost and not super-packets, of which there would be a few hundred, and a few lost. */
	assert_true(stats.packets_in > 6000);
	assert_in_range(stats.lost, 20, 140);
	assert_int_equal(checksum_errors(rig, 1), 0);
}

static void tcp_rate_limits_goodput(void **state)
{
	const struct rig *rig = *state;
	int64_t took;

	impair(rig, BO_DIR_A_TO_B, (struct bo_impair){ .rate_bps = 40000000 });
	took = tcp_transfer(rig, AF_INET, 2 << 20);
	/* 2 MiB and their headers at 40 Mbit/s; faster is impossible. */
	assert_true(took >= (int64_t)((2 << 20) * 8 / 40e6 * 1e9));
	assert_true(took < (int64_t)((2 << 20) * 8 / 40e6 * 1e9 * 3));
}

#define NET_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(icmp_passes_and_is_delayed),
		NET_TEST(udp_both_families),
		NET_TEST(udp_jitter_keeps_order),
		NET_TEST(udp_loss_within_the_interval),
		NET_TEST(udp_rate_within_ten_percent),
		NET_TEST(udp_blackhole_and_back),
		NET_TEST(udp_super_packets_arrive_as_datagrams),
		NET_TEST(tcp_unimpaired_and_delayed),
		NET_TEST(tcp_segmented_arrives_whole),
		NET_TEST(tcp_survives_loss),
		NET_TEST(tcp_rate_limits_goodput),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
