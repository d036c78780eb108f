/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_h2.c — HTTP/2 and gRPC against a server that answers, refuses, resets and goes away.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "h2d.h"
#include "test_load_support.h"

static struct h2d h2d;

static void serve_h2(struct tserver *s, int fd)
{
	(void)s;
	h2d_serve_socket(&h2d, fd);
}

static void h2_init(struct trun *t, struct tserver *s, enum bo_load_protocol protocol,
		    const char *path, double rate, int64_t ms)
{
	memset(&h2d, 0, sizeof(h2d));
	tserver_start(s, serve_h2, 128);
	trun_init(t, s, rate, ms);
	t->spec.protocol = protocol;
	t->spec.method = protocol == BO_LOAD_GRPC ? "POST" : "GET";
	t->spec.streams = 10;
	t->spec.path = path;
}

static void done(struct trun *t, struct tserver *s)
{
	tserver_stop(s);
	trun_done(t);
}

/* Run: all of the @n requests end with @cls and @status. */
static void all_are(struct trun *t, size_t n, enum bo_req_class cls, unsigned int status)
{
	trun_all_are(t, n, cls);
	bo_vec_foreach(r, &t->run->requests)
		assert_int_equal(r->status, status);
}

/** one_after_the_other_are() - @n at least: what is late for its window would have a connection of its own */
static void one_after_the_other_are(struct trun *t, size_t n, enum bo_req_class cls,
				    unsigned int status)
{
	t->spec.arrivals = BO_ARRIVALS_CLOSED;
	t->spec.clients = 1;
	trun_some(t, n);
	assert_int_equal(trun_count(t, cls), t->run->requests.len);
	bo_vec_foreach(r, &t->run->requests)
		assert_int_equal(r->status, status);
}

static void reason_is(const struct trun *t, enum bo_req_class cls, const char *text)
{
	const struct bo_load_record *rec = &t->run->loads.items[0];

	assert_true(rec->nreasons >= 1);
	assert_int_equal(rec->reasons[0].cls, cls);
	if (!strstr(rec->reasons[0].text, text))
		fail_msg("'%s' does not say '%s'", rec->reasons[0].text, text);
}

static void test_ok(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/ok", 0, 200);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 10;
	trun_some(&t, 20);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->requests.len);
	assert_int_equal(atomic_load(&h2d.requests), t.run->requests.len);
	assert_int_equal(t.run->loads.items[0].sent, t.run->requests.len);
	/* One connection carries ten at a time instead of opening more. */
	assert_int_equal(t.run->loads.items[0].connects, 1);
	bo_vec_foreach(r, &t.run->requests) {
		assert_true(r->sent_ns >= r->intended_ns && r->first_byte_ns >= r->sent_ns &&
			    r->end_ns >= r->first_byte_ns);
		assert_true(r->bytes >= 2);
	}
	done(&t, &s);
}

static void test_status(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/status/404", 200, 100);
	all_are(&t, 20, BO_REQ_HTTP_4XX, 404);
	done(&t, &s);
	h2_init(&t, &s, BO_LOAD_HTTP2, "/status/050", 200, 100);
	all_are(&t, 20, BO_REQ_PROTOCOL, 0);
	reason_is(&t, BO_REQ_PROTOCOL, "status is not valid");
	done(&t, &s);
	h2_init(&t, &s, BO_LOAD_HTTP2, "/status/503", 200, 100);
	all_are(&t, 20, BO_REQ_HTTP_5XX, 503);
	done(&t, &s);
}

/* Larger than any window on either side, so both must be topped up. */
static void test_flow_control(void **state)
{
	static char body[1 << 20];
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/big", 50, 200);
	t.spec.timeout_ns = 8000 * MS;
	all_are(&t, 10, BO_REQ_OK, 200);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->bytes >= 3 << 20);
	done(&t, &s);
	memset(body, 'b', sizeof(body));
	h2_init(&t, &s, BO_LOAD_HTTP2, "/echo", 50, 200);
	t.spec.timeout_ns = 8000 * MS;
	t.spec.method = "POST";
	t.spec.body = body;
	t.spec.body_len = sizeof(body);
	all_are(&t, 10, BO_REQ_OK, 200);
	assert_int_equal(atomic_load(&h2d.body_bytes), 10 * sizeof(body));
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->bytes >= sizeof(body));
	done(&t, &s);
}

