/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_sys_fdpass.c — messages and descriptors arrive whole, once, CLOEXEC, or not at all.
 * Owns: sockets.  Threads: none.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/sys/fdpass.h"

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int open_fds(void)
{
	int fd = dup(0);

	close(fd);
	return fd; /* the lowest free one */
}

static void passes_descriptors(void **state)
{
	struct bo_fds out = { .n = BO_FDPASS_MAX }, in = { 0 };
	int ends[2], first = open_fds();
	char buf[8], c;
	pid_t sender = 0;
	int on = 1;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < BO_FDPASS_MAX; i++)
		out.fd[i] = ends[1];
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	assert_int_equal(bo_fdpass_send(pair[0], "hello", 5, &out, NULL), 0);
	assert_int_equal(bo_fdpass_recv(pair[1], buf, sizeof(buf), &in, &sender, 0, NULL), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(in.n, BO_FDPASS_MAX);
	assert_int_equal(sender, getpid());
	for (size_t i = 0; i < in.n; i++) {
		assert_true(fcntl(in.fd[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(write(in.fd[i], "x", 1), 1);
		assert_int_equal(read(ends[0], &c, 1), 1);
	}
	bo_fds_close(&in);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(open_fds(), first); /* none leaked */
}

static void closes_what_nobody_wants(void **state)
{
	struct bo_fds out = { .fd = { 0, 0 }, .n = 2 };
	int first = open_fds();
	char buf[2];

	(void)state;
	assert_int_equal(bo_fdpass_send(pair[0], "ab", 2, &out, NULL), 0);
	assert_int_equal(bo_fdpass_recv(pair[1], buf, 2, NULL, NULL, 0, NULL), 2);
	assert_int_equal(open_fds(), first);
	/* a message that does not fit is refused, and its descriptors are closed */
	assert_int_equal(bo_fdpass_send(pair[0], "abc", 3, &out, NULL), 0);
	assert_int_equal(bo_fdpass_recv(pair[1], buf, 2, &out, NULL, 0, NULL), -EMSGSIZE);
	assert_int_equal(open_fds(), first);
}

static void tells_the_end(void **state)
{
	struct bo_err err = { 0 };
	char buf[4];

	(void)state;
	assert_int_equal(bo_fdpass_recv(pair[1], buf, 4, NULL, NULL, MSG_DONTWAIT, &err), -EAGAIN);
	close(pair[0]);
	pair[0] = -1;
	assert_int_equal(bo_fdpass_recv(pair[1], buf, 4, NULL, NULL, 0, NULL), 0);
	/* EPIPE as a value; SIGPIPE would end this test */
	assert_int_equal(bo_fdpass_send(pair[1], "a", 1, NULL, &err), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_descriptors, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(closes_what_nobody_wants, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(tells_the_end, open_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
