/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/cut.h — bytes that come in pieces, as from a socket.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/err.h"

/**
 * cut_feed() - @data in pieces of @piece bytes, 0: all at once, to @feed until that fails
 * Each piece is a copy of its own size, so that a read past its end is seen.
 */
static inline int cut_feed(const uint8_t *data, size_t size, size_t piece,
			   int (*feed)(void *arg, const char *bytes, size_t n, struct bo_err *err),
			   void *arg, struct bo_err *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < size;) {
		size_t n = piece && piece < size - at ? piece : size - at;
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, data + at, n);
		r = feed(arg, copy, n, err);
		free(copy);
		at += n;
	}
	return r;
}
