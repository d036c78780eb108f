/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_h2.c — the HTTP/2 driver, and gRPC in it, on arbitrary bytes from the server.
 * The first byte chooses the protocol, the requests and the sizes of the pieces; the second whether
 * a request is cancelled half-way; the rest is what the server says, after SETTINGS if asked.
 * Besides memory errors it looks for a request that ends twice or after it was cancelled, for more
 * stored than a response may have, and for a session that goes on after it failed.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "brownout/load/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

#define REQUESTS 3

struct world {
	struct bo_h2 *h2;
	struct bo_h2_call *calls[REQUESTS];
	size_t ended;
	bool again; /* a refused request is sent again from within, as the engine does */
};

static struct bo_h2_call *ask(struct world *w, bool grpc, void *user)
{
	static const struct bo_h2_field fields[] = {
		{ ":method", "POST", 7, 4 },
		{ ":scheme", "http", 7, 4 },
		{ ":authority", "test", 10, 4 },
		{ ":path", "/", 5, 1 },
	};
	char *body = malloc(100);

	REQUIRE(body);
	memset(body, 'b', 100);
	return bo_h2_request(w->h2, fields, 4, body, 100, grpc, user);
}

static void on_sent(void *arg, struct bo_h2_call *call)
{
	(void)arg;
	REQUIRE(call->user);
}

static void on_begun(void *arg, struct bo_h2_call *call)
{
	(void)arg;
	REQUIRE(call->user);
}

static void on_end(void *arg, struct bo_h2_call *call, enum bo_h2_end how)
{
	struct world *w = arg;
	struct bo_h2_call **slot = call->user;

	REQUIRE(*slot == call);
	*slot = NULL;
	w->ended++;
	REQUIRE((how == BO_H2_PROTOCOL) == (call->why != NULL));
	if (how == BO_H2_ANSWERED)
		REQUIRE(call->status >= 200 && call->status <= 999);
	if (how == BO_H2_REFUSED && w->again) {
		w->again = false;
		*slot = ask(w, call->is_grpc, slot);
	}
}

static void on_goaway(void *arg)
{
	(void)arg;
}

static bool pull(struct world *w)
{
	const char *bytes;
	ssize_t n;

	while ((n = bo_h2_pull(w->h2, &bytes)) > 0)
		REQUIRE(bytes);
	if (n < 0)
		REQUIRE(*bo_h2_why(w->h2));
	return n == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bo_h2_events events = { on_sent, on_begun, on_end, on_goaway };
	struct world w = { .again = true };
	size_t piece, at = 2;
	bool ok;

	if (size < 2)
		return 0;
	REQUIRE(!bo_h2_new(&w.h2, &events, &w));
	for (size_t i = 0; i < REQUESTS; i++) {
		w.calls[i] = ask(&w, data[0] & 1, &w.calls[i]);
		REQUIRE(w.calls[i]);
	}
	ok = pull(&w);
	if (data[0] & 2)
		ok = ok && !bo_h2_feed(w.h2, "\0\0\0\4\0\0\0\0\0", 9) && pull(&w);
	piece = (size_t)(data[0] >> 2) * 8 + 1;
	while (ok && at < size) {
		size_t n = size - at < piece ? size - at : piece;
		char *copy = malloc(n); /* of exact size, so that a read beyond it is seen */

		REQUIRE(copy);
		memcpy(copy, data + at, n);
		ok = !bo_h2_feed(w.h2, copy, n);
		free(copy);
		at += n;
		if (at >= data[1] && w.calls[1]) {
			bo_h2_cancel(w.h2, w.calls[1]);
			w.calls[1] = NULL;
		}
		ok = ok && pull(&w);
	}
	for (size_t i = 0; i < REQUESTS; i++)
		REQUIRE(!w.calls[i] || w.calls[i]->head_bytes <= 2 * BO_H2_HEAD_MAX);
	REQUIRE(w.ended <= REQUESTS + 1);
	bo_h2_free(w.h2);
	return 0;
}
