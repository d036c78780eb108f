/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_unix.c — load over a unix socket: every protocol, every way in which there is none, and one that comes
 * back.
 * Owns: a directory below /tmp.  Threads: those of the helpers.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "h2d.h"
#include "test_load_support.h"

static char dir[64], path[128], second[128];
static int root;
static struct h2d h2d;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/load-unix-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/app.sock", dir);
	snprintf(second, sizeof(second), "%s/2", dir);
	root = open(dir, O_PATH | O_DIRECTORY);
	return root < 0 || mkdir(second, 0755);
}

static int teardown(void **state)
{
	(void)state;
	close(root);
	return rmdir(second) || rmdir(dir);
}

static void over(struct trun *t, double rate, int64_t ms)
{
	trun_init(t, NULL, rate, ms);
	t->spec.socket = "/app.sock";
	t->root_fd = root;
}

static void all_are(struct trun *t, size_t n, enum bo_req_class cls, const char *why)
{
	const struct bo_load_record *rec;

	trun_all_are(t, n, cls);
	rec = &t->run->loads.items[0];
	bo_vec_foreach(r, &t->run->requests)
		assert_true(cls == BO_REQ_OK || r->sent_ns == 0);
	if (!why) {
		assert_int_equal(rec->nreasons, 0);
	} else {
		assert_int_equal(rec->nreasons, 1);
		assert_int_equal(rec->reasons[0].count, n);
		assert_int_equal(rec->reasons[0].cls, cls);
		assert_string_equal(rec->reasons[0].text, why);
	}
	trun_done(t);
}

static void serve_h2(struct tserver *s, int fd)
{
	(void)s;
	h2d_serve_socket(&h2d, fd);
}

static void serve_pong(struct tserver *s, int fd)
{
	char buf[5];

	while (recv(fd, buf, sizeof(buf), MSG_WAITALL) == (ssize_t)sizeof(buf)) {
		atomic_fetch_add(&s->requests, 1);
		tserver_say(fd, "+PONG\n");
	}
}

static void stop(struct tserver *s)
{
	tserver_stop(s);
	unlink(path);
}

static void test_http1(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start_unix(&s, tserver_ok, 64, path);
	over(&t, 500, 200);
	all_are(&t, 100, BO_REQ_OK, NULL);
	assert_int_equal(atomic_load(&s.requests), 100);
	assert_true(atomic_load(&s.accepted) < 100); /* kept alive */
	over(&t, 200, 100);
	t.spec.keepalive = false;
	all_are(&t, 20, BO_REQ_OK, NULL);
	assert_true(atomic_load(&s.accepted) >= 20);
	stop(&s);
}

static void test_other_protocols(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	memset(&h2d, 0, sizeof(h2d));
	tserver_start_unix(&s, serve_h2, 64, path);
	over(&t, 200, 100);
	t.spec.protocol = BO_LOAD_HTTP2;
	t.spec.streams = 10;
	t.spec.path = "/ok";
	all_are(&t, 20, BO_REQ_OK, NULL);
	over(&t, 200, 100);
	t.spec.protocol = BO_LOAD_GRPC;
	t.spec.streams = 10;
	t.spec.method = "POST";
	t.spec.path = "/s/Ok";
	all_are(&t, 20, BO_REQ_OK, NULL);
	assert_int_equal(atomic_load(&h2d.requests), 40);
	stop(&s);
	tserver_start_unix(&s, serve_pong, 64, path);
	over(&t, 200, 100);
	t.spec.protocol = BO_LOAD_TCP;
	t.spec.tcp = (struct bo_tcp_spec){
		.send = "PING\n", .send_len = 5, .until = "\n", .until_len = 1
	};
	all_are(&t, 20, BO_REQ_OK, NULL);
	assert_int_equal(atomic_load(&s.requests), 20);
	stop(&s);
}

