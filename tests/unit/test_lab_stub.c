/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_lab_stub.c — the built-in dependency over loopback: right answers, and each way of being wrong.
 * Owns: one stub in a thread per test.  Threads: the stub's.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/lab/stub.h"

#define MS BO_NSEC_PER_MSEC

static struct bo_stub_spec spec;
static struct bo_stub *stub;
static pthread_t thread;
static int stop_fd;

static void *run(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)bo_stub_run(stub, stop_fd, NULL);
}

static void begin(struct bo_stub_spec s)
{
	struct bo_err err = { 0 };

	spec = s;
	stop_fd = eventfd(0, 0);
	if (bo_stub_new(&stub, &spec, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void end(void)
{
	uint64_t one = 1;
	void *rc;

	assert_int_equal(write(stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	bo_stub_free(stub);
	close(stop_fd);
}

static int dial(int family)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)bo_stub_port(stub)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)bo_stub_port(stub)),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, family == AF_INET ? (void *)&in4 : (void *)&in6,
		    family == AF_INET ? sizeof(in4) : sizeof(in6)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Read until @until has come, or the end, or @patience_ms of silence.  Return: how it ended */
enum ending { FOUND, CLOSED, RESET, SILENT };
static enum ending hear(int fd, const char *until, int patience_ms, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (len + 1 < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (until && strstr(buf, until))
			return FOUND;
		if (poll(&p, 1, patience_ms) == 0)
			return SILENT;
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			return n == 0 ? CLOSED : RESET;
		len += (size_t)n;
		buf[len] = '\0';
	}
	return FOUND;
}

static void http_keeps_alive_and_pipelines(void **state)
{
	char buf[8192];
	int fd;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_HTTP, .status = 201, .body = "the body" });
	fd = dial(AF_INET);
	for (int i = 0; i < 3; i++) {
		say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_int_equal(hear(fd, "the body", 5000, buf, sizeof(buf)), FOUND);
		assert_non_null(strstr(buf, "HTTP/1.1 201 "));
		assert_non_null(strstr(buf, "Content-Length: 8\r\n"));
	}
	/* a header in pieces, a body that is thrown away, and the next request right behind it */
	say(fd, "POST / HT");
	say(fd, "TP/1.1\r\ncontent-length:  5\r");
	say(fd, "\n\r\n12");
	say(fd, "345GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
	assert_int_equal(hear(fd, NULL, 5000, buf, sizeof(buf)), CLOSED);
	assert_non_null(strstr(strstr(buf, "the body") + 1, "the body"));
	assert_non_null(strstr(buf, "Connection: close\r\n"));
	close(fd);
	end();
}

static void lines_over_both_families(void **state)
{
	char buf[256];
	int fd;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_TCP, .body = "pong" });
	for (int i = 0; i < 2; i++) {
		fd = dial(i == 0 ? AF_INET : AF_INET6);
		if (fd < 0 && i == 1)
			continue; /* a machine without IPv6 */
		say(fd, "one\ntwo\n");
		assert_int_equal(hear(fd, "pong\npong\n", 5000, buf, sizeof(buf)), FOUND);
		close(fd);
	}
	end();
}

static void delay_is_per_request_not_per_server(void **state)
{
	enum { N = 200 };
	int64_t from, took;
	char buf[256];
	int fd[N];

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_TCP, .body = "late", .delay_ns = 100 * MS });
	for (int i = 0; i < N; i++)
		fd[i] = dial(AF_INET);
	from = bo_now_ns();
	for (int i = 0; i < N; i++)
		say(fd[i], "x\n");
	for (int i = 0; i < N; i++)
		assert_int_equal(hear(fd[i], "late\n", 10000, buf, sizeof(buf)), FOUND);
	took = bo_now_ns() - from;
	assert_true(took >= 100 * MS);
	assert_true(took < N * 100 * MS / 4); /* one after the other would be 20 s */
	for (int i = 0; i < N; i++)
		close(fd[i]);
	end();
}

static void clients_that_leave_while_it_waits(void **state)
{
	struct linger now = { .l_onoff = 1 };
	char buf[256];
	int fd;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_TCP, .body = "late", .delay_ns = 30 * MS });
	for (int i = 0; i < 50; i++) {
		fd = dial(AF_INET);
		say(fd, "x\nx\nx\n");
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* by RST */
		close(fd);
	}
	fd = dial(AF_INET);
	say(fd, "x\n");
	assert_int_equal(hear(fd, "late\n", 5000, buf, sizeof(buf)), FOUND);
	/* a half-closed client still gets its answer */
	say(fd, "y\n");
	shutdown(fd, SHUT_WR);
	assert_int_equal(hear(fd, NULL, 5000, buf, sizeof(buf)), CLOSED);
	assert_string_equal(buf, "late\n");
	close(fd);
	end();
}

