/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_clients.c — what clients ask, when, and how badly they behave: routes, templates, closed
 * loops, bursts, raw TCP, slow writers and readers.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "closed.h"
#include "test_load_support.h"

/* ---- what was asked ---- */

#define LOG_MAX 4096
static char log_lines[LOG_MAX][200];
static atomic_int logged;

/* Keeps each request whole (head and body), answers 200; the path decides nothing. */
static void serve_and_log(struct tserver *s, int fd)
{
	char buf[2000];
	size_t len = 0;

	for (;;) {
		char *end = NULL, *length;
		size_t body = 0;
		int slot;

		while (!end || len < (size_t)(end - buf) + 4 + body) {
			ssize_t n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);

			if (n <= 0)
				return;
			len += (size_t)n;
			buf[len] = '\0';
			end = strstr(buf, "\r\n\r\n");
			length = strcasestr(buf, "Content-Length: ");
			body = end && length && length < end ? strtoul(length + 16, NULL, 10) : 0;
		}
		slot = atomic_fetch_add(&logged, 1);
		if (slot < LOG_MAX) {
			char *trace = strcasestr(buf, "X-Id: ");

			snprintf(log_lines[slot], sizeof(log_lines[0]), "%.*s|%.*s|%.*s",
				 (int)strcspn(buf, "\r"), buf,
				 trace ? (int)strcspn(trace, "\r") : 0, trace ? trace : "",
				 (int)body, end + 4);
		}
		len = 0;
		atomic_fetch_add(&s->requests, 1);
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_routes(void **state)
{
	static const struct bo_header headers[] = { { "X-Id", "list" } };
	static const struct bo_route_spec routes[] = {
		{ .name = "list", .weight = 3, .path = "/list", .headers = headers, .nheaders = 1 },
		{ .name = "buy",
		  .weight = 1,
		  .method = "POST",
		  .path = "/buy",
		  .body = "one",
		  .body_len = 3 },
	};
	size_t buys = 0, seen = 0;
	struct tserver s;
	struct trun t;

	(void)state;
	atomic_store(&logged, 0);
	tserver_start(&s, serve_and_log, 128);
	trun_init(&t, &s, 1000, 400);
	t.spec.routes = routes;
	t.spec.nroutes = 2;
	t.spec.max_inflight = 400; /* however late they are */
	trun_all(&t, 400);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 400);
	bo_vec_foreach(r, &t.run->requests)
		buys += r->route == 1;
	assert_in_range(buys, 65, 135); /* of 400, a quarter; the seed is fixed */
	for (int i = 0; i < atomic_load(&logged); i++) {
		if (!strcmp(log_lines[i], "POST /buy HTTP/1.1||one"))
			seen++;
		else
			assert_string_equal(log_lines[i], "GET /list HTTP/1.1|X-Id: list|");
	}
	assert_int_equal(seen, buys);
	tserver_stop(&s);
	trun_done(&t);
}

static void ask_templated(char lines[LOG_MAX][200], uint64_t seed)
{
	static const struct bo_header headers[] = { { "X-Id", "{{uuid}}" } };
	struct tserver s;
	struct trun t;

	atomic_store(&logged, 0);
	tserver_start(&s, serve_and_log, 128);
	trun_init(&t, &s, 500, 200);
	t.seed = seed;
	t.spec.method = "POST";
	t.spec.path = "/o/{{n}}?r={{rand:1000}}";
	t.spec.headers = headers;
	t.spec.nheaders = 1;
	t.spec.body = "{\"id\":\"{{uuid}}\",\"n\":{{n}}}";
	t.spec.body_len = strlen(t.spec.body);
	trun_all(&t, 100);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 100);
	assert_int_equal(atomic_load(&logged), 100);
	memcpy(lines, log_lines, sizeof(log_lines));
	qsort(lines, 100, sizeof(lines[0]), by_text);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_templates(void **state)
{
	static char first[LOG_MAX][200], second[LOG_MAX][200], other[LOG_MAX][200];
	int seen[101] = { 0 };

	(void)state;
	ask_templated(first, 1);
	ask_templated(second, 1);
	ask_templated(other, 2);
	for (int i = 0; i < 100; i++) {
		char head[37], body[37];
		int n, m, r;

		assert_int_equal(
			sscanf(first[i],
			       "POST /o/%d?r=%d HTTP/1.1|X-Id: %36[0-9a-f-]|{\"id\":\"%36[0-9a-f-]\",\"n\":%d}",
			       &n, &r, head, body, &m),
			5);
		assert_in_range(n, 1, 100);
		assert_in_range(r, 0, 999);
		assert_int_equal(n, m);
		assert_string_equal(head, body);
		seen[n]++;
		/* The same seed asks for the same, whatever the order of the answers. */
		assert_string_equal(first[i], second[i]);
		assert_string_not_equal(first[i], other[i]);
	}
	for (int n = 1; n <= 100; n++)
		assert_int_equal(seen[n], 1);
}