static void serve_close_idle(struct tserver *s, int fd)
{
	if (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* An idle connection that the service has closed costs no request.  One that it closes while a request is on its way does:
 * what was taken of that cannot be told.  So the service gets longer and longer to close, until it was in time for all. */
static void test_stale(void **state)
{
	size_t ok = 0, n = 1, cut;

	(void)state;
	/* A busy machine does not come to three requests in so short a time, or the end of a connection comes late. */
	for (int64_t think = 10; (ok < n || n < 3) && think <= 640; think *= 4) {
		struct tserver s;
		struct trun t;

		tserver_start_unix(&s, serve_close_idle, 64, path);
		over(&t, 0, 4 * think);
		t.spec.arrivals = BO_ARRIVALS_CLOSED;
		t.spec.clients = 1;
		t.spec.think_ns = think * MS;
		trun_start(&t);
		trun_wait(&t, 0);
		trun_finish(&t);
		ok = trun_count(&t, BO_REQ_OK);
		/* One may be due at the very end, and offered by a thread that is late. */
		cut = trun_count(&t, BO_REQ_INFLIGHT);
		n = t.run->requests.len - cut;
		assert_in_range(atomic_load(&s.requests), ok, ok + cut);
		assert_int_equal(ok + trun_count(&t, BO_REQ_RESET), n);
		trun_done(&t);
		stop(&s);
	}
	assert_int_equal(ok, n);
	assert_true(n >= 3);
}

/* Takes a byte of the request, then goes: the service may have seen it, so it is not sent again. */
static void serve_peek(struct tserver *s, int fd)
{
	char ch;

	while (tserver_request(s, fd, 0)) {
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		if (recv(fd, &ch, 1, 0) == 1)
			return;
	}
}

static void test_half_read_is_reset(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start_unix(&s, serve_peek, 64, path);
	over(&t, 100, 200);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1;
	trun_some(&t, 6);
	/* Every other request is the first of its connection. */
	assert_true(trun_count(&t, BO_REQ_RESET) >= 2);
	assert_int_equal(trun_count(&t, BO_REQ_OK) + trun_count(&t, BO_REQ_RESET),
			 t.run->requests.len);
	assert_int_equal(atomic_load(&s.requests), trun_count(&t, BO_REQ_OK));
	trun_done(&t);
	stop(&s);
}

static void test_there_is_none(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct trun t;
	int fd;

	(void)state;
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_UNREACHABLE, "there is no such socket");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_UNREACHABLE, "what lies at the socket's path is no socket");
	close(fd);
	unlink(path);
	assert_false(symlink("app.sock", path));
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_UNREACHABLE,
		"the socket's path goes through links that cannot be followed");
	unlink(path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_false(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_UNREACHABLE, "the socket is not one for streams");
	close(fd);
	unlink(path);
}

static void test_nobody_listens(void **state)
{
	struct tserver s;
	struct trun t;
	int waiting[4];

	(void)state;
	tserver_start_unix(&s, NULL, 0, path);
	for (int i = 0; i < 4; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(waiting[i], (struct sockaddr *)&s.addr, sizeof(struct sockaddr_un));
	}
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_REFUSED, "the socket's listen queue is full");
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	tserver_stop(&s);
	over(&t, 100, 100);
	all_are(&t, 10, BO_REQ_REFUSED, NULL);
	unlink(path);
}

static void test_permission(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	if (geteuid())
		skip();
	tserver_start_unix(&s, tserver_ok, 64, path);
	assert_false(chmod(path, 0600));
	over(&t, 100, 100);
	setfsuid(65534); /* what the load's thread inherits; root's override goes with it */
	all_are(&t, 10, BO_REQ_OTHER, "no permission to connect to the socket");
	setfsuid(0);
	stop(&s);
}

