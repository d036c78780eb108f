/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_failures.c — every way in which a request can fail gets its own class, and nothing is
 * lost.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none; one test makes a network
 * namespace if it may. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "test_load_support.h"

/* Run the load: all of its @n requests end with @cls. */
static void test_refused(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, NULL, 1);
	/* A port that was just ours and on which nobody listens. */
	close(s.listen_fd);
	s.listen_fd = -1;
	trun_init(&t, &s, 100, 100);
	trun_all_are(&t, 10, BO_REQ_REFUSED);
	assert_int_equal(t.run->requests.items[0].sent_ns, 0);
	assert_int_equal(t.run->loads.items[0].sent, 0);
	assert_int_equal(t.run->loads.items[0].connects, 0);
	tserver_stop(&s);
	trun_done(&t);
}

/* In a namespace without a route.  Return: 0 right, 77 may not, else wrong */
static int unreachable_child(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct tserver none = { .addr_len = sizeof(addr) };
	struct trun t;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 77;
	inet_pton(AF_INET, "192.0.2.1", &addr.sin_addr);
	memcpy(&none.addr, &addr, sizeof(addr));
	trun_init(&t, &none, 100, 100);
	trun_all(&t, 10);
	return trun_count(&t, BO_REQ_UNREACHABLE) == 10 ? 0 : 1;
}

static void test_unreachable(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(unreachable_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The queue of a listener that never accepts is full after two connections; further SYNs get no
 * answer. */
static void test_timeout_connect(void **state)
{
	struct tserver s;
	struct trun t;
	int fillers[2];

	(void)state;
	tserver_start(&s, NULL, 0);
	for (int i = 0; i < 2; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fillers[i], (struct sockaddr *)&s.addr, s.addr_len))
			assert_int_equal(errno, EINPROGRESS);
	}
	trun_init(&t, &s, 100, 100);
	t.spec.timeout_ns = 150 * MS;
	trun_all_are(&t, 10, BO_REQ_TIMEOUT_CONNECT);
	bo_vec_foreach(r, &t.run->requests) {
		assert_int_equal(r->sent_ns, 0);
		assert_true(r->end_ns - r->intended_ns >= 150 * MS);
	}
	close(fillers[0]);
	close(fillers[1]);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_nothing(struct tserver *s, int fd)
{
	if (tserver_request(s, fd, 0))
		tserver_until_gone(s, fd);
}

static void test_timeout_first_byte(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_nothing, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.timeout_ns = 100 * MS;
	trun_all_are(&t, 10, BO_REQ_TIMEOUT_FIRST_BYTE);
	bo_vec_foreach(r, &t.run->requests) {
		assert_true(r->sent_ns > 0);
		assert_int_equal(r->first_byte_ns, 0);
		assert_true(r->end_ns - r->intended_ns >= 100 * MS);
	}
	/* Each timeout closed its connection. */
	until(atomic_load(&s.eofs) == 10);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_half(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
	tserver_until_gone(s, fd);
}

static void test_timeout_body(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_half, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.timeout_ns = 1500 * MS; /* time for the head, also on a busy machine */
	trun_all_are(&t, 10, BO_REQ_TIMEOUT_BODY);
	bo_vec_foreach(r, &t.run->requests) {
		assert_true(r->first_byte_ns > 0);
		assert_int_equal(r->status, 200);
	}
	tserver_stop(&s);
	trun_done(&t);
}

static void reset_request(struct tserver *s, int fd)
{
	if (tserver_request(s, fd, 0))
		tserver_reset(fd);
}

static void close_request(struct tserver *s, int fd)
{
	tserver_request(s, fd, 0);
}

static void close_in_body(struct tserver *s, int fd)
{
	if (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe");
}

static void test_reset(void **state)
{
	static const tserver_fn fns[] = { reset_request, close_request, close_in_body };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct tserver s;
		struct trun t;

		tserver_start(&s, fns[i], 128);
		trun_init(&t, &s, 100, 100);
		trun_all_are(&t, 10, BO_REQ_RESET);
		/* On a fresh connection nothing is tried twice. */
		assert_int_equal(atomic_load(&s.requests), 10);
		assert_int_equal(atomic_load(&s.accepted), 10);
		tserver_stop(&s);
		trun_done(&t);
	}
}

static void reset_at_once(struct tserver *s, int fd)
{
	(void)s;
	tserver_reset(fd);
}

/* A service that takes connections and drops them at once: each request is one failure, and nothing
 * is tried twice. */
static void test_reset_of_fresh_connections(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, reset_at_once, 128);
	trun_init(&t, &s, 500, 200);
	trun_all_are(&t, 100, BO_REQ_RESET);
	assert_int_equal(atomic_load(&s.accepted), 100);
	tserver_stop(&s);
	trun_done(&t);
}

static void say_garbage(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
	tserver_until_gone(s, fd);
}

static void say_too_much(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!");
	tserver_until_gone(s, fd);
}

static void say_endless_head(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nX: ");
	while (send(fd, "aaaaaaaaaaaaaaaa", 16, MSG_NOSIGNAL) > 0)
		;
}

/* 64 KiB of a head are read and none of it is kept; a gigabyte would end the same way. */
static void say_endless_fields(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\n");
	while (send(fd, "A: b\r\n", 6, MSG_NOSIGNAL) > 0)
		;
}

static void say_endless_interim(struct tserver *s, int fd)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!tserver_request(s, fd, 0))
		return;
	while (send(fd, interim, sizeof(interim) - 1, MSG_NOSIGNAL) > 0)
		;
}

