/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_conns_net.c — rules on connections between two real network namespaces: the kernels at both
 * ends must take the resets, and must get what passes byte by byte.  Privilege: root or user namespaces; exits 77
 * without. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define MS BO_NSEC_PER_MSEC
#define PORT 7000
#define BOTH 3u
#define PATIENCE_MS 10000

static const int families[] = { AF_INET, AF_INET6 };

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
	int family;
	int listener;
};

static void listen_again(struct rig *rig, int family)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, PORT, &addr);
	int on = 1;

	bo_close(&rig->listener);
	rig->family = family;
	rig->listener = wire_netns_socket(&rig->net, 1, family, SOCK_STREAM, 0);
	assert_true(rig->listener >= 0);
	assert_int_equal(setsockopt(rig->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(rig->listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(rig->listener, 100), 0);
}

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bo_err err = { 0 };

	assert_non_null(rig);
	rig->listener = -1;
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), 1, 1, &err),
			 0);
	assert_int_equal(bo_wire_rules_set(rig->wire, NULL, 0, &err), 0);
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_close(&rig->listener);
	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
	free(rig);
	return 0;
}

static void force(const struct rig *rig, struct bo_conn_rule rule)
{
	struct bo_err err = { 0 };

	rule.id = 1;
	rule.dirs = rule.dirs ? rule.dirs : BOTH;
	if (bo_wire_rules_set(rig->wire, &rule, 1, &err) < 0)
		fail_msg("%s", err.msg);
}

static void lift(const struct rig *rig)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_rules_set(rig->wire, NULL, 0, &err), 0);
}

static struct bo_conn_counts counts(const struct rig *rig)
{
	struct bo_conn_counts c = { 0 };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_rules_read(rig->wire, 1, &c, &err), 0);
	return c;
}

/** client() - a socket of end a that is on its way to the listener, or has been refused */
static int client(const struct rig *rig)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, PORT, &addr);
	int fd = wire_netns_socket(&rig->net, 0, rig->family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/** outcome() - of a connect: 0, an errno, or -1 when there is none in time */
static int outcome(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, timeout_ms) != 1)
		return -1;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

/** struct pair - a connection: [0] is the client's socket at a, [1] the server's at b, both non-blocking */
struct pair {
	int fd[2];
};

static struct pair connected(const struct rig *rig)
{
	struct pollfd p = { .fd = rig->listener, .events = POLLIN };
	struct pair pair = { .fd = { client(rig), -1 } };

	assert_int_equal(outcome(pair.fd[0], PATIENCE_MS), 0);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	pair.fd[1] = accept4(rig->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(pair.fd[1] >= 0);
	return pair;
}

/** pair_done() - at once, by RST: a FIN that a rule drops would be sent again, and be counted by the next rule */
static void pair_done(struct pair *pair)
{
	const struct linger now = { .l_onoff = 1 };

	for (int end = 0; end < 2; end++)
		(void)setsockopt(pair->fd[end], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	bo_close(&pair->fd[0]);
	bo_close(&pair->fd[1]);
}

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/** ends_with() - how the stream ends, after whatever is still in it: 0 for EOF, an errno, -1 for not in time
 * @ret_bytes: what was in it */
static int ends_with(int fd, size_t *ret_bytes)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buffer[65536];

	*ret_bytes = 0;
	for (;;) {
		ssize_t n;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			return -1;
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN)
			return errno;
		*ret_bytes += n > 0 ? (size_t)n : 0;
	}
}

static void ends_reset(int fd)
{
	size_t bytes;

	assert_int_equal(ends_with(fd, &bytes), ECONNRESET);
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)('a' + at % 23);
}

/** fill() - as much of a known stream as the socket takes, up to @bytes;  Return: bytes */
static size_t fill(int fd, size_t bytes)
{
	static uint8_t stream[1 << 20];
	size_t at = 0;

	for (size_t i = 0; i < bytes; i++)
		stream[i] = byte_at(i);
	while (at < bytes) {
		ssize_t n = send(fd, stream + at, bytes - at, MSG_NOSIGNAL);

		if (n < 0)
			break;
		at += (size_t)n;
	}
	return at;
}

