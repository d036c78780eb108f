/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_model_net.c — what the wire does to packets, seen by real kernels at both
 * ends: damage in their counters, duplicates and order in sockets, and the same fates in two runs.
 * Privilege: root or user namespaces; exits 77 without. */
#include <arpa/inet.h>
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
#include "brownout/lab/record.h"
#include "brownout/lab/replay.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define MS BO_NSEC_PER_MSEC
#define PORT 7000

static const int families[] = { AF_INET, AF_INET6 };

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
};

static void rig_begin(struct rig *rig, uint64_t seed)
{
	struct bo_err err = { 0 };

	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), seed, 1, &err),
			 0);
}

static void rig_end(struct rig *rig)
{
	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
}

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig_begin(rig, 1);
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	rig_end(*state);
	free(*state);
	return 0;
}

static void impair(const struct rig *rig, struct bo_impair im)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_A_TO_B, &im, &err), 0);
}

static struct bo_wire_stats stats_of(const struct rig *rig)
{
	struct bo_wire_stats stats;

	bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
	return stats;
}

/** listen_on() - at the far end */
static int listen_on(const struct rig *rig, int family, int type)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, PORT, &addr);
	int fd = wire_netns_socket(&rig->net, 1, family, type, 0);
	int on = 1, buffer = 4 << 20;

	assert_true(fd >= 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

/** dial() - from the near end, with a port that the kernel picks */
static int dial(const struct rig *rig, int family, int type)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, PORT, &addr);
	int fd = wire_netns_socket(&rig->net, 0, family, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void send_number(int fd, uint32_t number, size_t len)
{
	static uint8_t data[8000];

	memcpy(data, &number, sizeof(number));
	assert_int_equal(send(fd, data, len, 0), len);
}

static int64_t receive_number(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t data[8000];
	uint32_t number;

	if (poll(&p, 1, timeout_ms) != 1 || recv(fd, data, sizeof(data), 0) < 4)
		return -1;
	memcpy(&number, data, sizeof(number));
	return number;
}

/** counter() - of the far kernel: "Udp", "InCsumErrors" of snmp, or NULL and a name of snmp6 */
static long counter(const struct rig *rig, const char *group, const char *name)
{
	char names[1024], values[1024], *save_n = NULL, *save_v = NULL;
	long found = -1;
	FILE *f;

	assert_true(wire_netns_switch(&rig->net, 1));
	f = fopen(group ? "/proc/thread-self/net/snmp" : "/proc/thread-self/net/snmp6", "re");
	assert_true(wire_netns_switch(&rig->net, -1));
	assert_non_null(f);
	while (!group && fgets(names, sizeof(names), f))
		if (strncmp(names, name, strlen(name)) == 0)
			found = strtol(names + strlen(name), NULL, 10);
	while (group && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		char *n = strtok_r(names, " \n", &save_n), *v = strtok_r(values, " \n", &save_v);
		bool here = n && strncmp(n, group, strlen(group)) == 0 && n[strlen(group)] == ':';

		for (; n && v;
		     n = strtok_r(NULL, " \n", &save_n), v = strtok_r(NULL, " \n", &save_v))
			if (here && strcmp(n, name) == 0)
				found = strtol(v, NULL, 10);
	}
	fclose(f);
	return found;
}

/** udp_errors() - of both families: what poll(2) finds in an IPv6 socket counts as Udp */
static long udp_errors(const struct rig *rig)
{
	return counter(rig, "Udp", "InCsumErrors") + counter(rig, NULL, "Udp6InCsumErrors");
}

static long icmp_errors(const struct rig *rig)
{
	return counter(rig, "Icmp", "InCsumErrors");
}

static long tcp_errors(const struct rig *rig)
{
	return counter(rig, "Tcp", "InCsumErrors");
}

/** wait_errors() - until they have come to @want
 * @fd: asked for data, for UDP looks at a checksum only when somebody reads; -1 none */
static void wait_errors(const struct rig *rig, int fd, long (*errors)(const struct rig *rig),
			long want)
{
	int64_t deadline = bo_now_ns() + 10 * BO_NSEC_PER_SEC;

	while (errors(rig) != want && bo_now_ns() < deadline)
		assert_int_equal(receive_number(fd, 1), -1);
	assert_int_equal(errors(rig), want);
}

/* --- corrupt ---------------------------------------------------------------------------------- */

/* The kernels leave the checksum of a datagram to the device: the wire must have completed it. */
static void damaged_datagrams_are_dropped_for_their_checksum(void **state)
{
	const struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		bo_auto_fd int b = listen_on(rig, families[f], SOCK_DGRAM);
		bo_auto_fd int a = dial(rig, families[f], SOCK_DGRAM);
		uint64_t before = stats_of(rig).corrupted;
		long errors = udp_errors(rig);

		impair(rig, (struct bo_impair){ .corrupt.ppm = BO_PPM_ALL });
		/* Never more at a time than any queue of the kernel's takes, also of a busy one. */
		for (uint32_t i = 1; i <= 200; i++) {
			send_number(a, i, 4 + 7 * i);
			if (i % 20 == 0)
				wait_errors(rig, b, udp_errors, errors + i);
		}
		/* 4000 bytes are three fragments, each damaged; nothing but the sum of the whole can tell. */
		for (uint32_t i = 0; i < 20; i++)
			send_number(a, i, 4000);
		wait_errors(rig, b, udp_errors, errors + 220);
		assert_true(stats_of(rig).corrupted - before >= 260);
		impair(rig, (struct bo_impair){ 0 });
		send_number(a, 777, 100);
		assert_int_equal(receive_number(b, 5000), 777);
		assert_int_equal(udp_errors(rig), errors + 220);
	}
}

