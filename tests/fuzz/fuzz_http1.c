/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http1.c — the response parser on arbitrary bytes.
 * The first byte chooses HEAD and the sizes of the pieces; the rest is what the server says.
 * Besides memory errors it looks for a result that depends on how the bytes were cut, and for
 * counts that cannot be.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/load/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* Return: bytes used in all; stops at the end of the response or at the first error. */
static size_t feed(struct bo_http1 *p, const char *bytes, size_t len, size_t piece)
{
	size_t at = 0;

	while (at < len && !p->done) {
		size_t n = len - at < piece ? len - at : piece;
		/* of exact size, so that a read beyond it is seen */
		char *copy = malloc(n);
		ssize_t used;

		REQUIRE(copy);
		memcpy(copy, bytes + at, n);
		used = bo_http1_feed(p, copy, n);
		free(copy);
		if (used < 0) {
			REQUIRE(p->error);
			return at;
		}
		REQUIRE((size_t)used <= n);
		REQUIRE((size_t)used == n || p->done);
		at += (size_t)used;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bo_http1 whole, pieces;
	const char *bytes;
	size_t len, used;

	if (!size)
		return 0;
	bytes = (const char *)data + 1;
	len = size - 1;
	bo_http1_init(&whole, data[0] & 1);
	bo_http1_init(&pieces, data[0] & 1);
	used = feed(&whole, bytes, len, len ? len : 1);
	REQUIRE(whole.body_bytes <= len);
	if (whole.done) {
		REQUIRE(!whole.error && whole.head_done && whole.status >= 101 &&
			whole.status <= 999);
		REQUIRE(feed(&pieces, bytes, len, (size_t)(data[0] >> 1) + 1) == used);
	} else {
		(void)feed(&pieces, bytes, len, (size_t)(data[0] >> 1) + 1);
	}
	REQUIRE(whole.done == pieces.done);
	REQUIRE(whole.error == pieces.error);
	REQUIRE(whole.head_done == pieces.head_done);
	REQUIRE(whole.status == pieces.status);
	REQUIRE(whole.body_bytes == pieces.body_bytes);
	REQUIRE(whole.keepalive == pieces.keepalive);
	REQUIRE(bo_http1_eof(&whole) == bo_http1_eof(&pieces));
	REQUIRE(whole.done == pieces.done);
	return 0;
}
