/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_http1.c — the response parser: what it takes, what it refuses, at every split of the
 * bytes.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/load/http1.h"

/* How a response is to be read. */
struct good {
	const char *bytes;
	bool head_request;
	bool by_eof; /* complete only at the end of the connection */
	unsigned int status;
	uint64_t body;
	bool keepalive;
	bool upgraded;
	size_t leftover; /* bytes that belong to no response */
};

static const struct good goods[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", .status = 200, .body = 5,
	  .keepalive = true },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .status = 200, .keepalive = true },
	{ "HTTP/1.1 200\r\ncontent-LENGTH:3 \t\r\n\r\nabc", .status = 200, .body = 3,
	  .keepalive = true },
	{ "HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", .status = 200,
	  .body = 1, .keepalive = true },
	{ "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nno",
	  .status = 404, .body = 2 },
	{ "HTTP/1.1 200 OK\r\nConnection: foo, close ,bar\r\nContent-Length: 2\r\n\r\nok",
	  .status = 200, .body = 2 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", .status = 200, .body = 2 },
	{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", .status = 200,
	  .body = 2, .keepalive = true },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
	  .status = 200, .body = 15, .keepalive = true },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n005;a=b;c=\"d\"\r\nhello\r\n1 ;x\r\n!\r\n000\r\n"
	  "X-Sum: 1\r\nContent-Length: 99\r\n\r\n",
	  .status = 200, .body = 6, .keepalive = true },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", .head_request = true, .status = 200,
	  .keepalive = true },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .head_request = true,
	  .status = 200, .keepalive = true },
	{ "HTTP/1.1 204 No Content\r\n\r\n", .status = 204, .keepalive = true },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", .status = 304,
	  .keepalive = true },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\nConnection: close\r\n\r\n"
	  "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nc",
	  .status = 201, .body = 1, .keepalive = true },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello",
	  .status = 101, .upgraded = true, .leftover = 7 },
	{ "HTTP/1.1 200 OK\r\n\r\nuntil the end", .by_eof = true, .status = 200, .body = 13 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", .status = 200,
	  .body = 2, .keepalive = true, .leftover = 17 },
	{ "HTTP/1.1 503 \xe9t\xe9\r\nX-Empty:\r\nX:\t a\xff"
	  "b \r\nContent-Length: 0\r\n\r\n",
	  .status = 503, .keepalive = true },
};

/* Feed @bytes in two pieces; says how many bytes were used, or -EPROTO. */
static ssize_t feed_split(struct bo_http1 *p, const char *bytes, size_t len, size_t split)
{
	ssize_t a = bo_http1_feed(p, bytes, split), b;

	if (a < 0)
		return a;
	if ((size_t)a < split)
		return a;
	b = bo_http1_feed(p, bytes + split, len - split);
	return b < 0 ? b : a + b;
}

static void check_good(const struct good *g, size_t split)
{
	size_t len = strlen(g->bytes);
	/* A copy of exact size, so that the address sanitizer sees a read beyond. */
	char *copy = malloc(len);
	struct bo_http1 p;
	ssize_t used;

	assert_non_null(copy);
	memcpy(copy, g->bytes, len);
	bo_http1_init(&p, g->head_request);
	used = feed_split(&p, copy, len, split);
	free(copy);
	if (used < 0)
		fail_msg("refused at split %zu: %s\n%s", split, p.error, g->bytes);
	assert_int_equal(used, len - g->leftover);
	assert_int_equal(p.done, !g->by_eof);
	assert_int_equal(bo_http1_eof(&p), 0);
	assert_true(p.done);
	assert_true(p.head_done);
	assert_int_equal(p.status, g->status);
	assert_int_equal(p.body_bytes, g->body);
	assert_int_equal(p.keepalive, g->keepalive);
	assert_int_equal(p.upgraded, g->upgraded);
}

static void test_good_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		for (size_t split = 0; split <= strlen(goods[i].bytes); split++)
			check_good(&goods[i], split);
	}
}

static void test_good_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		size_t len = strlen(goods[i].bytes) - goods[i].leftover;
		struct bo_http1 p;

		bo_http1_init(&p, goods[i].head_request);
		for (size_t at = 0; at < len; at++) {
			assert_false(p.done);
			assert_int_equal(bo_http1_feed(&p, goods[i].bytes + at, 1), 1);
		}
		assert_int_equal(p.done, !goods[i].by_eof);
		assert_int_equal(p.body_bytes, goods[i].body);
	}
}

/* Every proper prefix is a response cut short, unless the connection's end is what ends it. */
static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		size_t len = strlen(goods[i].bytes) - goods[i].leftover;

		for (size_t cut = 0; cut < len; cut++) {
			struct bo_http1 p;

			bo_http1_init(&p, goods[i].head_request);
			assert_int_equal(bo_http1_feed(&p, goods[i].bytes, cut), cut);
			if (goods[i].by_eof && p.head_done)
				assert_int_equal(bo_http1_eof(&p), 0);
			else
				assert_int_equal(bo_http1_eof(&p), -ECONNRESET);
		}
	}
}

static const char *const bads[] = {
	"\r\nHTTP/1.1 200 OK\r\n\r\n",
	"HTTP/2.0 200 OK\r\n\r\n",
	"HTTP/1.2 200 OK\r\n\r\n",
	"http/1.1 200 OK\r\n\r\n",
	"HTTP/1.1200 OK\r\n\r\n",
	"HTTP/1.1  200 OK\r\n\r\n",
	"HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 099 OK\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n",
	"HTTP/1.1 200 O\x01K\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	"HTTP/1.1 200 OK\rX\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
	"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
	"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\x7f\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
	"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 0000000000000000000000000000000000000000000000000000000000000000000\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\x01\r\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
	"HTTP/1.1 101 \r\nX: a\x02\r\n\r\n",
	"SSH-2.0-OpenSSH_9.2\r\n",
};