/* Ten at a time on a connection, and each silent request keeps its place until it times out. */
static void test_streams_per_connection(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/silent", 500, 100);
	t.spec.timeout_ns = 1500 * MS;
	all_are(&t, 50, BO_REQ_TIMEOUT_FIRST_BYTE, 0);
	assert_int_equal(t.run->loads.items[0].connects, 5);
	assert_int_equal(atomic_load(&h2d.peak_streams), 10);
	/* Each timeout cancelled its stream, and only that. */
	until(atomic_load(&h2d.resets) == 50);
	done(&t, &s);
}

/* The server takes fewer than we would like. */
static void test_server_limits_streams(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/silent", 200, 200);
	h2d.max_streams = 4;
	t.spec.timeout_ns = 1500 * MS;
	trun_all(&t, 40);
	assert_int_equal(trun_count(&t, BO_REQ_TIMEOUT_FIRST_BYTE), 40);
	assert_true(atomic_load(&h2d.peak_streams) <= 4);
	assert_true(t.run->loads.items[0].connects >= 8);
	done(&t, &s);
}

static void test_shed(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/silent", 500, 100);
	t.spec.max_inflight = 20;
	t.spec.timeout_ns = 1500 * MS;
	trun_all(&t, 50);
	assert_int_equal(trun_count(&t, BO_REQ_SHED), 30);
	assert_int_equal(trun_count(&t, BO_REQ_TIMEOUT_FIRST_BYTE), 20);
	done(&t, &s);
}

static void test_timeout_body(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/half", 100, 100);
	t.spec.timeout_ns = 1500 * MS; /* time for the head, also on a busy machine */
	all_are(&t, 10, BO_REQ_TIMEOUT_BODY, 200);
	done(&t, &s);
}

static void test_abandon(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/silent", 100, 100);
	t.spec.abandon_ns = 1000 * MS; /* time to be sent, also on a busy machine */
	all_are(&t, 10, BO_REQ_ABANDONED, 0);
	until(atomic_load(&h2d.resets) == 10);
	done(&t, &s);
}

static void test_reset(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/reset", 0, 0);
	one_after_the_other_are(&t, 10, BO_REQ_RESET, 0);
	/* None was sent twice. */
	assert_int_equal(atomic_load(&h2d.requests), t.run->requests.len);
	assert_int_equal(t.run->loads.items[0].connects, 1);
	done(&t, &s);
}

/* REFUSED_STREAM says that it was not begun: it is sent again, once, and then answered. */
static void test_refused_stream(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/refuse", 100, 100);
	t.spec.method = "POST"; /* safe although not idempotent */
	all_are(&t, 10, BO_REQ_OK, 200);
	assert_int_equal(atomic_load(&h2d.requests), 11);
	assert_int_equal(t.run->loads.items[0].sent, 10);
	done(&t, &s);
}

/* After GOAWAY requests go elsewhere; those under way are answered. */
static void test_goaway(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/goaway", 500, 200);
	all_are(&t, 100, BO_REQ_OK, 200);
	assert_in_range(t.run->loads.items[0].connects, 2, 20);
	assert_int_equal(t.run->loads.items[0].sent, 100);
	done(&t, &s);
}

/* An answer before the request has ended is one, and the rest of the request is not sent. */
static void test_early_answer(void **state)
{
	static char body[4 << 20];
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/early", 50, 200);
	t.spec.method = "POST";
	t.spec.body = body;
	t.spec.body_len = sizeof(body);
	all_are(&t, 10, BO_REQ_OK, 200);
	assert_true(atomic_load(&h2d.body_bytes) < 10 * sizeof(body));
	/* The connection ends with the run: the last one's may go down with it, unread. */
	until(atomic_load(&h2d.cancels) >= 9);
	done(&t, &s);
}

