/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_answer.c — where the answer to a raw request ends.
 * Owns: nothing.  Threads: one per answer.  Privilege: none. */
#include "tcp_answer.h"

#include <errno.h>
#include <string.h>

/* @matched bytes of the delimiter were seen and @ch is not the next one: how many agree with @ch as
 * the last one?  (Knuth, Morris and Pratt; the delimiter is so short that no table pays.) */
static uint32_t rematch(const struct bo_tcp_spec *spec, uint32_t matched, char ch)
{
	while (matched && spec->until[matched] != ch) {
		uint32_t shorter = matched - 1;

		while (memcmp(spec->until, spec->until + matched - shorter, shorter) != 0)
			shorter--;
		matched = shorter;
	}
	return spec->until[matched] == ch ? matched + 1 : 0;
}

/* The answer is as long as is known beforehand.  Return: how many of @len belong to it */
static size_t feed_counted(struct bo_tcp_answer *a, uint64_t total, size_t len)
{
	size_t n = total - a->seen < len ? (size_t)(total - a->seen) : len;

	a->seen += n;
	a->done = a->seen == total;
	return n;
}

static size_t feed_until(struct bo_tcp_answer *a, const struct bo_tcp_spec *spec, const char *buf,
			 size_t len)
{
	size_t n = 0;

	while (n < len && !a->done) {
		a->matched = rematch(spec, a->matched, buf[n++]);
		a->done = a->matched == spec->until_len;
	}
	a->seen += n;
	return n;
}

ssize_t bo_tcp_feed(struct bo_tcp_answer *a, const struct bo_tcp_spec *spec, const char *buf,
		    size_t len)
{
	uint64_t before = a->seen;
	size_t n;

	if (spec->until_len)
		n = feed_until(a, spec, buf, len);
	else
		n = feed_counted(a, spec->bytes ? (uint64_t)spec->bytes : spec->expect_len, len);
	if (before < spec->expect_len) {
		size_t check = (size_t)(spec->expect_len - before);

		if (memcmp(buf, spec->expect + before, check < n ? check : n) != 0)
			return -EPROTO;
		if (a->done && a->seen < spec->expect_len)
			return -EPROTO;
	}
	return (ssize_t)n;
}