/* ---- when ---- */

static void answer_slowly(struct tserver *s, int fd)
{
	while (tserver_request(s, fd, 0)) {
		tserver_wait(s, bo_now_ns() + 20 * MS);
		tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
}

/* Five clients, each at most once per 20 ms: never more than five at a time, and no more than the
 * answers let them ask. */
static void test_closed_loop(void **state)
{
	const struct bo_load_record *rec;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, answer_slowly, 128);
	trun_init(&t, &s, 0, 400);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 5;
	t.nwindows = 2; /* and again after a break */
	t.windows[1].from_ns = t.windows[0].until_ns + 100 * MS;
	t.windows[1].until_ns = t.windows[1].from_ns + 200 * MS;
	trun_all(&t, 10);
	rec = &t.run->loads.items[0];
	assert_int_equal(trun_count(&t, BO_REQ_OK), rec->offered);
	assert_true(rec->offered >= 20 && rec->offered <= 5 * (600 / 20 + 2));
	assert_int_equal(rec->peak_connections, 5);
	assert_int_equal(atomic_load(&s.peak), 5);
	bo_vec_foreach(r, &t.run->requests) {
		int64_t due = r->intended_ns + t.t0_ns;

		assert_true((due >= t.windows[0].from_ns && due < t.windows[0].until_ns) ||
			    (due >= t.windows[1].from_ns && due < t.windows[1].until_ns));
		assert_true(r->end_ns - r->intended_ns >= 20 * MS);
	}
	/* It says what it is. */
	assert_int_equal(t.run->events.len, 1);
	assert_non_null(strstr(t.run->events.items[0].text, "coordinated omission"));
	tserver_stop(&s);
	trun_done(&t);
}

/* Nobody asks once the window is over, and everybody does when the next one begins. */
static void test_closed_clients(void **state)
{
	struct bo_closed c;

	(void)state;
	assert_int_equal(bo_closed_init(&c, 2, 10), 0);
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_on(&c, 1000, 2000);
	assert_int_equal(bo_closed_next(&c), 1000);
	bo_closed_ask(&c);
	bo_closed_ask(&c);
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_answered(&c, 1500);
	assert_int_equal(bo_closed_next(&c), 1510);
	bo_closed_ask(&c);
	bo_closed_answered(&c, 1995); /* it would be due at 2005 */
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_off(&c);
	bo_closed_on(&c, 3000, 4000); /* one of them still waits for its answer */
	assert_int_equal(bo_closed_next(&c), 3000);
	bo_closed_ask(&c);
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_answered(&c, 3001);
	assert_int_equal(bo_closed_next(&c), 3011);
	bo_closed_off(&c);
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_answered(&c, 3500);
	assert_int_equal(bo_closed_next(&c), INT64_MAX);
	bo_closed_done(&c);
}