/** take() - read the known stream from @at on, until @until, or nothing comes for @quiet_ms;  Return: where it is */
static size_t take(int fd, size_t at, size_t until, int quiet_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t buffer[4096];

	while (at < until && poll(&p, 1, quiet_ms) == 1) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++, at++)
			if (buffer[i] != byte_at(at))
				fail_msg("byte %zu differs", at);
	}
	return at;
}

/** wait_dropped() - until the rule has dropped something */
static void wait_dropped(const struct rig *rig)
{
	int64_t deadline = bo_now_ns() + PATIENCE_MS * MS;

	while (!counts(rig).dropped) {
		assert_true(bo_now_ns() < deadline);
		usleep(1000);
	}
}

/* --- reset ------------------------------------------------------------------------------------ */

static const struct bo_conn_rule reset = {
	.action = BO_CONN_RESET, .protocol = BO_CONN_TCP, .port = PORT, .age = BO_CONN_ESTABLISHED
};

static void idle_connections_are_reset_at_both_ends(void **state)
{
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair pairs[20], fresh;

		listen_again(rig, families[f]);
		for (size_t i = 0; i < 20; i++) {
			pairs[i] = connected(rig);
			put(pairs[i].fd[0], "query", i % 3);
			put(pairs[i].fd[1], "answer", i % 4);
		}
		force(rig, reset);
		for (size_t i = 0; i < 20; i++) {
			ends_reset(pairs[i].fd[0]);
			ends_reset(pairs[i].fd[1]);
			pair_done(&pairs[i]);
		}
		assert_int_equal(counts(rig).connections, 20);
		assert_int_equal(counts(rig).survived, 0);
		/* Whoever dials again is served. */
		fresh = connected(rig);
		put(fresh.fd[0], "x", 1);
		assert_int_equal(poll(&(struct pollfd){ .fd = fresh.fd[1], .events = POLLIN }, 1,
				      PATIENCE_MS),
				 1);
		pair_done(&fresh);
		lift(rig);
	}
}

static void busy_connections_are_reset_with_packets_under_way(void **state)
{
	struct rig *rig = *state;
	struct bo_err err = { 0 };
	struct bo_impair slow = { .delay_ns = 20 * MS };

	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_A_TO_B, &slow, &err), 0);
	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_B_TO_A, &slow, &err), 0);
	for (size_t f = 0; f < 2; f++) {
		struct pair pair;

		listen_again(rig, families[f]);
		pair = connected(rig);
		(void)fill(pair.fd[0], 1 << 20);
		(void)take(pair.fd[1], 0, 20000, PATIENCE_MS);
		force(rig, reset);
		ends_reset(pair.fd[1]);
		ends_reset(pair.fd[0]);
		assert_int_equal(counts(rig).survived, 0);
		pair_done(&pair);
		lift(rig);
	}
}

static void one_end_is_told_and_tells_the_other(void **state)
{
	struct rig *rig = *state;

	for (size_t f = 0; f < 4; f++) {
		int told = (int)f / 2;
		struct bo_conn_rule rule = reset;
		struct pair pair;

		listen_again(rig, families[f % 2]);
		pair = connected(rig);
		rule.ends = told ? BO_CONN_RESPONDER : BO_CONN_INITIATOR;
		force(rig, rule);
		ends_reset(pair.fd[told]);
		assert_int_equal(
			poll(&(struct pollfd){ .fd = pair.fd[!told], .events = POLLIN }, 1, 0), 0);
		put(pair.fd[!told], "are you there?", 14);
		ends_reset(pair.fd[!told]);
		assert_int_equal(counts(rig).survived, 0);
		pair_done(&pair);
		lift(rig);
	}
}

/* What is written in one go leaves as a super-packet, so the text lies in the middle of one, and across two of the
 * segments that it becomes. */
