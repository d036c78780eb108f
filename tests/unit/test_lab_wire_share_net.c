/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_share_net.c — a share of the connections between two real network namespaces: each is hit or
 * not as its sockets see it, the same ones with the same seed.  Privilege: root or user namespaces; exits 77 without. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/lab/wire.h"
#include "wire_netns.h"

#define PORT 7000
#define CONNS 100
#define SHARE_PPM 400000
/* 4 standard deviations of 40 of 100 */
#define FEWEST 20
#define MOST 60
#define PATIENCE_MS 10000

static const int families[] = { AF_INET, AF_INET6 };

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
	int family, type;
	int server;
};

static void rig_up(struct rig *rig, int family, int type, uint64_t seed, uint64_t link)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, family, PORT, &addr);
	struct bo_err err = { 0 };

	*rig = (struct rig){ .family = family, .type = type };
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), seed, link, &err),
			 0);
	assert_int_equal(bo_wire_rules_set(rig->wire, NULL, 0, &err), 0);
	rig->server = wire_netns_socket(&rig->net, 1, family, type, 0);
	assert_true(rig->server >= 0);
	assert_int_equal(bind(rig->server, (struct sockaddr *)&addr, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(rig->server, CONNS), 0);
}

static void rig_down(struct rig *rig)
{
	bo_close(&rig->server);
	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
}

static void force(const struct rig *rig, enum bo_conn_action action)
{
	struct bo_conn_rule rule = {
		.id = 1,
		.action = action,
		.dirs = 3,
		.protocol = rig->type == SOCK_STREAM ? BO_CONN_TCP : BO_CONN_UDP,
		.port = PORT,
		.age = action == BO_CONN_RESET ? BO_CONN_ESTABLISHED : BO_CONN_NEW,
		.share_ppm = SHARE_PPM,
		.salt = 5,
	};
	struct bo_err err = { 0 };

	if (bo_wire_rules_set(rig->wire, &rule, 1, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct bo_conn_counts counts(const struct rig *rig)
{
	struct bo_conn_counts c = { 0 };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_rules_read(rig->wire, 1, &c, &err), 0);
	return c;
}

/** error_of() - what a socket of the client meets: 0 when the server has it (of datagrams: has the datagram) */
static int error_of(const struct rig *rig, int fd)
{
	bool stream = rig->type == SOCK_STREAM;
	struct pollfd p[2] = { { .fd = fd, .events = stream ? POLLOUT : POLLIN },
			       { .fd = stream ? -1 : rig->server, .events = POLLIN } };
	int error = 0;
	socklen_t len = sizeof(error);
	char buffer[16];

	assert_true(poll(p, 2, PATIENCE_MS) > 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	if (p[1].revents & POLLIN)
		assert_int_equal(recv(rig->server, buffer, sizeof(buffer), 0), 5);
	/* Either, and never both. */
	if (!stream)
		assert_int_equal(!error, !!(p[1].revents & POLLIN));
	return error;
}

static int client(const struct rig *rig)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, PORT, &addr);
	int fd = wire_netns_socket(&rig->net, 0, rig->family, rig->type | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	if (rig->type == SOCK_DGRAM)
		assert_int_equal(send(fd, "query", 5, MSG_NOSIGNAL), 5);
	return fd;
}

/** refused() - which of so many, one after the other, are refused;  Return: how many */
static unsigned int refused(bool hit[CONNS], int family, int type, uint64_t seed, uint64_t link)
{
	unsigned int n = 0;
	struct rig rig;
	int fd[CONNS];

	rig_up(&rig, family, type, seed, link);
	force(&rig, BO_CONN_REFUSE);
	for (int i = 0; i < CONNS; i++) {
		int error;

		fd[i] = client(&rig);
		error = error_of(&rig, fd[i]);
		assert_true(error == 0 || error == ECONNREFUSED);
		n += hit[i] = error;
	}
	/* Not before: datagrams from a port that is given out again are of the flow that was there. */
	for (int i = 0; i < CONNS; i++)
		bo_close(&fd[i]);
	assert_int_equal(counts(&rig).connections, n);
	assert_int_equal(counts(&rig).spared, CONNS - n);
	assert_int_equal(counts(&rig).escaped, 0);
	rig_down(&rig);
	return n;
}

static void the_same_are_refused_with_the_same_seed(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	bool first[CONNS], again[CONNS];

	(void)state;
	for (int i = 0; i < 4; i++) {
		int family = families[i % 2], type = types[i / 2];

		assert_in_range(refused(first, family, type, 1, 1), FEWEST, MOST);
		assert_in_range(refused(again, family, type, 1, 1), FEWEST, MOST);
		assert_memory_equal(first, again, sizeof(first));
		assert_in_range(refused(again, family, type, 2, 1), FEWEST, MOST);
		assert_memory_not_equal(first, again, sizeof(first));
		assert_in_range(refused(again, family, type, 1, 2), FEWEST, MOST);
		assert_memory_not_equal(first, again, sizeof(first));
	}
}

/** reads() - what comes next at a socket: bytes, 0 for the end, or an errno below 0 */
static ssize_t reads(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buffer[16];
	ssize_t n;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = recv(fd, buffer, sizeof(buffer), 0);
	return n < 0 ? -errno : n;
}

/* Those that would have been refused, had the fault been there when they came: a draw does not hang on when it is made. */
static void live_ones_are_reset_or_go_on(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		bool hit[CONNS];
		unsigned int n = refused(hit, families[f], SOCK_STREAM, 1, 1);
		int fd[CONNS][2];
		struct rig rig;

		rig_up(&rig, families[f], SOCK_STREAM, 1, 1);
		for (int i = 0; i < CONNS; i++) {
			fd[i][0] = client(&rig);
			assert_int_equal(error_of(&rig, fd[i][0]), 0);
			fd[i][1] = accept4(rig.server, NULL, NULL, SOCK_CLOEXEC);
			assert_true(fd[i][1] >= 0);
		}
		force(&rig, BO_CONN_RESET);
		assert_int_equal(counts(&rig).connections, n);
		assert_int_equal(counts(&rig).spared, CONNS - n);
		for (int i = 0; i < CONNS; i++) {
			for (int end = 0; end < 2 && !hit[i]; end++)
				assert_int_equal(send(fd[i][end], "x", 1, MSG_NOSIGNAL), 1);
			for (int end = 0; end < 2; end++)
				assert_int_equal(reads(fd[i][end]), hit[i] ? -ECONNRESET : 1);
		}
		assert_int_equal(counts(&rig).survived, 0);
		for (int i = 0; i < CONNS; i++) {
			bo_close(&fd[i][0]);
			bo_close(&fd[i][1]);
		}
		rig_down(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_are_refused_with_the_same_seed),
		cmocka_unit_test(live_ones_are_reset_or_go_on),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