static void test_wrong_length(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_HTTP2, "/length", 0, 0);
	one_after_the_other_are(&t, 10, BO_REQ_PROTOCOL, 200);
	reason_is(&t, BO_REQ_PROTOCOL, "breaks a rule");
	assert_int_equal(t.run->loads.items[0].connects, 1); /* the stream's fault alone */
	done(&t, &s);
}

static void test_grpc_ok(void **state)
{
	static const struct bo_header headers[] = { { "X-Trace", "{{uuid}}" } };
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_GRPC, "/s/Ok", 200, 200);
	t.spec.body = "\x08\x01\x00x";
	t.spec.body_len = 4;
	t.spec.headers = headers;
	t.spec.nheaders = 1;
	all_are(&t, 40, BO_REQ_OK, 200);
	assert_int_equal(atomic_load(&h2d.body_bytes), 40 * (5 + 4));
	done(&t, &s);
}

static void test_grpc_status(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	h2_init(&t, &s, BO_LOAD_GRPC, "/s/Unavailable", 100, 100);
	all_are(&t, 10, BO_REQ_GRPC, 14);
	reason_is(&t, BO_REQ_GRPC, "UNAVAILABLE (14): db is gone");
	assert_int_equal(t.run->loads.items[0].reasons[0].count, 10);
	done(&t, &s);
	h2_init(&t, &s, BO_LOAD_GRPC, "/s/TrailersOnly", 100, 100);
	all_are(&t, 10, BO_REQ_GRPC, 5);
	reason_is(&t, BO_REQ_GRPC, "NOT_FOUND (5)");
	done(&t, &s);
	/* What is no gRPC at all is judged by its HTTP status. */
	h2_init(&t, &s, BO_LOAD_GRPC, "/status/503", 100, 100);
	all_are(&t, 10, BO_REQ_HTTP_5XX, 503);
	done(&t, &s);
}

static void test_grpc_broken(void **state)
{
	static const struct {
		const char *path;
		const char *why;
	} cases[] = {
		{ "/s/Short", "cut short" },         { "/s/Two", "exactly one message" },
		{ "/s/NoStatus", "no grpc-status" }, { "/s/Compressed", "compressed" },
		{ "/ok", "content type" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tserver s;
		struct trun t;

		h2_init(&t, &s, BO_LOAD_GRPC, cases[i].path, 100, 50);
		all_are(&t, 5, BO_REQ_PROTOCOL, 200);
		reason_is(&t, BO_REQ_PROTOCOL, cases[i].why);
		done(&t, &s);
	}
}

/* ---- servers that are none ---- */

static const char *hostile_bytes;
static size_t hostile_len;
static size_t hostile_times;

static void serve_hostile(struct tserver *s, int fd)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";

	if (send(fd, settings, 9, MSG_NOSIGNAL) < 0)
		return;
	for (size_t i = 0; i < hostile_times; i++) {
		if (send(fd, hostile_bytes, hostile_len, MSG_NOSIGNAL) < 0)
			break;
	}
	tserver_until_gone(s, fd);
}