static void the_second_statement_ends_its_connection(void **state)
{
	static char script[8000];
	struct rig *rig = *state;

	memset(script, '.', sizeof(script));
	memcpy(script + 100, "UPDATE", 6);
	for (size_t at = 1380; at < 1500; at += 6) /* somewhere in here a segment ends */
		memcpy(script + 3000 + at, "UPDATE", 6);
	for (size_t f = 0; f < 2; f++) {
		struct pair pair;
		size_t got, first;

		listen_again(rig, families[f]);
		pair = connected(rig);
		force(rig, (struct bo_conn_rule){ .action = BO_CONN_RESET,
						  .protocol = BO_CONN_TCP,
						  .port = PORT,
						  .contains = "UPDATE",
						  .contains_len = 6,
						  .occurrence = 2 });
		put(pair.fd[0], script, sizeof(script));
		first = 3000 + 1380;
		assert_int_equal(ends_with(pair.fd[1], &got), ECONNRESET);
		/* The first one came through, the second one did not. */
		assert_in_range(got, 106, first + 5);
		ends_reset(pair.fd[0]);
		assert_int_equal(counts(rig).connections, 1);
		pair_done(&pair);
		lift(rig);
	}
}

/* --- connecting ------------------------------------------------------------------------------- */

static void refused(void **state)
{
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair old, fresh;

		listen_again(rig, families[f]);
		old = connected(rig);
		force(rig, (struct bo_conn_rule){ .action = BO_CONN_REFUSE,
						  .protocol = BO_CONN_TCP,
						  .port = PORT,
						  .age = BO_CONN_NEW,
						  .first = 3 });
		for (int i = 0; i < 3; i++) {
			bo_auto_fd int fd = client(rig);

			assert_int_equal(outcome(fd, PATIENCE_MS), ECONNREFUSED);
		}
		fresh = connected(rig); /* the fourth try */
		put(old.fd[0], "x", 1);
		assert_int_equal(poll(&(struct pollfd){ .fd = old.fd[1], .events = POLLIN }, 1,
				      PATIENCE_MS),
				 1);
		assert_int_equal(counts(rig).connections, 3);
		assert_int_equal(counts(rig).escaped, 0);
		pair_done(&old);
		pair_done(&fresh);
		lift(rig);
	}
}

static void syn_dropped_until_it_is_lifted(void **state)
{
	struct rig *rig = *state;
	struct pair old;

	listen_again(rig, AF_INET6);
	old = connected(rig);
	force(rig, (struct bo_conn_rule){ .action = BO_CONN_DROP,
					  .protocol = BO_CONN_TCP,
					  .packets = BO_CONN_SYN_ONLY,
					  .age = BO_CONN_NEW });
	{
		bo_auto_fd int fd = client(rig);

		wait_dropped(rig);
		assert_int_equal(outcome(fd, 0), -1);
		put(old.fd[1], "x", 1); /* what exists goes on */
		assert_int_equal(poll(&(struct pollfd){ .fd = old.fd[0], .events = POLLIN }, 1,
				      PATIENCE_MS),
				 1);
		assert_int_equal(outcome(fd, 0), -1);
		assert_int_equal(counts(rig).escaped, 0);
		lift(rig);
		assert_int_equal(outcome(fd, PATIENCE_MS), 0); /* the SYN is sent again */
	}
	pair_done(&old);
}