static void test_closed_loop_thinks(void **state)
{
	struct tserver s;
	struct trun t;
	uint64_t n;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 0, 500);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 4;
	t.spec.think_ns = 100 * MS;
	trun_all(&t, 4);
	n = t.run->loads.items[0].offered;
	assert_true(n >= 8 && n <= 4 * 5); /* at 0, 100, 200, 300, 400 ms at the most */
	/* Some may be due at the very end, and offered by a thread that is late. */
	assert_int_equal(trun_count(&t, BO_REQ_OK) + trun_count(&t, BO_REQ_INFLIGHT), n);
	tserver_stop(&s);
	trun_done(&t);
}

/* Nobody listens: every answer is a refusal, and the loop goes on all the same, to its end. */
static void test_closed_loop_refused(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, NULL, 1);
	close(s.listen_fd);
	s.listen_fd = -1;
	trun_init(&t, &s, 0, 100);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 3;
	t.spec.think_ns = 5 * MS;
	trun_all(&t, 3);
	assert_int_equal(trun_count(&t, BO_REQ_REFUSED), t.run->loads.items[0].offered);
	assert_true(t.run->loads.items[0].offered >= 6);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_burst(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, answer_slowly, 128);
	trun_init(&t, &s, 0, 250);
	t.spec.arrivals = BO_ARRIVALS_BURST;
	t.spec.burst_count = 20;
	t.spec.burst_every_ns = 100 * MS;
	trun_all(&t, 60);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 60);
	/* At once: the service meets all of them together, and the next burst's as well where a machine is that late. */
	assert_in_range(t.run->loads.items[0].peak_connections, 20, 60);
	tserver_stop(&s);
	trun_done(&t);
}

/* ---- raw TCP ---- */

static const char *tcp_answer;

static void serve_tcp(struct tserver *s, int fd)
{
	char ch;

	while (recv(fd, &ch, 1, 0) == 1) {
		if (ch != '\n')
			continue;
		atomic_fetch_add(&s->requests, 1);
		/* In two pieces, so that no answer is whole at first sight. */
		(void)!send(fd, tcp_answer, 2, MSG_NOSIGNAL);
		tserver_wait(s, bo_now_ns() + 2 * MS);
		tserver_say(fd, tcp_answer + 2);
	}
}

static void tcp_is(const struct bo_tcp_spec *tcp, const char *answer, enum bo_req_class cls)
{
	struct tserver s;
	struct trun t;

	tcp_answer = answer;
	tserver_start(&s, serve_tcp, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.protocol = BO_LOAD_TCP;
	t.spec.tcp = *tcp;
	t.spec.tcp.send = "PING {{n}}\n";
	t.spec.tcp.send_len = 11;
	t.spec.timeout_ns = cls == BO_REQ_OK ? 5000 * MS : 500 * MS;
	if (cls == BO_REQ_OK) {
		t.spec.arrivals = BO_ARRIVALS_CLOSED;
		t.spec.clients = 1;
	}
	if (cls == BO_REQ_OK)
		trun_some(&t, 2);
	else
		trun_all(&t, 10);
	if (trun_count(&t, cls) != t.run->requests.len)
		fail_msg("%s instead of %s for '%s'",
			 bo_req_class_name((enum bo_req_class)t.run->requests.items[0].cls),
			 bo_req_class_name(cls), answer);
	if (cls == BO_REQ_OK) {
		assert_int_equal(atomic_load(&s.requests), t.run->requests.len);
		assert_int_equal(t.run->loads.items[0].connects, 1); /* it is kept */
	}
	tserver_stop(&s);
	trun_done(&t);
}

static void test_tcp(void **state)
{
	const struct bo_tcp_spec pong = { .expect = "+PONG\r\n", .expect_len = 7 };
	const struct bo_tcp_spec line = { .until = "\r\n", .until_len = 2 };
	const struct bo_tcp_spec both = {
		.until = "\r\n", .until_len = 2, .expect = "+", .expect_len = 1
	};
	const struct bo_tcp_spec overlap = { .until = "xxy", .until_len = 3 };
	const struct bo_tcp_spec five = { .bytes = 5 };

	(void)state;
	tcp_is(&pong, "+PONG\r\n", BO_REQ_OK);
	tcp_is(&pong, "-ERR no\r\n", BO_REQ_PROTOCOL);
	tcp_is(&pong, "+PONG\r\n!", BO_REQ_PROTOCOL);
	tcp_is(&pong, "+PON", BO_REQ_TIMEOUT_BODY);
	tcp_is(&line, "any\r text\r\r\n", BO_REQ_OK);
	tcp_is(&both, "+any\r\n", BO_REQ_OK);
	tcp_is(&overlap, "1xxxy", BO_REQ_OK);
	tcp_is(&both, "-any\r\n", BO_REQ_PROTOCOL);
	tcp_is(&five, "12345", BO_REQ_OK);
	tcp_is(&five, "123456", BO_REQ_PROTOCOL);
}

static void drop(struct tserver *s, int fd)
{
	char ch;

	(void)s;
	(void)!recv(fd, &ch, 1, 0);
}

static void test_tcp_dropped(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, drop, 128);
	trun_init(&t, &s, 100, 100);
	t.spec.protocol = BO_LOAD_TCP;
	t.spec.tcp = (struct bo_tcp_spec){ .send = "x", .send_len = 1, .bytes = 1 };
	trun_all(&t, 10);
	assert_int_equal(trun_count(&t, BO_REQ_RESET), 10);
	tserver_stop(&s);
	trun_done(&t);
}