static void error_reset_and_stall(void **state)
{
	const char *get = "GET / HTTP/1.1\r\n\r\n";
	char buf[1024];
	int fd;

	(void)state;
	begin((struct bo_stub_spec){
		.proto = BO_STUB_HTTP, .mode = BO_STUB_ERROR, .body = "sorry" });
	fd = dial(AF_INET);
	say(fd, get);
	assert_int_equal(hear(fd, "sorry", 5000, buf, sizeof(buf)), FOUND);
	assert_non_null(strstr(buf, "HTTP/1.1 500 "));
	close(fd);
	end();
	begin((struct bo_stub_spec){
		.proto = BO_STUB_TCP, .mode = BO_STUB_ERROR, .body = "sorry" });
	fd = dial(AF_INET);
	say(fd, "x\n");
	assert_int_equal(hear(fd, NULL, 5000, buf, sizeof(buf)), CLOSED);
	assert_string_equal(buf, "");
	close(fd);
	end();
	begin((struct bo_stub_spec){ .proto = BO_STUB_HTTP, .mode = BO_STUB_RESET });
	fd = dial(AF_INET);
	say(fd, get);
	assert_int_equal(hear(fd, NULL, 5000, buf, sizeof(buf)), RESET);
	close(fd);
	end();
	begin((struct bo_stub_spec){
		.proto = BO_STUB_HTTP, .mode = BO_STUB_STALL, .body = "never whole" });
	fd = dial(AF_INET);
	say(fd, get);
	assert_int_equal(hear(fd, "never whole", 200, buf, sizeof(buf)), SILENT);
	assert_true(strlen(buf) > 10);
	close(fd);
	end();
}

static void what_is_no_http(void **state)
{
	static char big[70000];
	char buf[1024];
	int fd;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_HTTP, .body = "x" });
	fd = dial(AF_INET);
	say(fd, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(hear(fd, NULL, 5000, buf, sizeof(buf)), CLOSED);
	assert_non_null(strstr(buf, " 411 "));
	close(fd);
	fd = dial(AF_INET);
	memset(big, 'a', sizeof(big) - 1);
	(void)!send(fd, big, sizeof(big) - 1, MSG_NOSIGNAL);
	assert_true(hear(fd, NULL, 5000, buf, sizeof(buf)) !=
		    SILENT); /* a header without end: closed */
	close(fd);
	end();
}

static void a_port_in_use(void **state)
{
	struct bo_stub *second = NULL;
	struct bo_err err = { 0 };
	struct bo_stub_spec same;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_TCP });
	same = (struct bo_stub_spec){ .port = bo_stub_port(stub) };
	assert_int_equal(bo_stub_new(&second, &same, &err), -EADDRINUSE);
	assert_null(second);
	end();
}

static int64_t cpu_of_stub(void)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

/* A service that leaks connections is what this is for: the stub must neither spin nor forget who waits. */
static void out_of_descriptors(void **state)
{
	enum { DIALS = 6, ROOM = 2 };
	struct rlimit limit, few;
	int fd[DIALS], next;
	int64_t before;
	char c;

	(void)state;
	begin((struct bo_stub_spec){ .proto = BO_STUB_TCP, .body = "x" });
	for (int i = 0; i < DIALS; i++)
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)next + ROOM;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < DIALS; i++) {
		struct sockaddr_in at = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)bo_stub_port(stub)),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		assert_int_equal(connect(fd[i], (void *)&at, sizeof(at)), 0);
	}
	before = cpu_of_stub();
	usleep(300000);
	assert_true(cpu_of_stub() - before < 100 * MS);
	for (int i = 0; i < DIALS; i++) {
		say(fd[i], "hello\n");
		assert_int_equal(recv(fd[i], &c, 1, 0), 1);
		close(fd[i]);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_keeps_alive_and_pipelines),
		cmocka_unit_test(lines_over_both_families),
		cmocka_unit_test(delay_is_per_request_not_per_server),
		cmocka_unit_test(clients_that_leave_while_it_waits),
		cmocka_unit_test(error_reset_and_stall),
		cmocka_unit_test(what_is_no_http),
		cmocka_unit_test(a_port_in_use),
		cmocka_unit_test(out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
