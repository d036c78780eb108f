/* SPDX-License-Identifier: Apache-2.0 */
/* base/strbuf.c — text that grows; the first failed allocation sticks. */
#include "brownout/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/vec.h"

static bool room(struct bo_strbuf *sb, size_t n)
{
	if (sb->failed || n >= SIZE_MAX - sb->len) {
		sb->failed = true;
		return false;
	}
	if (sb->len + n + 1 > sb->cap &&
	    !bo_vec_grow_((void **)&sb->buf, &sb->cap, sb->len + n + 1, 1)) {
		sb->failed = true;
		return false;
	}
	return true;
}

void bo_strbuf_add(struct bo_strbuf *sb, const char *bytes, size_t n)
{
	if (!room(sb, n))
		return;
	if (n)
		memcpy(sb->buf + sb->len, bytes, n);
	sb->len += n;
	sb->buf[sb->len] = '\0';
}

void bo_strbuf_puts(struct bo_strbuf *sb, const char *s)
{
	bo_strbuf_add(sb, s, strlen(s));
}

void bo_strbuf_printf(struct bo_strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !room(sb, (size_t)n)) {
		sb->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	sb->len += (size_t)n;
}

const char *bo_strbuf_str(const struct bo_strbuf *sb)
{
	return sb->buf ? sb->buf : "";
}

bool bo_strbuf_ok(const struct bo_strbuf *sb)
{
	return !sb->failed;
}

void bo_strbuf_done(struct bo_strbuf *sb)
{
	free(sb->buf);
	*sb = (struct bo_strbuf){ 0 };
}
