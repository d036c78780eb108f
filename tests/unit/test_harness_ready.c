/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness: whoever waits is heard while an attempt lasts, and can end it.
 * Owns: a listening socket per test.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "harness/ready.h"

#define PATIENCE_NS (2 * BO_NSEC_PER_SEC)

struct waiter {
	int calls;
	int enough; /* ends the attempt at this call; 0 never */
	int64_t last_ns;
	int64_t longest_ns;
};

static const struct bo_ready_way way = { .address = "127.0.0.1" };

static int idle(void *self, struct bo_err *err)
{
	struct waiter *w = self;
	int64_t now = bo_now_ns();

	(void)err;
	if (w->last_ns && now - w->last_ns > w->longest_ns)
		w->longest_ns = now - w->last_ns;
	w->last_ns = now;
	return ++w->calls == w->enough ? -1 : 0;
}

/* accepts into its backlog and never answers */
static int stalled(int *ret_port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static void http_that_stalls(void **state)
{
	struct waiter w = { 0 };
	const struct bo_ready_idle hook = { idle, &w };
	char url[64], why[256] = "";
	int port, fd = stalled(&port);
	int64_t began = bo_now_ns();

	(void)state;
	snprintf(url, sizeof(url), "http://web:%d/healthz", port);
	assert_false(bo_ready_http(url, &way, PATIENCE_NS, &hook, why, sizeof(why)));
	assert_true(bo_now_ns() - began >= PATIENCE_NS / 2);
	/* 40 times, where nothing else is going on; a guard asks for 4 a second */
	assert_true(w.calls >= 8);
	assert_non_null(strstr(why, url));
	close(fd);
}

static void ended_by_the_waiter(void **state)
{
	struct waiter w = { .enough = 2 };
	const struct bo_ready_idle hook = { idle, &w };
	char url[64], why[256] = "";
	int port, fd = stalled(&port);
	int64_t began = bo_now_ns();

	(void)state;
	snprintf(url, sizeof(url), "http://web:%d/healthz", port);
	assert_false(bo_ready_http(url, &way, 30 * PATIENCE_NS, &hook, why, sizeof(why)));
	assert_int_equal(w.calls, 2);
	assert_true(bo_now_ns() - began < 15 * PATIENCE_NS);
	close(fd);
}

static void tcp(void **state)
{
	const struct bo_ready_idle none = { 0 };
	char why[256] = "";
	int port, fd = stalled(&port);

	(void)state;
	assert_true(bo_ready_tcp("127.0.0.1", port, PATIENCE_NS, &none, why, sizeof(why)));
	close(fd);
	assert_false(bo_ready_tcp("127.0.0.1", port, PATIENCE_NS, &none, why, sizeof(why)));
	assert_non_null(strstr(why, "refused"));
}

static int unix_listener(const char *path, int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void *answer_once(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char head[1024];

	if (fd >= 0 && recv(fd, head, sizeof(head) - 1, 0) > 0)
		(void)!write(fd, "HTTP/1.1 204 No Content\r\n\r\n", 27);
	close(fd);
	return NULL;
}

static void unix_sockets(void **state)
{
	char dir[] = "/tmp/ready-XXXXXX", path[64], why[256] = "";
	struct bo_ready_way over = { .socket = "/app.sock" };
	pthread_t server;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/app.sock", dir);
	over.root_fd = open(dir, O_PATH | O_CLOEXEC);
	assert_false(bo_ready_unix(over.root_fd, "/app.sock", why, sizeof(why)));
	assert_string_equal(why, "socket /app.sock: No such file or directory");
	assert_false(bo_ready_http("http://app/", &over, PATIENCE_NS, NULL, why, sizeof(why)));
	assert_string_equal(why, "socket /app.sock: No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(bo_ready_unix(over.root_fd, "/app.sock", why, sizeof(why)));
	assert_string_equal(why, "socket /app.sock: it is no socket");
	unlink(path);
	fd = unix_listener(path, 8);
	assert_true(bo_ready_unix(over.root_fd, "/app.sock", why, sizeof(why)));
	close(accept(fd, NULL, NULL));
	assert_int_equal(pthread_create(&server, NULL, answer_once, &fd), 0);
	assert_true(bo_ready_http("http://app/", &over, PATIENCE_NS, &(struct bo_ready_idle){ 0 },
				  why, sizeof(why)));
	pthread_join(server, NULL);
	close(fd);
	assert_false(bo_ready_unix(over.root_fd, "/app.sock", why, sizeof(why)));
	assert_string_equal(why, "socket /app.sock: Connection refused");
	unlink(path);
	close(over.root_fd);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(http_that_stalls),
						   cmocka_unit_test(ended_by_the_waiter),
						   cmocka_unit_test(tcp),
						   cmocka_unit_test(unix_sockets) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
