/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/report/text.h — text of unknown origin, made safe for one place each.
 * Names, reasons and paths come from scenarios, services and kernels: they may hold quotes, markup,
 * control characters, terminal escapes or bytes that are no UTF-8.  Every helper appends valid
 * UTF-8; a byte that is part of no valid sequence becomes U+FFFD.  NULL is taken as "".
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/strbuf.h"

/**
 * bo_utf8_next() - decode one code point (RFC 3629: no overlong forms, no surrogates, up to
 * U+10FFFF)
 * @s: not at the terminating NUL
 * @ret_cp: [out] the code point, or U+FFFD when @s starts with an invalid byte
 * Return: how many bytes to skip (1 after an invalid byte)
 */
size_t bo_utf8_next(const char *s, uint32_t *ret_cp);
/** bo_utf8_valid() - is @s valid UTF-8 as a whole? */
bool bo_utf8_valid(const char *s);
/** bo_utf8_columns() - code points in @s: columns on a terminal for text without wide or combining
 * characters */
size_t bo_utf8_columns(const char *s);

/** bo_text_utf8() - as it is, invalid bytes replaced; control characters stay (for JSON, which
 * escapes them) */
void bo_text_utf8(struct bo_strbuf *sb, const char *s);
/** bo_text_xml() - for XML 1.0 text and double-quoted attributes; characters that XML 1.0 forbids
 * become U+FFFD */
void bo_text_xml(struct bo_strbuf *sb, const char *s);
/** bo_text_html() - for HTML text and double-quoted attributes; control characters but \n and \t
 * become U+FFFD */
void bo_text_html(struct bo_strbuf *sb, const char *s);
/** bo_text_markdown() - for a Markdown paragraph or table cell, everything literal, on one line */
void bo_text_markdown(struct bo_strbuf *sb, const char *s);
/** bo_text_markdown_code() - the same as a code span */
void bo_text_markdown_code(struct bo_strbuf *sb, const char *s);
/** bo_text_plain() - for a terminal, on one line: control characters (also C1 and bidi overrides)
 * become U+FFFD */
void bo_text_plain(struct bo_strbuf *sb, const char *s);
/** bo_text_csv() - one CSV field (RFC 4180), quoted when needed, always on one line */
void bo_text_csv(struct bo_strbuf *sb, const char *s);
/** bo_text_shell() - one word for sh(1), single-quoted when needed */
void bo_text_shell(struct bo_strbuf *sb, const char *s);
/** bo_text_filename() - [A-Za-z0-9._-] only, others become '_'; never empty, never starts with a
 * dot */
void bo_text_filename(struct bo_strbuf *sb, const char *s);
