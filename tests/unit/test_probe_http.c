/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_http.c — requests to servers that answer, refuse, hang, lie and never end.
 * Owns: servers on 127.0.0.1.  Threads: the servers'.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/probe/http.h"
#include "httpd.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define CANNED(text) ((struct httpd_answer){ HTTPD_SEND, text, sizeof(text) - 1 })
#define CANNED_CLOSE(text) ((struct httpd_answer){ HTTPD_SEND_CLOSE, text, sizeof(text) - 1 })
#define CHUNK                                                              \
	"400\r\n"                                                          \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................" \
	"................................................................\r\n"

static struct httpd_answer answer(void *self, const char *target, const char *request)
{
	(void)self;
	if (strcmp(target, "/ok") == 0)
		return CANNED(OK_HEAD "Content-Length: 5\r\n\r\nhello");
	if (strcmp(target, "/chunked") == 0)
		return CANNED(OK_HEAD
			      "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
	if (strcmp(target, "/host") == 0)
		return strstr(request, "\r\nHost: orders:")
			       ? CANNED(OK_HEAD "Content-Length: 5\r\n\r\nhello")
			       : CANNED("HTTP/1.1 421 X\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(target, "/missing") == 0)
		return CANNED("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
	if (strcmp(target, "/moved") == 0)
		return CANNED("HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(target, "/hold") == 0)
		return (struct httpd_answer){ .deed = HTTPD_HOLD };
	if (strcmp(target, "/reset") == 0)
		return (struct httpd_answer){ .deed = HTTPD_RESET };
	if (strcmp(target, "/closed") == 0)
		return CANNED_CLOSE("");
	if (strcmp(target, "/short") == 0)
		return CANNED_CLOSE(OK_HEAD "Content-Length: 50\r\n\r\nhello");
	if (strcmp(target, "/half") == 0)
		return CANNED(OK_HEAD "Content-Length: 50\r\n\r\nhello");
	if (strcmp(target, "/ssh") == 0)
		return CANNED_CLOSE("SSH-2.0-OpenSSH_9.2\r\n");
	if (strcmp(target, "/endless") == 0)
		return (struct httpd_answer){ HTTPD_ENDLESS, CHUNK, sizeof(CHUNK) - 1 };
	if (strcmp(target, "/endless-body") == 0)
		return CANNED(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n" CHUNK CHUNK CHUNK CHUNK);
	return CANNED("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
}

struct collected {
	char body[64 * 1024];
	size_t len;
	size_t enough_at;
	int refuse;
	bool done;
	struct bo_fetch_result result;
	char reason[96];
};

static int on_body(void *self, const char *bytes, size_t n, struct bo_err *err)
{
	struct collected *c = self;

	assert_true(c->len + n < sizeof(c->body));
	memcpy(c->body + c->len, bytes, n);
	c->len += n;
	c->body[c->len] = '\0';
	if (c->refuse)
		return bo_err_set(err, c->refuse, BO_SUBSYS_PROBE, "I do not like it");
	return c->enough_at && c->len >= c->enough_at;
}

static void on_done(void *self, const struct bo_fetch_result *result)
{
	struct collected *c = self;

	assert_false(c->done);
	c->done = true;
	c->result = *result;
	snprintf(c->reason, sizeof(c->reason), "%s", result->reason);
}

struct world {
	struct httpd *httpd;
	struct bo_fetcher *fetcher;
};

static int setup(void **state)
{
	static struct world w;

	w.httpd = httpd_start(answer, NULL);
	if (bo_fetcher_new(&w.fetcher, NULL) < 0)
		return -1;
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	bo_fetcher_free(w->fetcher);
	httpd_stop(w->httpd);
	return 0;
}

static struct bo_fetch *make_fetch(struct world *w, const char *path, struct collected *c)
{
	struct bo_fetch_handler handler = { c, on_body, on_done };
	struct bo_err err = { 0 };
	struct bo_fetch *fetch;
	char url[128];

	snprintf(url, sizeof(url), "http://orders:%u%s", httpd_port(w->httpd), path);
	if (bo_fetch_new(&fetch, w->fetcher, url, "127.0.0.1", &handler, &err) < 0)
		fail_msg("%s", err.msg);
	return fetch;
}

static void run_until_done(struct world *w, struct collected *c)
{
	int64_t deadline_ns = bo_now_ns() + 20 * BO_NSEC_PER_SEC;

	while (!c->done) {
		assert_true(bo_now_ns() < deadline_ns);
		assert_int_equal(bo_fetcher_run(w->fetcher, -1, 1000, NULL), 0);
	}
}

static void get(struct world *w, const char *path, int64_t timeout_ns, struct collected *c)
{
	struct bo_fetch *fetch = make_fetch(w, path, c);

	assert_int_equal(bo_fetch_start(fetch, timeout_ns, NULL), 0);
	run_until_done(w, c);
	bo_fetch_free(fetch);
}

static void test_answers(void **state)
{
	static const char *const paths[] = { "/ok", "/chunked", "/host" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct collected c = { .len = 0 };

		get(*state, paths[i], BO_NSEC_PER_SEC * 10, &c);
		assert_int_equal(c.result.code, 0);
		assert_int_equal(c.result.status, 200);
		assert_string_equal(c.body, "hello");
		assert_string_equal(c.reason, "");
	}
}

static void test_failures_in_words(void **state)
{
	static const struct {
		const char *path;
		int code;
		const char *reason;
	} cases[] = {
		{ "/missing", -EREMOTEIO, "HTTP 404" },
		{ "/moved", -EREMOTEIO, "HTTP 302" },
		{ "/reset", -ECONNRESET, "connection reset" },
		{ "/closed", -ECONNRESET, "closed without an answer" },
		{ "/short", -EPIPE, "answer cut short" },
		{ "/ssh", -EPROTO, "not an HTTP answer" },
		{ "/hold", -ETIMEDOUT, "no answer in 200ms" },
		{ "/half", -ETIMEDOUT, "no answer in 200ms" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct collected c = { .len = 0 };
		int64_t patience_ns = (cases[i].code == -ETIMEDOUT ? 200 : 10000) *
				      BO_NSEC_PER_MSEC;

		get(*state, cases[i].path, patience_ns, &c);
		if (c.result.code != cases[i].code || strcmp(c.reason, cases[i].reason) != 0)
			fail_msg("%s: %d '%s'", cases[i].path, c.result.code, c.reason);
		/* An error page is nobody's business. */
		if (c.result.code == -EREMOTEIO)
			assert_int_equal(c.len, 0);
	}
}

static void test_refused(void **state)
{
	struct httpd *gone = httpd_start(answer, NULL);
	struct world w = { gone, ((struct world *)*state)->fetcher };
	struct collected c = { .len = 0 };
	struct bo_fetch *fetch = make_fetch(&w, "/ok", &c);

	httpd_stop(gone);
	assert_int_equal(bo_fetch_start(fetch, BO_NSEC_PER_SEC * 10, NULL), 0);
	run_until_done(&w, &c);
	assert_int_equal(c.result.code, -ECONNREFUSED);
	assert_string_equal(c.reason, "connection refused");
	bo_fetch_free(fetch);
}

static void test_endless_answers_end(void **state)
{
	struct collected c = { .len = 0 };

	/* No header ever comes. */
	get(*state, "/endless", BO_NSEC_PER_MSEC * 500, &c);
	assert_true(c.result.code < 0);
	c = (struct collected){ .enough_at = 1000 };
	get(*state, "/endless-body", BO_NSEC_PER_SEC * 10, &c);
	assert_int_equal(c.result.code, 0);
	assert_true(c.len >= 1000);
	c = (struct collected){ .refuse = EMSGSIZE };
	get(*state, "/endless-body", BO_NSEC_PER_SEC * 10, &c);
	assert_int_equal(c.result.code, -EMSGSIZE);
	assert_string_equal(c.reason, "I do not like it");
}

static void test_connection_is_kept(void **state)
{
	struct world *w = *state;
	struct collected c = { .len = 0 };
	struct bo_fetch *fetch = make_fetch(w, "/ok", &c);

	for (int i = 0; i < 20; i++) {
		c.len = 0;
		c.done = false;
		assert_int_equal(bo_fetch_start(fetch, BO_NSEC_PER_SEC * 10, NULL), 0);
		assert_int_equal(bo_fetch_start(fetch, BO_NSEC_PER_SEC * 10, NULL), -EBUSY);
		run_until_done(w, &c);
		assert_int_equal(c.result.code, 0);
	}
	assert_int_equal(httpd_requests(w->httpd), 20);
	assert_int_equal(httpd_connections(w->httpd), 1);
	bo_fetch_free(fetch);
}

static void test_slow_one_holds_up_nobody(void **state)
{
	struct world *w = *state;
	struct collected slow = { .len = 0 };
	struct collected quick = { .len = 0 };
	struct bo_fetch *held = make_fetch(w, "/hold", &slow);

	assert_int_equal(bo_fetch_start(held, BO_NSEC_PER_SEC * 60, NULL), 0);
	get(w, "/ok", BO_NSEC_PER_SEC * 10, &quick);
	assert_int_equal(quick.result.code, 0);
	assert_false(slow.done);
	bo_fetch_cancel(held);
	assert_false(slow.done);
	bo_fetch_free(held);
}

static void test_only_http_to_the_given_address(void **state)
{
	struct bo_fetch_handler handler = { .body = on_body, .done = on_done };
	struct world *w = *state;
	struct bo_fetch *fetch;
	struct collected c = { .len = 0 };
	char url[64];

	handler.self = &c;
	/* The host names a machine far away; the request stays here. */
	snprintf(url, sizeof(url), "http://192.0.2.1:%u/ok", httpd_port(w->httpd));
	assert_int_equal(bo_fetch_new(&fetch, w->fetcher, url, "127.0.0.1", &handler, NULL), 0);
	assert_int_equal(bo_fetch_start(fetch, BO_NSEC_PER_SEC * 10, NULL), 0);
	run_until_done(w, &c);
	assert_string_equal(c.body, "hello");
	bo_fetch_free(fetch);

	c = (struct collected){ .len = 0 };
	assert_int_equal(bo_fetch_new(&fetch, w->fetcher, "file:///etc/passwd", "127.0.0.1",
				      &handler, NULL),
			 0);
	assert_int_equal(bo_fetch_start(fetch, BO_NSEC_PER_SEC * 10, NULL), 0);
	run_until_done(w, &c);
	assert_int_equal(c.result.code, -EPROTO);
	assert_int_equal(c.len, 0);
	bo_fetch_free(fetch);
}

static void test_origin(void **state)
{
	struct bo_err err = { 0 };
	char buf[64];

	(void)state;
	assert_int_equal(bo_http_origin("http://orders:8080/healthz?x=1", buf, sizeof(buf), &err),
			 0);
	assert_string_equal(buf, "http://orders:8080");
	assert_int_equal(bo_http_origin("http://orders", buf, sizeof(buf), &err), 0);
	assert_string_equal(buf, "http://orders:80");
	assert_int_equal(bo_http_origin("http://[fd00::2]:8080/", buf, sizeof(buf), &err), 0);
	assert_string_equal(buf, "http://[fd00::2]:8080");
	assert_int_equal(bo_http_origin("https://orders/", buf, sizeof(buf), &err), -EINVAL);
	assert_int_equal(bo_http_origin("", buf, sizeof(buf), &err), -EINVAL);
	assert_int_equal(bo_http_origin("http://orders:8080/", buf, 10, &err), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_failures_in_words),
		TEST(test_refused),
		TEST(test_endless_answers_end),
		TEST(test_connection_is_kept),
		TEST(test_slow_one_holds_up_nobody),
		TEST(test_only_http_to_the_given_address),
		cmocka_unit_test(test_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