static void damaged_pings_are_dropped_for_their_checksum(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int fd = wire_netns_socket(&rig->net, 0, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct icmphdr echo = { .type = ICMP_ECHO, .checksum = (uint16_t)~ICMP_ECHO };
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, AF_INET, 0, &addr);

	assert_true(fd >= 0);
	impair(rig, (struct bo_impair){ .corrupt.ppm = BO_PPM_ALL });
	for (int i = 0; i < 50; i++)
		assert_int_equal(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&addr, len),
				 sizeof(echo));
	wait_errors(rig, -1, icmp_errors, 50);
}

static void *send_stream(void *arg)
{
	int fd = *(int *)arg;
	uint8_t data[1000];

	for (uint32_t i = 0; i < 2000; i++) {
		memset(data, (int)(i % 251), sizeof(data));
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL) != (ssize_t)sizeof(data))
			break;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

/** stream() - 2 MB through the wire, none of it wrong */
static void stream(const struct rig *rig, int family)
{
	bo_auto_fd int listener = listen_on(rig, family, SOCK_STREAM);
	bo_auto_fd int server = -1, client = -1;
	struct timeval patience = { .tv_sec = 30 };
	uint8_t data[65536];
	pthread_t sender;
	size_t at = 0;
	ssize_t n;

	assert_int_equal(listen(listener, 1), 0);
	client = dial(rig, family, SOCK_STREAM);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	assert_int_equal(pthread_create(&sender, NULL, send_stream, &client), 0);
	while ((n = recv(server, data, sizeof(data), 0)) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			if (data[i] != at / 1000 % 251)
				fail_msg("byte %zu is wrong", at);
	if (n < 0)
		shutdown(client, SHUT_RDWR);
	pthread_join(sender, NULL);
	assert_int_equal(at, 2000000);
}

static void damaged_segments_never_reach_the_application(void **state)
{
	const struct rig *rig = *state;
	long corrupted;

	for (size_t f = 0; f < 2; f++) {
		impair(rig, (struct bo_impair){ .corrupt.ppm = 20000 });
		stream(rig, families[f]);
		impair(rig, (struct bo_impair){ 0 });
		assert_true(stats_of(rig).corrupted > 5 * (f + 1));
		/* Tcp of snmp counts both families.  A busy kernel may have dropped one or the other
		 * between the device and TCP. */
		corrupted = (long)stats_of(rig).corrupted;
		assert_in_range(tcp_errors(rig), corrupted / 2, corrupted);
	}
}

/* --- duplicates and order --------------------------------------------------------------------- */

static void duplicates_arrive_twice(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int b = listen_on(rig, AF_INET, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET, SOCK_DGRAM);
	int times[100] = { 0 }, once = 0;
	struct bo_wire_stats stats;
	int64_t number;

	impair(rig, (struct bo_impair){ .duplicate.ppm = BO_PPM_ALL });
	for (uint32_t i = 0; i < 100; i++)
		send_number(a, i, 500);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(receive_number(b, 5000), i / 2);
	impair(rig, (struct bo_impair){ 0 });
	stats = stats_of(rig);
	assert_true(stats.duplicated >= 100);
	assert_int_equal(stats.packets_in + stats.duplicated, stats.packets_out + stats.refused);
	/* The copy is damaged on its own account: often just one of the two arrives. */
	impair(rig, (struct bo_impair){ .duplicate.ppm = BO_PPM_ALL, .corrupt.ppm = 500000 });
	for (uint32_t i = 0; i < 100; i++)
		send_number(a, i, 500);
	while (stats_of(rig).packets_in < stats.packets_in + 100)
		usleep(100);
	impair(rig, (struct bo_impair){ 0 });
	send_number(a, 100, 500);
	while ((number = receive_number(b, 5000)) >= 0 && number < 100)
		times[number]++;
	for (int i = 0; i < 100; i++)
		once += times[i] == 1;
	assert_in_range(once, 25, 75);
	/* A TCP receiver is not troubled. */
	impair(rig, (struct bo_impair){ .duplicate.ppm = 200000, .delay_ns = MS, .jitter_ns = MS });
	stream(rig, AF_INET6);
}

static void reordered_arrive_ahead(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int b = listen_on(rig, AF_INET, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET, SOCK_DGRAM);

	impair(rig, (struct bo_impair){
			    .delay_ns = 300 * MS, .reorder.ppm = BO_PPM_ALL, .reorder_gap = 5 });
	for (uint32_t i = 0; i < 20; i++)
		send_number(a, i, 100);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(receive_number(b, 5000), 5 * i + 4);
	for (uint32_t i = 0; i < 20; i++)
		if (i % 5 != 4)
			assert_int_equal(receive_number(b, 5000), i);
	assert_int_equal(stats_of(rig).reordered, 4);
}

static void jitter_overtakes(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int b = listen_on(rig, AF_INET, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET, SOCK_DGRAM);
	bool seen[500] = { false };
	int64_t last = -1, overtaken = 0;

	impair(rig, (struct bo_impair){
			    .delay_ns = 50 * MS, .jitter_ns = 10 * MS, .dist = BO_DIST_NORMAL });
	for (uint32_t i = 0; i < 500; i++)
		send_number(a, i, 100);
	for (int i = 0; i < 500; i++) {
		int64_t number = receive_number(b, 5000);

		assert_true(number >= 0 && number < 500 && !seen[number]);
		seen[number] = true;
		overtaken += number < last;
		last = number;
	}
	assert_true(overtaken > 100);
}

static void trace_paces(void **state)
{
	static const uint32_t at[] = { 5 };
	static const struct bo_trace trace = { "one per 5 ms", at, 1 };
	const struct rig *rig = *state;
	bo_auto_fd int b = listen_on(rig, AF_INET, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET, SOCK_DGRAM);
	int64_t first;

	impair(rig, (struct bo_impair){ .trace = &trace });
	for (uint32_t i = 0; i < 51; i++)
		send_number(a, i, 1472);
	assert_int_equal(receive_number(b, 5000), 0);
	first = bo_now_ns();
	for (uint32_t i = 1; i < 51; i++)
		assert_int_equal(receive_number(b, 5000), i);
	/* 50 chances; reading the first one late makes it look shorter. */
	assert_in_range((bo_now_ns() - first) / MS, 100, 2500);
}

/* All of it together: what went in or was copied is somewhere, and what arrives is whole. */
static void everything_at_once_adds_up(void **state)
{
	const struct rig *rig = *state;
	bo_auto_fd int b = listen_on(rig, AF_INET6, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET6, SOCK_DGRAM);
	int64_t deadline = bo_now_ns() + 30 * BO_NSEC_PER_SEC;
	int64_t number, arrived = 0;
	struct bo_wire_stats stats;

	impair(rig, (struct bo_impair){
			    .delay_ns = 5 * MS,
			    .jitter_ns = 2 * MS,
			    .dist = BO_DIST_PARETONORMAL,
			    .delay_corr_ppm = 250000,
			    .loss = { .model = BO_LOSS_STATE,
				      .p13_ppm = 50000,
				      .p31_ppm = 300000,
				      .p32_ppm = 100000,
				      .p23_ppm = 500000,
				      .p14_ppm = 20000 },
			    .duplicate = { 300000, 250000 },
			    .corrupt = { 100000, 0 },
			    .reorder = { 100000, 0 },
			    .reorder_gap = 3,
			    .rate_bps = 2000000,
			    .rate_overhead = 38,
			    .slot = { .min_ns = MS, .max_ns = 2 * MS, .packets = 20 },
			    .limit_packets = 300,
		    });
	for (uint32_t i = 0; i < 2000; i++)
		send_number(a, i, 400);
	while ((stats = stats_of(rig)).packets_in < 2000)
		usleep(100);
	impair(rig, (struct bo_impair){ 0 });
	send_number(a, 9999, 400);
	while ((number = receive_number(b, 5000)) >= 0 && number != 9999)
		arrived++;
	assert_int_equal(number, 9999);
	do {
		assert_true(bo_now_ns() < deadline);
		stats = stats_of(rig);
	} while (stats.packets_in + stats.duplicated !=
		 stats.packets_out + stats.lost + stats.overflowed + stats.refused);
	assert_true(stats.lost && stats.overflowed && stats.duplicated && stats.corrupted &&
		    stats.reordered);
	assert_in_range(arrived, 1, stats.packets_out - stats.corrupted);
}

/* --- seeds ------------------------------------------------------------------------------------ */

enum { FLOWS = 4, PACKETS = 150 };

/** one_run() - which packets of which connection arrive, and how often; the ports are the kernel's
 * choice, and so is which of the flows the thread sees first from one packet to the next */
static void one_run(uint64_t seed, int first_port, uint8_t seen[FLOWS][PACKETS])
{
	struct bo_wire_stats stats = { 0 };
	struct rig rig;
	int a[FLOWS], b;
	int64_t number;

	rig_begin(&rig, seed);
	b = listen_on(&rig, AF_INET, SOCK_DGRAM);
	impair(&rig, (struct bo_impair){
			     .loss = { .model = BO_LOSS_GE,
				       .p_ppm = 100000,
				       .r_ppm = 300000,
				       .bad_loss_ppm = 900000 },
			     .duplicate = { 300000, 300000 },
		     });
	for (int i = 0; i < FLOWS; i++) {
		struct sockaddr_storage addr;
		socklen_t len = wire_netns_address(1, AF_INET, PORT, &addr);
		struct sockaddr_in own = { .sin_family = AF_INET,
					   .sin_port = htons((uint16_t)(first_port - i)) };

		a[i] = wire_netns_socket(&rig.net, 0, AF_INET, SOCK_DGRAM, 0);
		assert_true(a[i] >= 0);
		assert_int_equal(bind(a[i], (struct sockaddr *)&own, sizeof(own)), 0);
		assert_int_equal(connect(a[i], (struct sockaddr *)&addr, len), 0);
		send_number(a[i], (uint32_t)(i * PACKETS), 100); /* the order of connections */
	}
	for (uint32_t n = 1; n < PACKETS; n++)
		for (int i = 0; i < FLOWS; i++) {
			int flow = first_port % 2 ? i : FLOWS - 1 - i;

			send_number(a[flow], (uint32_t)flow * PACKETS + n, 100);
		}
	while (stats.packets_in < FLOWS * PACKETS)
		stats = stats_of(&rig);
	impair(&rig, (struct bo_impair){ 0 });
	send_number(a[0], 9999, 100);
	while ((number = receive_number(b, 5000)) >= 0 && number != 9999)
		seen[number / PACKETS][number % PACKETS]++;
	assert_int_equal(number, 9999);
	for (int i = 0; i < FLOWS; i++)
		close(a[i]);
	close(b);
	rig_end(&rig);
}

static void two_runs_have_the_same_fates(void **state)
{
	uint8_t seen[3][FLOWS][PACKETS] = { { { 0 } } };
	int lost = 0, twice = 0;

	(void)state;
	one_run(42, 30001, seen[0]);
	one_run(42, 50002, seen[1]);
	one_run(43, 30001, seen[2]);
	for (int i = 0; i < FLOWS * PACKETS; i++) {
		lost += !((uint8_t *)seen[0])[i];
		twice += ((uint8_t *)seen[0])[i] == 2;
	}
	assert_in_range(lost, 50, 300);
	assert_in_range(twice, 30, 200);
	assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
	assert_memory_not_equal(seen[0], seen[2], sizeof(seen[0]));
	assert_memory_not_equal(seen[0][0], seen[0][1], PACKETS);
}

/* --- replay ----------------------------------------------------------------------------------- */

enum { SEGMENT = 1000, SEGMENTS = 40, SUPERS = 10 };

/** send_supers() - as the sending kernel hands them over, uncut; which of the datagrams arrive */
static void send_supers(struct rig *rig, struct bo_impair im, bool seen[SUPERS * SEGMENTS])
{
	static uint8_t data[SEGMENTS * SEGMENT];
	bo_auto_fd int b = listen_on(rig, AF_INET, SOCK_DGRAM);
	bo_auto_fd int a = dial(rig, AF_INET, SOCK_DGRAM);
	int segment = SEGMENT;
	int64_t number;

	impair(rig, im);
	assert_int_equal(setsockopt(a, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	for (uint32_t n = 0; n < SUPERS * SEGMENTS; n++) {
		memcpy(data + n % SEGMENTS * SEGMENT, &n, sizeof(n));
		if ((n + 1) % SEGMENTS == 0)
			assert_int_equal(send(a, data, sizeof(data), 0), sizeof(data));
	}
	while (stats_of(rig).packets_in < SUPERS * SEGMENTS)
		usleep(100);
	impair(rig, (struct bo_impair){ 0 });
	send_number(a, 9999, 100);
	while ((number = receive_number(b, 5000)) >= 0 && number != 9999)
		seen[number] = true;
	assert_int_equal(number, 9999);
}

/* What was drawn for a packet is a packet's when it is replayed, too, on a link that would now carry it uncut. */
static void replayed_fates_are_of_packets(void **state)
{
	static bool seen[2][SUPERS * SEGMENTS];
	char path[] = "/tmp/replay-XXXXXX";
	bo_auto_fd int fd = mkstemp(path);
	struct bo_record_conf conf = {
		.fd = dup(fd), .a = "a", .b = "b", .seed = 1, .snaplen = 40, .limit_bytes = 1 << 30
	};
	struct bo_record *record = NULL;
	struct bo_replay *replay = NULL;
	struct bo_replay_stats stats;
	struct bo_err err = { 0 };
	struct rig rig;
	int lost = 0;

	(void)state;
	assert_int_equal(bo_record_new(&record, &conf, &err), 0);
	rig_begin(&rig, 1);
	bo_wire_record(rig.wire, record);
	send_supers(&rig, (struct bo_impair){ .loss.random.ppm = 200000 }, seen[0]);
	rig_end(&rig);
	bo_record_free(record);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(bo_replay_load(&replay, fd, path, &err), 0);
	unlink(path);
	rig_begin(&rig, 2);
	bo_wire_replay(rig.wire, replay);
	send_supers(&rig, (struct bo_impair){ .delay_ns = MS }, seen[1]);
	rig_end(&rig);
	bo_replay_stats(replay, &stats);
	for (int i = 0; i < SUPERS * SEGMENTS; i++)
		lost += !seen[0][i];
	assert_in_range(lost, 20, 200);
	assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
	assert_int_equal(stats.hits, SUPERS * SEGMENTS);
	bo_replay_free(replay);
}

#define NET_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(damaged_datagrams_are_dropped_for_their_checksum),
		NET_TEST(damaged_pings_are_dropped_for_their_checksum),
		NET_TEST(damaged_segments_never_reach_the_application),
		NET_TEST(duplicates_arrive_twice),
		NET_TEST(reordered_arrive_ahead),
		NET_TEST(jitter_overtakes),
		NET_TEST(trace_paces),
		NET_TEST(everything_at_once_adds_up),
		cmocka_unit_test(two_runs_have_the_same_fates),
		cmocka_unit_test(replayed_fates_are_of_packets),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
