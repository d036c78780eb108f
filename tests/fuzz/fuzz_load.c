/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_load.c — the small parsers of the load engine: raw TCP answers, gRPC framing, templates.
 * The first byte chooses which and the sizes of the pieces.  Besides memory errors it looks for a
 * result that depends on how the bytes were cut.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/load/grpc.h"
#include "brownout/model/template.h"
#include "tcp_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* Return: where the answer ended, or where it turned out bad; @bad says which */
static size_t feed_tcp(const struct bo_tcp_spec *spec, const char *bytes, size_t len, size_t piece,
		       bool *bad, bool *done)
{
	struct bo_tcp_answer a = { 0 };
	size_t at = 0;

	*bad = *done = false;
	while (at < len && !a.done) {
		size_t n = len - at < piece ? len - at : piece;
		ssize_t used = bo_tcp_feed(&a, spec, bytes + at, n);

		if (used < 0) {
			*bad = true;
			return 0;
		}
		REQUIRE((size_t)used <= n && ((size_t)used == n || a.done));
		at += (size_t)used;
	}
	*done = a.done;
	return at;
}

static void fuzz_tcp(const char *bytes, size_t len, size_t piece)
{
	struct bo_tcp_spec spec = { 0 };
	size_t until, expect, whole, cut;
	bool bad, done, cut_bad, cut_done;

	if (len < 2)
		return;
	until = (unsigned char)bytes[0] % 16;
	expect = (unsigned char)bytes[1] % 16;
	bytes += 2;
	len -= 2;
	if (len < until + expect || !(until + expect))
		return;
	spec.until = bytes;
	spec.until_len = until;
	spec.expect = bytes + until;
	spec.expect_len = expect;
	bytes += until + expect;
	len -= until + expect;
	whole = feed_tcp(&spec, bytes, len, len ? len : 1, &bad, &done);
	cut = feed_tcp(&spec, bytes, len, piece, &cut_bad, &cut_done);
	/* A wrong beginning may be found before the end is, or after it. */
	if (!bad && !cut_bad)
		REQUIRE(whole == cut && done == cut_done);
	REQUIRE(bad == cut_bad);
	if (until && !bad) {
		const char *found = memmem(bytes, len, spec.until, until);

		REQUIRE(done == (found != NULL));
		if (found)
			REQUIRE(whole == (size_t)(found - bytes) + until);
	}
}

static void fuzz_grpc(const char *bytes, size_t len, size_t piece)
{
	struct bo_grpc whole = { 0 }, cut = { 0 };
	size_t at = 0;
	int r = bo_grpc_data(&whole, bytes, len), s = 0;

	while (!s && at < len) {
		size_t n = len - at < piece ? len - at : piece;

		s = bo_grpc_data(&cut, bytes + at, n);
		at += n;
	}
	REQUIRE(r == s && whole.messages == cut.messages && whole.left == cut.left);
	(void)bo_grpc_header(&whole, "grpc-status", 11, bytes, len);
	(void)bo_grpc_header(&whole, "grpc-message", 12, bytes, len);
	(void)bo_grpc_header(&whole, "content-type", 12, bytes, len);
	REQUIRE(strlen(whole.message) < sizeof(whole.message));
	(void)bo_grpc_end(&whole);
}

static void fuzz_template(const char *bytes, size_t len)
{
	struct bo_template_values v;
	struct bo_strbuf sb = { 0 };
	struct bo_err err = { 0 };

	if (bo_template_check(bytes, len, &err)) {
		REQUIRE(*err.msg);
		return;
	}
	bo_template_values_init(&v, 1, 2, 3, 4);
	bo_template_render(&sb, bytes, len, &v);
	if (!bo_template_has(bytes, len))
		REQUIRE(sb.len == len && (!len || !memcmp(sb.buf, bytes, len)));
	bo_strbuf_done(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 1);
	REQUIRE(copy);
	memcpy(copy, data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		fuzz_tcp(copy, size - 1, data[0] / 3 % 8 + 1);
		break;
	case 1:
		fuzz_grpc(copy, size - 1, data[0] / 3 % 8 + 1);
		break;
	default:
		fuzz_template(copy, size - 1);
		break;
	}
	free(copy);
	return 0;
}
