/* SPDX-License-Identifier: Apache-2.0 */
/* go_goroutines over HTTP, through the sampler: what services say, and what goes wrong on the way.
 * Owns: a server on 127.0.0.1.  Threads: the sampler's and the server's.  Privilege: none. */
#include "sampler_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "httpd.h"

#define TEXT "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
#define OPEN "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"

/** struct body - how the server answers; @length: what it says, -1 for nothing and a close at the end */
struct body {
	const char *headers;
	const char *bytes;
	long len;
	long length;
	enum httpd_deed deed;
};

static struct httpd_answer say(void *self, const char *target, const char *request)
{
	static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

	/* Compressing is work, which a probe must not make. */
	if (strcmp(target, "/metrics") != 0 || strstr(request, "gzip"))
		return (struct httpd_answer){ HTTPD_SEND, none, sizeof(none) - 1 };
	return *(struct httpd_answer *)self;
}

static char *compose(const struct body *b, size_t *ret_len)
{
	size_t len = b->len ? (size_t)b->len : strlen(b->bytes), head;
	char *text = malloc(len + 512);
	char length[64] = "";

	assert_non_null(text);
	if (b->length >= 0)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			 b->length ? (size_t)b->length : len);
	head = (size_t)snprintf(text, 512, "HTTP/1.1 200 OK\r\n%s%s\r\n", b->headers, length);
	memcpy(text + head, b->bytes, len);
	*ret_len = head + len;
	return text;
}

static struct kit *sample(const struct body *b, struct httpd_answer *answer, struct httpd **ret,
			  char *url, size_t size)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	size_t len;
	char *text = compose(b, &len);

	*answer = (struct httpd_answer){ b->deed, text, len };
	*ret = httpd_start(say, answer);
	snprintf(url, size, "http://orders:%u/metrics", httpd_port(*ret));
	kit_spec(k, node)->probe.metrics_url = url;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, getpid());
	kit_detect(k);
	kit_start(k);
	return k;
}

/* @value, or NAN and the @reason of the gap, of which there may be two: "this|that" */
static void expect(const struct body *b, double value, const char *reason)
{
	struct httpd_answer answer;
	struct httpd *httpd;
	char url[64];
	struct kit *k = sample(b, &answer, &httpd, url, sizeof(url));
	int node = (int)k->plan->nodes.len - 1;
	int64_t deadline_ns = bo_now_ns() + KIT_PATIENCE_NS;
	const struct bo_series *s;

	if (!isnan(value))
		kit_wait(k, BO_SERIES_GOROUTINES, node, kit_equal, value);
	/* The first was for detection. */
	while (httpd_requests(httpd) < 3) {
		assert_true(bo_now_ns() < deadline_ns);
		poll(NULL, 0, 2);
	}
	bo_sampler_stop(k->sampler);
	s = kit_series(k, BO_SERIES_GOROUTINES, node);
	if (isnan(value)) {
		assert_int_equal(s->samples.len, 0);
		assert_true(kit_gaps(s) >= 1);
		bo_vec_foreach(gap, &s->gaps) {
			if (kit_is_held_up(gap))
				continue;
			if (!strstr(reason, gap->reason))
				fail_msg("%s: '%s', expected '%s'", b->bytes, gap->reason, reason);
			break;
		}
	} else {
		assert_string_equal(s->source, "metrics go_goroutines");
		bo_vec_foreach(it, &s->samples)
			assert_float_equal(it->value, value, 0);
		assert_int_equal(kit_gaps(s), 0);
	}
	kit_free(k);
	httpd_stop(httpd);
	free((char *)answer.bytes);
}

static void test_what_services_say(void **state)
{
	static const struct body text = {
		.headers = TEXT,
		.bytes = "# HELP go_goroutines Number of goroutines that currently exist.\n"
			 "# TYPE go_goroutines gauge\n"
			 "go_goroutines 4711\n"
			 "go_threads 9\n",
	};
	static const struct body labels = {
		.headers = TEXT,
		.bytes =
			"go_goroutines{service=\"orders\",note=\"a } \\\" b\",} 1.2e+01 1395066363000\n"
	};
	static const struct body open_metrics = {
		.headers = OPEN,
		.bytes = "# TYPE go_goroutines gauge\n"
			 "# UNIT go_goroutines \n"
			 "go_goroutines 35.0 # {trace_id=\"oHg5SJYRHA0\"} 0.67 1520879607.789\n"
			 "# EOF\n"
	};
	static const struct body chunked = {
		.headers = TEXT "Transfer-Encoding: chunked\r\n",
		.bytes = "b\r\ngo_goroutin\r\n6\r\nes 17\n\r\n0\r\n\r\n",
		.length = -1,
	};

	(void)state;
	expect(&text, 4711, NULL);
	expect(&labels, 12, NULL);
	expect(&open_metrics, 35, NULL);
	expect(&chunked, 17, NULL);
}

