/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping: every writer of report/text.c against text that breaks careless ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/text.h"

typedef void (*writer_fn)(struct bo_strbuf *sb, const char *s);

struct text_case {
	const char *in;
	const char *out;
};

static void check_all(writer_fn write, const struct text_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bo_strbuf sb = { 0 };

		write(&sb, cases[i].in);
		assert_true(bo_strbuf_ok(&sb));
		assert_string_equal(bo_strbuf_str(&sb), cases[i].out);
		assert_true(bo_utf8_valid(bo_strbuf_str(&sb)));
		bo_strbuf_done(&sb);
	}
}

#define CHECK(write, ...)                                                \
	do {                                                             \
		static const struct text_case cases[] = { __VA_ARGS__ }; \
		check_all(write, cases, sizeof(cases) / sizeof(*cases)); \
	} while (0)

#define BAD "\xEF\xBF\xBD"

static void test_utf8(void **state)
{
	(void)state;
	/* Truncated, overlong, surrogate, too large, stray continuation; each bad byte is one
	 * replacement. */
	CHECK(bo_text_utf8, { NULL, "" }, { "", "" }, { "plain \x1b\n", "plain \x1b\n" },
	      { "\xC3\xA9 \xE2\x80\xA6 \xF0\x9F\x8D\xBA",
		"\xC3\xA9 \xE2\x80\xA6 \xF0\x9F\x8D\xBA" },
	      { "\xFF", BAD }, { "\xC3", BAD }, { "\xC3(", BAD "(" }, { "\xC0\xAF", BAD BAD },
	      { "\xE0\x80\xAF", BAD BAD BAD }, { "\xED\xA0\x80", BAD BAD BAD },
	      { "\xF4\x90\x80\x80", BAD BAD BAD BAD }, { "\xE2\x80", BAD BAD },
	      { "a\x80z", "a" BAD "z" }, { "\xEF\xBF\xBD", BAD });
	assert_true(bo_utf8_valid("\xEF\xBF\xBD"));
	assert_false(bo_utf8_valid("a\x80"));
	assert_int_equal(bo_utf8_columns("\xC3\xA9\xE2\x80\xA6!"), 3);
}

static void test_xml(void **state)
{
	(void)state;
	CHECK(bo_text_xml, { "<a b=\"c\">&'", "&lt;a b=&quot;c&quot;&gt;&amp;&#39;" },
	      { "one\ntwo\tthree\r", "one&#10;two&#9;three&#13;" },
	      { "\x01\x1b[31m\x0b", BAD BAD "[31m" BAD }, { "\xEF\xBF\xBE\xEF\xBF\xBF", BAD BAD },
	      { "]]>", "]]&gt;" }, { "\xFF", BAD });
}

static void test_html(void **state)
{
	(void)state;
	CHECK(bo_text_html, { "</script><!--", "&lt;/script&gt;&lt;!--" },
	      { "\"'&", "&quot;&#39;&amp;" }, { "a\nb\tc", "a\nb\tc" },
	      { "\x1b\x7f\xC2\x85", BAD BAD BAD }, { "\xE2\x80\xAEx", BAD "x" });
}

static void test_markdown(void **state)
{
	(void)state;
	CHECK(bo_text_markdown, { "p99 <= 5ms", "p99 <= 5ms" }, { "<b>", "&#60;b>" },
	      { "</b", "&#60;/b" }, { "<!--", "&#60;!--" }, { "> x", "&#62; x" },
	      { "a|b\nc", "a&#124;b c" },
	      { "[x](y) *z* _w_ `v` @me #1",
		"&#91;x&#93;(y) &#42;z&#42; &#95;w&#95; &#96;v&#96; &#64;me &#35;1" },
	      { "\\|", "&#92;&#124;" }, { "\x1b", BAD });
	CHECK(bo_text_markdown_code, { "a <= b", "`a <= b`" }, { "a`b", "<code>a&#96;b</code>" },
	      { "a|b", "<code>a&#124;b</code>" }, { "", "<code></code>" },
	      { "\xFF", "<code>" BAD "</code>" });
}

static void test_plain(void **state)
{
	(void)state;
	CHECK(bo_text_plain, { "a\nb\tc", "a b c" }, { "\x1b[2J\x07", BAD "[2J" BAD },
	      { "\xC2\x9B"
		"31m",
		BAD "31m" },
	      { "\xE2\x81\xA6x", BAD "x" }, { "\u00b1 20ms", "\u00b1 20ms" },
	      { "a\u2028b", "a b" });
}

static void test_csv(void **state)
{
	(void)state;
	CHECK(bo_text_csv, { "plain", "plain" }, { "a,b", "\"a,b\"" },
	      { "say \"x\"", "\"say \"\"x\"\"\"" }, { "one\ntwo", "one two" },
	      { "=1+1", "\"'=1+1\"" }, { "@x", "\"'@x\"" }, { "", "" });
}

static void test_shell(void **state)
{
	(void)state;
	CHECK(bo_text_shell, { "scenarios/a-b_c.lua", "scenarios/a-b_c.lua" }, { "a b", "'a b'" },
	      { "", "''" }, { "it's", "'it'\\''s'" }, { "$(reboot)", "'$(reboot)'" },
	      { "~", "'~'" });
}

static void test_filename(void **state)
{
	(void)state;
	CHECK(bo_text_filename, { "memory.usage", "memory.usage" },
	      { "../../etc/x", "_._.._etc_x" }, { "", "_" }, { ".", "_" },
	      { "a/b c\xFF", "a_b_c_" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),  cmocka_unit_test(test_xml),
		cmocka_unit_test(test_html),  cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_plain), cmocka_unit_test(test_csv),
		cmocka_unit_test(test_shell), cmocka_unit_test(test_filename),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