/* ---- slow clients ---- */

static atomic_llong head_at, body_at, last_at; /* of the request's bytes, at the server */

static void watch_slow_writer(struct tserver *s, int fd)
{
	static const char end[] = "\r\n\r\n";
	size_t seen = 0, body = 8;
	char ch;

	while (seen < 4 || body) {
		if (recv(fd, &ch, 1, 0) != 1)
			return;
		if (!atomic_load(&head_at))
			atomic_store(&head_at, bo_now_ns());
		if (seen == 4)
			body--;
		else
			seen = ch == end[seen] ? seen + 1 : ch == '\r';
		/* With a body the clock starts where the head ended. */
		if (seen == 4 && body == 8)
			atomic_store(&body_at, bo_now_ns());
	}
	atomic_store(&last_at, bo_now_ns());
	atomic_fetch_add(&s->requests, 1);
	tserver_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	tserver_until_gone(s, fd);
}

static void test_slow_writer(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	atomic_store(&head_at, 0);
	tserver_start(&s, watch_slow_writer, 128);
	trun_init(&t, &s, 10, 100);
	t.spec.method = "POST";
	t.spec.body = "12345678";
	t.spec.body_len = 8;
	t.spec.slow.write_per_s = 40;
	t.spec.slow.body_only = true;
	t.spec.timeout_ns = 5000 * MS;
	trun_all(&t, 1);
	assert_int_equal(trun_count(&t, BO_REQ_OK), 1);
	/* Eight bytes at 40/s, the first at once: 175 ms at the least, had it not been slow: none. */
	assert_true(atomic_load(&last_at) - atomic_load(&body_at) >= 100 * MS);
	/* The head, ten times as long, was not slow. */
	assert_true(atomic_load(&body_at) - atomic_load(&head_at) <
		    atomic_load(&last_at) - atomic_load(&body_at));
	assert_true(t.run->requests.items[0].end_ns - t.run->requests.items[0].sent_ns >= 100 * MS);
	tserver_stop(&s);
	trun_done(&t);
}

/* A head that never comes to its end, as Slowloris does it. */
static void test_slowloris(void **state)
{
	struct bo_load_live live;
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 200, 100);
	t.spec.slow.write_per_s = 10;
	t.spec.timeout_ns = 2000 * MS;
	trun_start(&t);
	until((bo_load_live(t.load, &live), live.inflight == 20));
	until(atomic_load(&s.open) == 20); /* each holds a connection of the service */
	trun_wait(&t, 20);
	trun_finish(&t);
	assert_int_equal(trun_count(&t, BO_REQ_TIMEOUT_FIRST_BYTE), 20);
	assert_int_equal(atomic_load(&s.requests), 0);
	assert_int_equal(t.run->loads.items[0].sent, 20);
	tserver_stop(&s);
	trun_done(&t);
}