static void test_what_is_no_count(void **state)
{
	static const struct body nan_value = { .headers = TEXT, .bytes = "go_goroutines NaN\n" };
	static const struct body half = { .headers = TEXT, .bytes = "go_goroutines 41.5\n" };
	static const struct body negative = { .headers = TEXT, .bytes = "go_goroutines -1\n" };
	static const struct body none = { .headers = TEXT, .bytes = "process_open_fds 9\n" };
	static const struct body two = {
		.headers = TEXT, .bytes = "go_goroutines{pod=\"a\"} 4\ngo_goroutines{pod=\"b\"} 5\n"
	};
	static const struct body page = { .headers = "",
					  .bytes = "<html><body>Log in</body></html>\n" };

	(void)state;
	expect(&nan_value, NAN, "malformed sample of go_goroutines");
	expect(&half, NAN, "metric 'go_goroutines' is not a count");
	expect(&negative, NAN, "metric 'go_goroutines' is not a count");
	expect(&none, NAN, "no metric 'go_goroutines'");
	expect(&two, NAN, "2 series of 'go_goroutines': not one process");
	expect(&page, NAN, "no metric 'go_goroutines'");
}

static void test_truncated(void **state)
{
	/* Of 4711, and nobody said how long the answer is. */
	static const struct body closed = { .headers = TEXT,
					    .bytes = "go_threads 5\ngo_goroutines 47",
					    .length = -1,
					    .deed = HTTPD_SEND_CLOSE };
	static const struct body shorter = { .headers = TEXT,
					     .bytes = "go_goroutines 47\n",
					     .length = 400,
					     .deed = HTTPD_SEND_CLOSE };
	static const struct body chunk = { .headers = TEXT "Transfer-Encoding: chunked\r\n",
					   .bytes = "40\r\ngo_goroutines 47\n",
					   .length = -1,
					   .deed = HTTPD_SEND_CLOSE };

	(void)state;
	expect(&closed, NAN, "cut short in a sample of 'go_goroutines'");
	expect(&shorter, NAN, "answer cut short");
	expect(&chunk, NAN, "answer cut short");
}

static void test_compressed(void **state)
{
	static const char gz[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x53\x56\x08\x89\x0c\x70"
				 "\x55\x48\xcf\x8f\x4f\xcf\x2f\xca\x2f\x2d\xc9\xcc\x4b\x2d\x56\x48"
				 "\x4f\x2c\x4d\x4f\xe5\x42\x15\x33\x31\xe2\x02\x00\x05\x6b\x56\x43"
				 "\x2c\x00\x00\x00";
	static const struct body gzip = { .headers = TEXT "Content-Encoding: gzip\r\n",
					  .bytes = gz,
					  .len = sizeof(gz) - 1 };
	static const struct body torn = { .headers = TEXT "Content-Encoding: gzip\r\n",
					  .bytes = gz,
					  .len = 30 };
	static const struct body unknown = { .headers = TEXT "Content-Encoding: exi\r\n",
					     .bytes = "\x80\x41" };

	(void)state;
	expect(&gzip, 42, NULL);
	expect(&torn, NAN, "no metric 'go_goroutines'|answer in an unknown encoding");
	expect(&unknown, NAN, "answer in an unknown encoding");
}

static void test_endless(void **state)
{
	struct body b = { .headers = TEXT, .len = 1 << 20, .length = -1, .deed = HTTPD_ENDLESS };
	char *line = malloc((size_t)b.len + 1);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', (size_t)b.len);
	line[b.len] = '\0';
	b.bytes = line;
	/* A second is enough for 64 MiB, but on a machine that is busy. */
	expect(&b, NAN, "answer larger than 64MiB|no answer in 1s");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_services_say), cmocka_unit_test(test_what_is_no_count),
		cmocka_unit_test(test_truncated),         cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