static void say_chunk_overflow(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"ffffffffffffffffff\r\nx");
	tserver_until_gone(s, fd);
}

static void say_length_overflow(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx");
	tserver_until_gone(s, fd);
}

static void test_protocol(void **state)
{
	static const tserver_fn fns[] = { say_garbage,         say_too_much,
					  say_endless_head,    say_endless_fields,
					  say_endless_interim, say_chunk_overflow,
					  say_length_overflow };
	static const char *const why[] = { "not an HTTP/1 status line",  "bytes after the end",
					   "head is too long",           "too many fields",
					   "head is too long",           "chunk size is too large",
					   "Content-Length is too large" };

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		struct tserver s;
		struct trun t;

		tserver_start(&s, fns[i], 128);
		trun_init(&t, &s, 100, 50);
		trun_all_are(&t, 5, BO_REQ_PROTOCOL);
		/* It says why, once, with how often. */
		assert_int_equal(t.run->loads.items[0].nreasons, 1);
		assert_int_equal(t.run->loads.items[0].reasons[0].count, 5);
		assert_non_null(strstr(t.run->loads.items[0].reasons[0].text, why[i]));
		tserver_stop(&s);
		trun_done(&t);
	}
}

static void say_endless_body(struct tserver *s, int fd)
{
	static char block[16 * 1024];

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
}

static void test_endless_body(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_endless_body, 128);
	trun_init(&t, &s, 100, 50);
	t.spec.timeout_ns = 1500 * MS; /* time for the head, also on a busy machine */
	trun_all_are(&t, 5, BO_REQ_TIMEOUT_BODY);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->bytes > 64 * 1024);
	tserver_stop(&s);
	trun_done(&t);
}

/* 1 KiB that gzip would turn into a megabyte of zeros: content is counted and never decoded. */
static void say_bomb(struct tserver *s, int fd)
{
	static char bomb[1024] = "\x1f\x8b\x08";

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd,
		    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1024\r\n\r\n");
	(void)!send(fd, bomb, sizeof(bomb), MSG_NOSIGNAL);
	tserver_until_gone(s, fd);
}

static void test_gzip_bomb(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_bomb, 128);
	trun_init(&t, &s, 100, 50);
	t.spec.keepalive = false;
	trun_all_are(&t, 5, BO_REQ_OK);
	bo_vec_foreach(r, &t.run->requests)
		assert_in_range(r->bytes, 1024, 1200);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_abandoned(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_nothing, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.abandon_ns = 50 * MS;
	trun_all_are(&t, 10, BO_REQ_ABANDONED);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->end_ns - r->sent_ns >= 50 * MS);
	until(atomic_load(&s.eofs) == 10); /* the service saw each one hang up */
	tserver_stop(&s);
	trun_done(&t);
}

