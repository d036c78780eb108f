/* SPDX-License-Identifier: Apache-2.0 */
/* report/text.c — escaping, one function per place that text can go to.
 * All of them walk code points, so that no escaping can be undone by a byte that is half a
 * character.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/report/text.h"

#include <ctype.h>
#include <string.h>

#define REPLACEMENT UINT32_C(0xFFFD)
#define REPLACEMENT_UTF8 "\xEF\xBF\xBD"

size_t bo_utf8_next(const char *s, uint32_t *ret_cp)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t len;

	*ret_cp = REPLACEMENT;
	if (u[0] < 0x80) {
		*ret_cp = u[0];
		return 1;
	}
	if ((u[0] & 0xE0) == 0xC0) {
		len = 2;
		cp = u[0] & 0x1F;
	} else if ((u[0] & 0xF0) == 0xE0) {
		len = 3;
		cp = u[0] & 0x0F;
	} else if ((u[0] & 0xF8) == 0xF0) {
		len = 4;
		cp = u[0] & 0x07;
	} else {
		return 1;
	}
	/* The terminating NUL is no continuation byte, so this never reads past it. */
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xC0) != 0x80)
			return 1;
		cp = cp << 6 | (u[i] & 0x3F);
	}
	if (cp < smallest[len] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		return 1;
	*ret_cp = cp;
	return len;
}

/* An invalid byte and a real U+FFFD decode alike; only the real one is three bytes long. */
static bool is_invalid(uint32_t cp, size_t len)
{
	return cp == REPLACEMENT && len == 1;
}

bool bo_utf8_valid(const char *s)
{
	while (s && *s) {
		uint32_t cp;
		size_t len = bo_utf8_next(s, &cp);

		if (is_invalid(cp, len))
			return false;
		s += len;
	}
	return true;
}

size_t bo_utf8_columns(const char *s)
{
	size_t n = 0;

	while (s && *s) {
		uint32_t cp;

		s += bo_utf8_next(s, &cp);
		n++;
	}
	return n;
}

/* C0 but tab and newline, DEL, and C1: nothing a person can read, and some of it drives
 * terminals. */
static bool is_control(uint32_t cp)
{
	return (cp < 0x20 && cp != '\t' && cp != '\n') || (cp >= 0x7F && cp <= 0x9F);
}

/* Overrides that make a line read differently from what it says ("Trojan Source",
 * CVE-2021-42574). */