/* The service goes, and a second one comes to the same path. */
static void test_comes_back(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;
	size_t last;

	(void)state;
	tserver_start_unix(&s, tserver_ok, 64, path);
	over(&t, 200, 60000);
	trun_start(&t);
	until(atomic_load(&s.requests) >= 10);
	tserver_stop(&s);
	nanosleep(&(struct timespec){ .tv_nsec = 50 * MS }, NULL);
	unlink(path);
	tserver_start_unix(&s, tserver_ok, 64, path);
	until(atomic_load(&s.requests) >= 10);
	bo_load_stop(t.load);
	until((bo_load_live(t.load, &live), live.ended == live.offered));
	trun_finish(&t);
	assert_true(trun_count(&t, BO_REQ_REFUSED) + trun_count(&t, BO_REQ_UNREACHABLE) > 0);
	assert_true(trun_count(&t, BO_REQ_OK) >= 20);
	/* One that was due when the load was stopped may be offered after that. */
	last = t.run->requests.len - 1;
	while (last && t.run->requests.items[last].cls == BO_REQ_INFLIGHT)
		last--;
	assert_int_equal(t.run->requests.items[last].cls, BO_REQ_OK);
	trun_done(&t);
	stop(&s);
}

/* The node was started again and has another /tmp. */
static void test_other_root(void **state)
{
	struct tserver s, s2;
	char path2[160];
	struct trun t;
	int root2 = open(second, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct bo_load_live live;

	(void)state;
	snprintf(path2, sizeof(path2), "%s/app.sock", second);
	tserver_start_unix(&s, tserver_ok, 64, path);
	tserver_start_unix(&s2, tserver_ok, 64, path2);
	over(&t, 200, 60000);
	t.spec.keepalive = false;
	trun_start(&t);
	until(atomic_load(&s.requests) >= 10);
	assert_int_equal(atomic_load(&s2.requests), 0);
	assert_int_equal(bo_load_set_root(t.load, root2, NULL), 0);
	close(root2);
	until(atomic_load(&s2.requests) >= 10);
	bo_load_stop(t.load);
	until((bo_load_live(t.load, &live), live.ended == live.offered));
	trun_finish(&t);
	assert_true(trun_count(&t, BO_REQ_OK) >= 20);
	/* One that was due when the load was stopped may be offered after that. */
	assert_int_equal(trun_count(&t, BO_REQ_OK) + trun_count(&t, BO_REQ_INFLIGHT),
			 t.run->requests.len);
	trun_done(&t);
	tserver_stop(&s2);
	unlink(path2);
	stop(&s);
}

static void test_hold(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start_unix(&s, tserver_ok, 64, path);
	over(&t, 100, 60000);
	t.spec.kind = BO_LOAD_HOLD;
	t.spec.hold_count = 5;
	trun_start(&t);
	until(atomic_load(&s.open) == 5);
	trun_stop_after(&t, 5);
	trun_finish(&t);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 5);
	trun_done(&t);
	stop(&s);
}

static void test_refused_specs(void **state)
{
	struct bo_load_spec spec = { .name = "test", .rate_per_s = 1, .socket = "app.sock" };
	struct bo_load_config config = { .spec = &spec, .root_fd = root };
	struct bo_load *load = NULL;
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(bo_load_new(&load, &config, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "load 'test': a socket needs an absolute path and a root directory");
	err.msg[0] = '\0';
	spec.socket = "/app.sock";
	config.root_fd = -1;
	assert_int_equal(bo_load_new(&load, &config, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "load 'test': a socket needs an absolute path and a root directory");
	config.root_fd = root;
	spec.kind = BO_LOAD_HOLD;
	spec.hold_count = 1;
	spec.vanish = true;
	assert_int_equal(bo_load_new(&load, &config, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "load 'test': the end of a unix socket cannot vanish without a sign");
	assert_null(load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1),         cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_stale),         cmocka_unit_test(test_half_read_is_reset),
		cmocka_unit_test(test_there_is_none), cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_permission),    cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_other_root),    cmocka_unit_test(test_hold),
		cmocka_unit_test(test_refused_specs),
	};

	return cmocka_run_group_tests_name("load/unix", tests, setup, teardown);
}