static void test_in_flight_at_the_end(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_nothing, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.timeout_ns = 0;
	trun_start(&t);
	until((bo_load_live(t.load, &live), live.inflight == 10));
	until(atomic_load(&s.requests) == 10);
	assert_int_equal(live.ended, 0);
	trun_finish(&t);
	assert_int_equal(trun_count(&t, BO_REQ_INFLIGHT), 10);
	assert_int_equal(t.run->requests.len, 10);
	tserver_stop(&s);
	trun_done(&t);
}

/* The service stalls: connections grow to max_inflight, where the service sees them, and the rest
 * is shed unsent. */
static void test_shed(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, say_nothing, 128);
	trun_init(&t, &s, 200, 250);
	t.spec.max_inflight = 30;
	trun_all(&t, 50);
	assert_int_equal(trun_count(&t, BO_REQ_SHED), 20);
	assert_int_equal(trun_count(&t, BO_REQ_TIMEOUT_FIRST_BYTE), 30);
	assert_int_equal(t.run->loads.items[0].offered, 50);
	assert_int_equal(t.run->loads.items[0].sent, 30);
	assert_int_equal(t.run->loads.items[0].shed, 20);
	assert_int_equal(t.run->loads.items[0].peak_connections, 30);
	assert_int_equal(atomic_load(&s.peak), 30);
	assert_int_equal(atomic_load(&s.requests), 30);
	bo_vec_foreach(r, &t.run->requests) {
		if (r->cls == BO_REQ_SHED)
			assert_int_equal(r->sent_ns, 0);
	}
	tserver_stop(&s);
	trun_done(&t);
}

/* The answer and the FIN leave in one segment, so whatever the client sends next meets a closed
 * socket; without the cork it could still be taken by TCP, and then it is not stale but lost. */
static void answer_once(struct tserver *s, int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &one, sizeof(one));
	if (tserver_request(s, fd, 0))
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void drop_the_second(struct tserver *s, int fd)
{
	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	tserver_request(s, fd, 0);
}

/* A service that took a request on a kept connection and then dropped it: that is lost, not stale.
 * */
static void test_lost_on_reused_connection(void **state)
{
	struct tserver s;
	struct trun t;
	size_t ok, reset;

	(void)state;
	tserver_start(&s, drop_the_second, 128);
	trun_init(&t, &s, 100, 200);
	trun_all(&t, 20);
	ok = trun_count(&t, BO_REQ_OK);
	reset = trun_count(&t, BO_REQ_RESET);
	assert_int_equal(ok + reset, 20);
	assert_true(reset >= 5);
	assert_int_equal(atomic_load(&s.requests), 20); /* nothing was sent twice */
	tserver_stop(&s);
	trun_done(&t);
}

/* A service that closes after each answer without saying so.  With one connection and a request
 * always due, the next one is sent the moment an answer came, while the FIN is on its way: it must
 * not be blamed for that. */
static void test_stale_connection(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, answer_once, 1024);
	trun_init(&t, &s, 20000, 300);
	t.spec.max_inflight = 1;
	trun_all(&t, 6000);
	for (int cls = 0; cls < BO_REQ_CLASS_COUNT; cls++)
		if (cls != BO_REQ_OK && cls != BO_REQ_SHED && trun_count(&t, cls))
			print_error("%zu are %s\n", trun_count(&t, cls), bo_req_class_name(cls));
	assert_int_equal(trun_count(&t, BO_REQ_OK) + trun_count(&t, BO_REQ_SHED), 6000);
	assert_true(trun_count(&t, BO_REQ_OK) > 2);
	assert_int_equal(atomic_load(&s.requests), trun_count(&t, BO_REQ_OK));
	/* Each was counted as sent once, also those that went out twice. */
	assert_int_equal(t.run->loads.items[0].sent, trun_count(&t, BO_REQ_OK));
	tserver_stop(&s);
	trun_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_unreachable), /* first: it forks, and there is no thread yet */
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_timeout_connect),
		cmocka_unit_test(test_timeout_first_byte),
		cmocka_unit_test(test_timeout_body),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_of_fresh_connections),
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_endless_body),
		cmocka_unit_test(test_gzip_bomb),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_in_flight_at_the_end),
		cmocka_unit_test(test_shed),
		cmocka_unit_test(test_lost_on_reused_connection),
		cmocka_unit_test(test_stale_connection),
	};

	return cmocka_run_group_tests_name("load/failures", tests, NULL, NULL);
}