static bool is_bidi_control(uint32_t cp)
{
	return (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
}

/* What would begin a new line (or column) somewhere: U+2028 and U+2029 do in some viewers. */
static bool is_break(uint32_t cp)
{
	return cp == '\n' || cp == '\t' || cp == '\r' || cp == 0x2028 || cp == 0x2029;
}

static void add_raw(struct bo_strbuf *sb, const char *s, size_t len, uint32_t cp)
{
	if (is_invalid(cp, len))
		bo_strbuf_puts(sb, REPLACEMENT_UTF8);
	else
		bo_strbuf_add(sb, s, len);
}

void bo_text_utf8(struct bo_strbuf *sb, const char *s)
{
	while (s && *s) {
		uint32_t cp;
		size_t len = bo_utf8_next(s, &cp);

		add_raw(sb, s, len, cp);
		s += len;
	}
}

static const char *markup_entity(uint32_t cp)
{
	switch (cp) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* XML 1.0 (5th ed.) § 2.2 Char: a parser must reject the whole document over one of these. */
static bool xml_forbids(uint32_t cp)
{
	return (cp < 0x20 && cp != '\t' && cp != '\n' && cp != '\r') || cp == 0xFFFE ||
	       cp == 0xFFFF;
}

void bo_text_xml(struct bo_strbuf *sb, const char *s)
{
	while (s && *s) {
		uint32_t cp;
		size_t len = bo_utf8_next(s, &cp);
		const char *entity = markup_entity(cp);

		if (entity)
			bo_strbuf_puts(sb, entity);
		else if (cp == '\t' || cp == '\n' || cp == '\r')
			/* As references, since attribute normalisation turns the bare ones into
			 * spaces. */
			bo_strbuf_printf(sb, "&#%u;", (unsigned)cp);
		else if (xml_forbids(cp))
			bo_strbuf_puts(sb, REPLACEMENT_UTF8);
		else
			add_raw(sb, s, len, cp);
		s += len;
	}
}

void bo_text_html(struct bo_strbuf *sb, const char *s)
{
	while (s && *s) {
		uint32_t cp;
		size_t len = bo_utf8_next(s, &cp);
		const char *entity = markup_entity(cp);

		if (entity)
			bo_strbuf_puts(sb, entity);
		else if (is_control(cp) || is_bidi_control(cp))
			bo_strbuf_puts(sb, REPLACEMENT_UTF8);
		else
			add_raw(sb, s, len, cp);
		s += len;
	}
}

/* '<' and '>' are common in budgets ("<= 5") and harmless unless they can begin a tag or a
 * quotation. */
static bool markdown_special(const char *s, bool first)
{
	if (*s == '<')
		return isalpha((unsigned char)s[1]) || (s[1] && strchr("/!?", s[1]));
	if (*s == '>')
		return first;
	return strchr("&|`*_[]\\~#@\"", *s);
}

void bo_text_markdown(struct bo_strbuf *sb, const char *s)
{
	for (const char *p = s; p && *p;) {
		uint32_t cp;
		size_t len = bo_utf8_next(p, &cp);

		if (is_break(cp))
			bo_strbuf_puts(sb, " ");
		else if (is_control(cp) || is_bidi_control(cp))
			bo_strbuf_puts(sb, REPLACEMENT_UTF8);
		else if (cp < 0x80 && markdown_special(p, p == s))
			/* References mean the character itself and nothing else, in a table cell
			 * too. */
			bo_strbuf_printf(sb, "&#%u;", (unsigned)cp);
		else
			add_raw(sb, p, len, cp);
		p += len;
	}
}

void bo_text_markdown_code(struct bo_strbuf *sb, const char *s)
{
	bool simple = s && *s && *s != ' ' && !strpbrk(s, "`|\n\r\t");

	for (const char *p = s; simple && *p;) {
		uint32_t cp;
		size_t len = bo_utf8_next(p, &cp);

		simple = !is_invalid(cp, len) && !is_control(cp) && !is_break(cp) &&
			 !is_bidi_control(cp);
		p += len;
	}
	if (simple) {
		bo_strbuf_printf(sb, "`%s`", s);
		return;
	}
	bo_strbuf_puts(sb, "<code>");
	bo_text_markdown(sb, s);
	bo_strbuf_puts(sb, "</code>");
}

void bo_text_plain(struct bo_strbuf *sb, const char *s)
{
	while (s && *s) {
		uint32_t cp;
		size_t len = bo_utf8_next(s, &cp);

		if (is_break(cp))
			bo_strbuf_puts(sb, " ");
		else if (is_control(cp) || is_bidi_control(cp))
			bo_strbuf_puts(sb, REPLACEMENT_UTF8);
		else
			add_raw(sb, s, len, cp);
		s += len;
	}
}

void bo_text_csv(struct bo_strbuf *sb, const char *s)
{
	struct bo_strbuf flat = { 0 };

	bo_text_plain(&flat, s);
	s = bo_strbuf_str(&flat);
	/* A spreadsheet runs a cell that starts like this as a formula; a leading quote makes it
	 * text. */
	bool formula = *s && strchr("=+-@", *s);

	if (!formula && !strpbrk(s, ",\"")) {
		bo_strbuf_puts(sb, s);
	} else {
		bo_strbuf_puts(sb, formula ? "\"'" : "\"");
		for (; *s; s++) {
			if (*s == '"')
				bo_strbuf_puts(sb, "\"");
			bo_strbuf_add(sb, s, 1);
		}
		bo_strbuf_puts(sb, "\"");
	}
	sb->failed |= flat.failed;
	bo_strbuf_done(&flat);
}

void bo_text_shell(struct bo_strbuf *sb, const char *s)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";

	if (s && *s && s[strspn(s, safe)] == '\0') {
		bo_strbuf_puts(sb, s);
		return;
	}
	bo_strbuf_puts(sb, "'");
	for (; s && *s; s++) {
		if (*s == '\'')
			bo_strbuf_puts(sb, "'\\''");
		else
			bo_strbuf_add(sb, s, 1);
	}
	bo_strbuf_puts(sb, "'");
}

void bo_text_filename(struct bo_strbuf *sb, const char *s)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!s || !*s) {
		bo_strbuf_puts(sb, "_");
		return;
	}
	for (const char *p = s; *p; p++) {
		bool ok = strchr(safe, *p) && !(p == s && *p == '.');

		bo_strbuf_add(sb, ok ? p : "_", 1);
	}
}
