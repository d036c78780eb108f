/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/strbuf.h — a growing string for building text output.
 * A failed allocation sticks: later appends do nothing and bo_strbuf_ok() says so at the end.
 * Owns: its buffer.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"

/** struct bo_strbuf - zero-initialise; @buf is NUL-terminated, or NULL while empty */
struct bo_strbuf {
	char *buf;
	size_t len;
	size_t cap;
	bool failed;
};

void bo_strbuf_add(struct bo_strbuf *sb, const char *bytes, size_t n);
void bo_strbuf_puts(struct bo_strbuf *sb, const char *s);
void bo_strbuf_printf(struct bo_strbuf *sb, const char *fmt, ...) BO_PRINTF(2, 3);
/** bo_strbuf_str() - the text so far, "" when empty; [borrowed: until the next append] */
const char *bo_strbuf_str(const struct bo_strbuf *sb);
bool bo_strbuf_ok(const struct bo_strbuf *sb);
void bo_strbuf_done(struct bo_strbuf *sb);