static void half_open(void **state)
{
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair old, fresh;
		char c;

		listen_again(rig, families[f]);
		old = connected(rig);
		force(rig,
		      (struct bo_conn_rule){ .action = BO_CONN_DROP, .age = BO_CONN_ESTABLISHED });
		put(old.fd[0], "x", 1);
		wait_dropped(rig);
		fresh = connected(rig);
		put(fresh.fd[0], "y", 1);
		assert_int_equal(poll(&(struct pollfd){ .fd = fresh.fd[1], .events = POLLIN }, 1,
				      PATIENCE_MS),
				 1);
		assert_int_equal(recv(old.fd[1], &c, 1, 0), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(counts(rig).connections, 1);
		assert_int_equal(counts(rig).escaped, 0);
		pair_done(&old);
		pair_done(&fresh);
		lift(rig);
	}
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void stalled_at_the_byte_and_whole_in_the_end(void **state)
{
	enum { N = 60000, LIMIT = 54321 };
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair pair;

		listen_again(rig, families[f]);
		pair = connected(rig);
		force(rig, (struct bo_conn_rule){
				   .action = BO_CONN_STALL, .port = PORT, .after_bytes = LIMIT });
		assert_int_equal(fill(pair.fd[0], N), N);
		assert_int_equal(take(pair.fd[1], 0, LIMIT, PATIENCE_MS), LIMIT);
		wait_dropped(rig);
		assert_int_equal(take(pair.fd[1], LIMIT, N, 300), LIMIT);
		put(pair.fd[1], "the other way", 13);
		assert_int_equal(poll(&(struct pollfd){ .fd = pair.fd[0], .events = POLLIN }, 1,
				      PATIENCE_MS),
				 1);
		assert_int_equal(counts(rig).passed_bytes, LIMIT + 13);
		assert_int_equal(counts(rig).escaped, 0);
		lift(rig);
		assert_int_equal(take(pair.fd[1], LIMIT, N, PATIENCE_MS), N);
		pair_done(&pair);
	}
}

static void cut_at_the_byte(void **state)
{
	enum { N = 60000, LIMIT = 33333 };
	struct rig *rig = *state;

	for (size_t f = 0; f < 4; f++) {
		bool orderly = f / 2;
		struct pair pair;
		size_t got;

		listen_again(rig, families[f % 2]);
		pair = connected(rig);
		force(rig, (struct bo_conn_rule){ .action = BO_CONN_CUT,
						  .protocol = BO_CONN_TCP,
						  .port = PORT,
						  .after_bytes = LIMIT,
						  .dirs = 1u << BO_DIR_A_TO_B,
						  .orderly = orderly });
		assert_int_equal(fill(pair.fd[0], N), N);
		assert_int_equal(ends_with(pair.fd[1], &got), orderly ? 0 : ECONNRESET);
		assert_int_equal(got, LIMIT);
		if (orderly)
			put(pair.fd[1], "it does not know yet", 20);
		/* The sender reads the end of the stream, or is reset, because it goes on sending. */
		assert_true(ends_with(pair.fd[0], &got) != -1);
		assert_int_equal(got, 0);
		if (orderly) /* what it said then has been answered */
			assert_int_equal(poll(&(struct pollfd){ .fd = pair.fd[1] }, 1, PATIENCE_MS),
					 1);
		assert_int_equal(counts(rig).connections, 1);
		assert_int_equal(counts(rig).escaped, 0);
		pair_done(&pair);
		lift(rig);
	}
}

static void a_drip(void **state)
{
	enum { N = 3000, BYTES = 100, TAKEN = 700 };
	struct rig *rig = *state;
	int64_t every_ns = 100 * MS, start, took;
	struct pair pair;

	listen_again(rig, AF_INET);
	pair = connected(rig);
	force(rig, (struct bo_conn_rule){ .action = BO_CONN_DRIP,
					  .port = PORT,
					  .after_bytes = BYTES,
					  .every_ns = every_ns });
	start = bo_now_ns();
	assert_int_equal(fill(pair.fd[0], N), N);
	assert_int_equal(take(pair.fd[1], 0, TAKEN, PATIENCE_MS) >= TAKEN, 1);
	took = bo_now_ns() - start;
	/* Never faster; slower than twice as slow only when the machine is. */
	assert_true(took >= (TAKEN / BYTES - 1) * every_ns);
	assert_true(counts(rig).passed_bytes <= (uint64_t)(took / every_ns + 2) * BYTES);
	assert_int_equal(counts(rig).escaped, 0);
	assert_true(counts(rig).shortened > 0);
	lift(rig);
	pair_done(&pair);
}

/* A text that lies across two segments of a super-packet: what holds its end is dropped however often it is sent again,
 * and all of it arrives when the rule is gone. */