static void serve_http1(struct tserver *s, int fd)
{
	tserver_say(fd, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
	tserver_until_gone(s, fd);
}

static void serve_nothing(struct tserver *s, int fd)
{
	(void)s;
	tserver_reset(fd);
}

#define HOSTILE(bytes, times)                    \
	do {                                     \
		hostile_bytes = bytes;           \
		hostile_len = sizeof(bytes) - 1; \
		hostile_times = times;           \
	} while (0)

static void hostile_is(tserver_fn fn, bool reset_too)
{
	struct tserver s;
	struct trun t;

	tserver_start(&s, fn, 128);
	trun_init(&t, &s, 100, 50);
	t.spec.protocol = BO_LOAD_HTTP2;
	t.spec.streams = 10;
	t.spec.timeout_ns = 1000 * MS;
	trun_all(&t, 5);
	assert_int_equal(trun_count(&t, BO_REQ_PROTOCOL) +
				 (reset_too ? trun_count(&t, BO_REQ_RESET) : 0),
			 5);
	tserver_stop(&s);
	trun_done(&t);
}

static void test_hostile(void **state)
{
	(void)state;
	hostile_is(serve_http1, false);
	hostile_is(serve_nothing, true);
	/* A frame larger than the limit, a DATA frame of no stream, a HEADERS frame cut by another,
	 * a table size that was never offered: each ends the connection. */
	HOSTILE("\xff\xff\xff\0\0\0\0\0\1", 1);
	hostile_is(serve_hostile, true);
	HOSTILE("\0\0\1\0\0\0\0\0\0x", 1);
	hostile_is(serve_hostile, true);
	HOSTILE("\0\0\1\1\0\0\0\0\1\x88\0\0\0\4\0\0\0\0\0", 1);
	hostile_is(serve_hostile, true);
	HOSTILE("\0\0\4\1\4\0\0\0\1\x3f\xff\xff\x7f", 1);
	hostile_is(serve_hostile, true);
	/* Floods: SETTINGS and PING that ask for acknowledgements without reading them. */
	HOSTILE("\0\0\6\4\0\0\0\0\0\0\4\0\0\xff\xff", 100000);
	hostile_is(serve_hostile, true);
	HOSTILE("\0\0\x8\6\0\0\0\0\0abcdefgh", 100000);
	hostile_is(serve_hostile, true);
	/* A header block that never ends. */
	HOSTILE("\0\0\1\1\0\0\0\0\1\x88\0\0\1\x9\0\0\0\0\1\x88\0\0\1\x9\0\0\0\0\1\x88", 100000);
	hostile_is(serve_hostile, true);
}

static char bomb[9 + 4100 + 9 + 16000];

/* One field of 4000 bytes enters the table; each further byte on the wire is that field again. */
static void test_hpack_bomb(void **state)
{
	size_t at = 0, block = 1 + 1 + 2 + 1 + 3 + 4000 + 12000;
	struct tserver s;
	struct trun t;

	(void)state;
	memset(bomb, 0, sizeof(bomb));
	bomb[at++] = (char)(block >> 16);
	bomb[at++] = (char)(block >> 8);
	bomb[at++] = (char)block;
	bomb[at++] = 1; /* HEADERS, END_HEADERS, stream 1 */
	bomb[at++] = 4;
	at += 3;
	bomb[at++] = 1;
	bomb[at++] = (char)0x88; /* :status 200 */
	bomb[at++] = 0x40;       /* a new entry: name of 2 bytes … */
	bomb[at++] = 2;
	bomb[at++] = 'x';
	bomb[at++] = 'y';
	bomb[at++] = 0x7f; /* … value of 4000 = 127 + 3873 */
	bomb[at++] = (char)0xa1;
	bomb[at++] = 0x1e;
	memset(bomb + at, 'v', 4000);
	at += 4000;
	memset(bomb + at, 0xbe, 12000); /* index 62, twelve thousand times: 48 MB of fields */
	at += 12000;
	hostile_bytes = bomb;
	hostile_len = at;
	hostile_times = 1;
	tserver_start(&s, serve_hostile, 128);
	trun_init(&t, &s, 100, 50);
	t.spec.protocol = BO_LOAD_HTTP2;
	t.spec.streams = 1;
	t.spec.keepalive = false;
	t.spec.timeout_ns = 1000 * MS;
	all_are(&t, 5, BO_REQ_PROTOCOL, 0);
	reason_is(&t, BO_REQ_PROTOCOL, "longer than 64 KiB");
	tserver_stop(&s);
	trun_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_streams_per_connection),
		cmocka_unit_test(test_server_limits_streams),
		cmocka_unit_test(test_shed),
		cmocka_unit_test(test_timeout_body),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_refused_stream),
		cmocka_unit_test(test_goaway),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_grpc_ok),
		cmocka_unit_test(test_grpc_status),
		cmocka_unit_test(test_grpc_broken),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hpack_bomb),
	};

	return cmocka_run_group_tests_name("load/h2", tests, NULL, NULL);
}