static atomic_size_t pushed;

static void push(struct tserver *s, int fd)
{
	static char block[16 * 1024];

	if (!tserver_request(s, fd, 0))
		return;
	tserver_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (ssize_t n; (n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0;)
		atomic_fetch_add(&pushed, (size_t)n);
}

/* The service can push as fast as it likes: what the reader does not take stays with the service. */
static void test_slow_reader(void **state)
{
	struct tserver s;
	struct trun t;
	size_t fast;

	(void)state;
	for (int slow = 0; slow <= 1; slow++) {
		atomic_store(&pushed, 0);
		tserver_start(&s, push, 128);
		trun_init(&t, &s, 10, 100);
		t.spec.slow.read_per_s = slow ? 1000 : 0;
		t.spec.timeout_ns = 500 * MS;
		trun_all(&t, 1);
		assert_int_equal(trun_count(&t, BO_REQ_TIMEOUT_BODY), 1);
		if (slow) {
			/* 1000/s for half a second, generously; a reader that is not slow takes
			 * everything. */
			assert_true(t.run->requests.items[0].bytes <= 1500);
			assert_true(t.run->requests.items[0].bytes >= 20);
			assert_true(atomic_load(&pushed) < fast);
		}
		fast = atomic_load(&pushed);
		tserver_stop(&s);
		trun_done(&t);
	}
}

/* Slow, but everything is right in the end; and an idle connection of a slow reader is not kept. */
static void test_slow_reader_is_answered(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tserver_start(&s, tserver_ok, 128);
	trun_init(&t, &s, 0, 500);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1;
	t.spec.slow.read_per_s = 200;
	t.spec.timeout_ns = 5000 * MS;
	trun_some(&t, 2);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->requests.len);
	assert_int_equal(t.run->loads.items[0].connects, t.run->requests.len);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->end_ns - r->first_byte_ns >= 50 * MS);
	tserver_stop(&s);
	trun_done(&t);
}

/* ---- a generator that is held up ---- */

#define HELD_UP 5

static int held_up_child(const struct tserver *s)
{
	struct trun t;

	trun_init(&t, s, 100, 10 * HELD_UP);
	t.spec.timeout_ns = 1500 * MS;
	trun_all(&t, HELD_UP);
	return trun_count(&t, BO_REQ_OK) == HELD_UP ? 0 : 1;
}

/* The answers lie in the sockets while the whole generator is stopped for longer than the timeout. */
static void test_answer_before_timeout(void **state)
{
	struct timespec longer_than_timeout = { .tv_sec = 2 };
	int fds[HELD_UP], status;
	struct tserver s;
	char buf[1000];
	pid_t pid;

	(void)state;
	tserver_start(&s, NULL, 128);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(held_up_child(&s));
	for (int i = 0; i < HELD_UP; i++) {
		fds[i] = accept(s.listen_fd, NULL, NULL);
		assert_true(recv(fds[i], buf, sizeof(buf), 0) > 0);
	}
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	for (int i = 0; i < HELD_UP; i++)
		tserver_say(fds[i], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	nanosleep(&longer_than_timeout, NULL);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (int i = 0; i < HELD_UP; i++)
		close(fds[i]);
	tserver_stop(&s);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_before_timeout), /* first: it forks */
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_closed_loop),
		cmocka_unit_test(test_closed_clients),
		cmocka_unit_test(test_closed_loop_thinks),
		cmocka_unit_test(test_closed_loop_refused),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_dropped),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_slowloris),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_slow_reader_is_answered),
	};

	return cmocka_run_group_tests_name("load/clients", tests, NULL, NULL);
}