static void a_text_is_held_up_and_let_go(void **state)
{
	enum { N = 20000 };
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair pair;
		char text[7] = { 0 };
		size_t at;

		listen_again(rig, families[f]);
		pair = connected(rig);
		for (size_t i = 0; i < 6; i++)
			text[i] = (char)byte_at(i + 3);
		force(rig, (struct bo_conn_rule){ .action = BO_CONN_DROP,
						  .port = PORT,
						  .contains = text,
						  .contains_len = 6,
						  .occurrence = 500 });
		assert_int_equal(fill(pair.fd[0], N), N);
		wait_dropped(rig);
		at = take(pair.fd[1], 0, N, 1000);
		/* The 500th begins at 499 × 23 + 3; its segment is dropped, and what is before it came. */
		assert_in_range(at, 499 * 23 + 9 - 1500, 499 * 23 + 8);
		lift(rig);
		assert_int_equal(take(pair.fd[1], at, N, PATIENCE_MS), N);
		pair_done(&pair);
	}
}

/* --- the peer is gone -------------------------------------------------------------------------- */

/* Neither end hears of the other: each finds out by its own keepalives, and nothing else tells it. */
static void keepalives_find_a_half_open_connection(void **state)
{
	static const int once_a_second = 1, twice = 2, on = 1;
	struct rig *rig = *state;
	struct pair pairs[2];
	size_t bytes;

	for (size_t f = 0; f < 2; f++) {
		listen_again(rig, families[f]);
		pairs[f] = connected(rig);
		for (int end = 0; end < 2; end++) {
			int fd = pairs[f].fd[end];

			assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &once_a_second,
						    sizeof(int)),
					 0);
			assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &once_a_second,
						    sizeof(int)),
					 0);
			assert_int_equal(
				setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &twice, sizeof(int)), 0);
			assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)),
					 0);
		}
	}
	force(rig, (struct bo_conn_rule){ .action = BO_CONN_DROP, .age = BO_CONN_ESTABLISHED });
	for (size_t f = 0; f < 2; f++) {
		for (int end = 0; end < 2; end++)
			assert_int_equal(ends_with(pairs[f].fd[end], &bytes), ETIMEDOUT);
		pair_done(&pairs[f]);
	}
	assert_int_equal(counts(rig).connections, 2);
	assert_int_equal(counts(rig).escaped, 0);
	lift(rig);
}

/* --- datagrams -------------------------------------------------------------------------------- */

/** datagrams() - sockets for UDP from a to port @port of b, connected */
static struct pair datagrams(const struct rig *rig, int family, int port)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, port, &addr);
	struct pair pair;

	for (int end = 0; end < 2; end++)
		pair.fd[end] = wire_netns_socket(&rig->net, end, family, SOCK_DGRAM, 0);
	assert_true(pair.fd[0] >= 0 && pair.fd[1] >= 0);
	assert_int_equal(bind(pair.fd[1], (struct sockaddr *)&addr, len), 0);
	assert_int_equal(connect(pair.fd[0], (struct sockaddr *)&addr, len), 0);
	return pair;
}

/** arrives() - is a datagram of so many bytes the next to arrive? */
static void arrives(int fd, size_t bytes)
{
	static char buffer[65536];

	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(fd, buffer, sizeof(buffer), 0), bytes);
}