static void test_bad_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		size_t len = strlen(bads[i]);

		for (size_t split = 0; split <= len; split++) {
			struct bo_http1 p;
			ssize_t used;

			bo_http1_init(&p, false);
			used = feed_split(&p, bads[i], len, split);
			if (used != -EPROTO)
				fail_msg("taken (%zd) at split %zu:\n%s", used, split, bads[i]);
			assert_non_null(p.error);
			assert_false(p.done);
			/* It stays bad, whatever comes. */
			assert_int_equal(bo_http1_feed(&p, "x", 1), -EPROTO);
			assert_int_equal(bo_http1_eof(&p), -ECONNRESET);
		}
	}
}

static void test_nul_is_refused(void **state)
{
	static const char bytes[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n";
	struct bo_http1 p;

	(void)state;
	bo_http1_init(&p, false);
	assert_int_equal(bo_http1_feed(&p, bytes, sizeof(bytes) - 1), -EPROTO);
}

/* Feed @piece again and again: how many bytes until it is refused?  0 when not within @most. */
static size_t bytes_until_refused(const char *start, const char *piece, size_t most)
{
	struct bo_http1 p;
	size_t fed = strlen(start);

	bo_http1_init(&p, false);
	assert_int_equal(bo_http1_feed(&p, start, fed), fed);
	while (fed < most) {
		if (bo_http1_feed(&p, piece, strlen(piece)) < 0)
			return fed;
		fed += strlen(piece);
	}
	return 0;
}

static void test_endless_heads_are_bounded(void **state)
{
	static const char status[] = "HTTP/1.1 200 OK\r\n";
	size_t n;

	(void)state;
	n = bytes_until_refused("HTTP/1.1 200 ", "a", 1 << 20);
	assert_in_range(n, BO_HTTP1_HEAD_MAX - 1, BO_HTTP1_HEAD_MAX);
	n = bytes_until_refused("HTTP/1.1 200 OK\r\nX: ", "a", 1 << 20);
	assert_in_range(n, BO_HTTP1_HEAD_MAX - 1, BO_HTTP1_HEAD_MAX);
	n = bytes_until_refused(status, "a", 1 << 20);
	assert_in_range(n, BO_HTTP1_HEAD_MAX - 1, BO_HTTP1_HEAD_MAX);
	n = bytes_until_refused(status, "X: a\r\n", 1 << 20);
	assert_in_range(n, 1, strlen(status) + 6 * (BO_HTTP1_FIELDS_MAX + 1));
	/* interim responses without end */
	n = bytes_until_refused("HTTP/1.1 100 \r\n\r\n", "HTTP/1.1 100 \r\n\r\n", 1 << 20);
	assert_in_range(n, 1, BO_HTTP1_HEAD_MAX);
	/* trailers without end */
	n = bytes_until_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
				"abcdefgh", 1 << 20);
	assert_in_range(n, 1, BO_HTTP1_HEAD_MAX + 64);
	/* a chunk extension without end, and leading zeros without end */
	n = bytes_until_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "e",
				1 << 20);
	assert_in_range(n, 1, BO_HTTP1_CHUNK_LINE_MAX + 64);
	n = bytes_until_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0", "0",
				1 << 20);
	assert_in_range(n, 1, BO_HTTP1_CHUNK_LINE_MAX + 64);
}

static void test_exactly_the_limit_is_taken(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nX: ",
			  tail[] = "\r\nContent-Length: 0\r\n\r\n";
	size_t pad = BO_HTTP1_HEAD_MAX - (sizeof(head) - 1) - (sizeof(tail) - 1);
	char *padding = malloc(pad + 1);

	(void)state;
	assert_non_null(padding);
	memset(padding, 'p', pad + 1);
	for (size_t extra = 0; extra <= 1; extra++) {
		struct bo_http1 p;

		bo_http1_init(&p, false);
		assert_int_equal(bo_http1_feed(&p, head, sizeof(head) - 1), sizeof(head) - 1);
		assert_int_equal(bo_http1_feed(&p, padding, pad + extra), pad + extra);
		assert_int_equal(bo_http1_feed(&p, tail, sizeof(tail) - 1),
				 extra ? -EPROTO : (int)sizeof(tail) - 1);
		assert_int_equal(p.done, !extra);
	}
	free(padding);
}

/* The largest length does not overflow and is not taken for a short one. */
static void test_huge_lengths(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bo_http1 p;
		char block[4096] = { 0 };

		bo_http1_init(&p, false);
		assert_int_equal(bo_http1_feed(&p, heads[i], strlen(heads[i])), strlen(heads[i]));
		for (int n = 0; n < 100; n++)
			assert_int_equal(bo_http1_feed(&p, block, sizeof(block)), sizeof(block));
		assert_false(p.done);
		assert_int_equal(p.body_bytes, 100 * sizeof(block));
		assert_int_equal(bo_http1_eof(&p), -ECONNRESET);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_at_every_split),
		cmocka_unit_test(test_good_byte_by_byte),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_bad_at_every_split),
		cmocka_unit_test(test_nul_is_refused),
		cmocka_unit_test(test_endless_heads_are_bounded),
		cmocka_unit_test(test_exactly_the_limit_is_taken),
		cmocka_unit_test(test_huge_lengths),
	};

	return cmocka_run_group_tests_name("load/http1", tests, NULL, NULL);
}