/** is_refused() - the sender is told */
static void is_refused(int fd)
{
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

static const struct bo_conn_rule refuse_datagrams = { .action = BO_CONN_REFUSE,
						      .protocol = BO_CONN_UDP,
						      .port = PORT };

/* One system call sends ten datagrams, as a super-packet where the kernel has these: each has its answer. */
static void each_datagram_of_a_super_packet_is_refused(void **state)
{
	enum { SEGMENT = 100, N = 10 };
	static const int segment = SEGMENT;
	static const char payload[SEGMENT * N];
	struct rig *rig = *state;

	for (size_t f = 0; f < 2; f++) {
		struct pair pair = datagrams(rig, families[f], PORT);

		assert_int_equal(setsockopt(pair.fd[0], IPPROTO_UDP, UDP_SEGMENT, &segment,
					    sizeof(segment)),
				 0);
		put(pair.fd[0], payload, sizeof(payload));
		for (int i = 0; i < N; i++)
			arrives(pair.fd[1], SEGMENT);
		force(rig, refuse_datagrams);
		put(pair.fd[0], payload, sizeof(payload));
		is_refused(pair.fd[0]);
		for (int i = 0; counts(rig).unreachables < N && i < PATIENCE_MS; i++)
			usleep(1000);
		assert_int_equal(counts(rig).unreachables, N);
		assert_int_equal(counts(rig).dropped, N);
		lift(rig);
		pair_done(&pair);
	}
}

/* The first fragment has the ports: what is done to it is done to the datagram.  What is in later ones is not looked at. */
static void fragments(void **state)
{
	enum { BYTES = 5000 };
	static char payload[BYTES];
	struct rig *rig = *state;

	memcpy(payload + 4000, "UPDATE", 6);
	for (size_t f = 0; f < 2; f++) {
		struct pair hit = datagrams(rig, families[f], PORT);
		struct pair other = datagrams(rig, families[f], PORT + 1);

		force(rig, refuse_datagrams);
		put(hit.fd[0], payload, BYTES);
		is_refused(hit.fd[0]);
		put(other.fd[0], payload, BYTES);
		arrives(other.fd[1], BYTES);
		lift(rig);
		force(rig, (struct bo_conn_rule){ .action = BO_CONN_DROP,
						  .port = PORT,
						  .contains = "UPDATE",
						  .contains_len = 6 });
		put(hit.fd[0], payload, BYTES);
		arrives(hit.fd[1], BYTES);
		put(hit.fd[0], payload + 4000, 500);
		wait_dropped(rig);
		assert_int_equal(counts(rig).dropped, 1);
		lift(rig);
		/* By protocol alone, later fragments are hit as well. */
		force(rig,
		      (struct bo_conn_rule){ .action = BO_CONN_DROP, .protocol = BO_CONN_UDP });
		put(hit.fd[0], payload, BYTES);
		for (int i = 0; counts(rig).dropped < 4 && i < PATIENCE_MS; i++)
			usleep(1000);
		assert_int_equal(counts(rig).dropped, 4);
		assert_int_equal(counts(rig).connections, 1);
		lift(rig);
		pair_done(&hit);
		pair_done(&other);
	}
}

/* Between the headers of IPv6 and UDP are 8 bytes of options for the destination. */
static void behind_extension_headers(void **state)
{
	static const uint8_t options[8] = { 0, 0, 1, 4 }; /* one of padding */
	struct rig *rig = *state;
	struct pair pair = datagrams(rig, AF_INET6, PORT);

	assert_int_equal(
		setsockopt(pair.fd[0], IPPROTO_IPV6, IPV6_DSTOPTS, options, sizeof(options)), 0);
	put(pair.fd[0], "SELECT", 6);
	arrives(pair.fd[1], 6);
	force(rig, refuse_datagrams);
	put(pair.fd[0], "SELECT", 6);
	is_refused(pair.fd[0]);
	lift(rig);
	force(rig, (struct bo_conn_rule){ .action = BO_CONN_DROP,
					  .port = PORT,
					  .contains = "UPDATE",
					  .contains_len = 6 });
	put(pair.fd[0], "UPDATE", 6);
	put(pair.fd[0], "DELETES", 7);
	arrives(pair.fd[1], 7);
	assert_int_equal(counts(rig).dropped, 1);
	lift(rig);
	pair_done(&pair);
}

#define NET_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(idle_connections_are_reset_at_both_ends),
		NET_TEST(busy_connections_are_reset_with_packets_under_way),
		NET_TEST(one_end_is_told_and_tells_the_other),
		NET_TEST(the_second_statement_ends_its_connection),
		NET_TEST(refused),
		NET_TEST(syn_dropped_until_it_is_lifted),
		NET_TEST(half_open),
		NET_TEST(stalled_at_the_byte_and_whole_in_the_end),
		NET_TEST(cut_at_the_byte),
		NET_TEST(a_drip),
		NET_TEST(a_text_is_held_up_and_let_go),
		NET_TEST(keepalives_find_a_half_open_connection),
		NET_TEST(each_datagram_of_a_super_packet_is_refused),
		NET_TEST(fragments),
		NET_TEST(behind_extension_headers),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
