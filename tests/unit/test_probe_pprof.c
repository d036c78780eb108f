/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_probe_pprof.c — the goroutine profile parser on texts as Go 1.19 to 1.26 write
 * them.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/probe/pprof.h"

/* From a real program: three blocked goroutines, main, and one with labels that need quoting. */
static const char profile[] =
	"goroutine profile: total 5\n"
	"3 @ 0x47d96e 0x45f146 0x4dc06f 0x483e81\n"
	"#\t0x4dc06e\tmain.main.func1+0xe\t/tmp/demo/main.go:4\n"
	"\n"
	"1 @ 0x442931 0x47cd5d 0x4c5469\n"
	"#\t0x4c5468\truntime/pprof.(*Profile).WriteTo+0x148\t/usr/lib/go/src/runtime/pprof/pprof.go:408\n"
	"#\t0x4dc046\tmain.main+0xc6\t\t\t\t/tmp/a b:c/main.go:7\n"
	"#\t0x4dc046\tmain.pair[go.shape.int +0x1]+0xc6\t/x.go:1\n"
	"\n"
	"1 @ 0x47d96e 0x480b65 0x4dc0dd 0x483e81\n"
	"# labels: {\"k\\\"q\":\"v, w\\n\"}\n"
	"#\t0x480b64\n"
	"#\t0x4dc0dc\tmain.main.func2.1+0x1c\t/tmp/demo/main.go:5\n"
	"\n";

struct seen {
	char text[2048];
	size_t len;
};

static void on_group(void *self, int64_t count, const uint64_t *pcs, size_t npcs)
{
	struct seen *s = self;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "G%d/%zu/%x ",
				   (int)count, npcs, npcs ? (unsigned)pcs[npcs - 1] : 0);
}

static void on_labels(void *self, const char *text, size_t len)
{
	struct seen *s = self;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "L<%.*s> ", (int)len,
				   text);
}

static void on_frame(void *self, uint64_t pc, const char *func, size_t func_len, const char *file,
		     size_t file_len, int64_t line)
{
	struct seen *s = self;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "F%x<%.*s|%.*s|%d> ",
				   (unsigned)pc, (int)func_len, func, (int)file_len, file,
				   (int)line);
}

static const char expected[] =
	"G3/4/483e81 F4dc06e<main.main.func1|/tmp/demo/main.go|4> "
	"G1/3/4c5469 F4c5468<runtime/pprof.(*Profile).WriteTo|/usr/lib/go/src/runtime/pprof/pprof.go|408> "
	"F4dc046<main.main|/tmp/a b:c/main.go|7> F4dc046<main.pair[go.shape.int +0x1]|/x.go|1> "
	"G1/4/483e81 L<\"k\\\"q\":\"v, w\\n\"> F480b64<||0> F4dc0dc<main.main.func2.1|/tmp/demo/main.go|5> ";

static void test_whole_at_any_cut(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= sizeof(profile); piece++) {
		struct seen seen = { .len = 0 };
		struct bo_pprof_visitor v = { &seen, on_group, on_labels, on_frame };
		struct bo_err err = { 0 };
		struct bo_pprof p;

		bo_pprof_init(&p, &v);
		for (size_t at = 0; at < strlen(profile); at += piece) {
			size_t n = strlen(profile) - at < piece ? strlen(profile) - at : piece;

			if (bo_pprof_feed(&p, profile + at, n, &err) < 0)
				fail_msg("pieces of %zu: %s", piece, err.msg);
		}
		assert_int_equal(bo_pprof_finish(&p, &err), 0);
		assert_int_equal(p.total, 5);
		assert_int_equal(p.groups, 3);
		assert_string_equal(seen.text, expected);
		bo_pprof_done(&p);
	}
}

static void test_count_is_known_after_the_first_line(void **state)
{
	struct bo_pprof p;

	(void)state;
	bo_pprof_init(&p, NULL);
	assert_int_equal(bo_pprof_feed(&p, "goroutine profile: total 12345", 30, NULL), 0);
	assert_int_equal(p.total, -1);
	assert_int_equal(bo_pprof_feed(&p, "6\n1", 3, NULL), 0);
	assert_int_equal(p.total, 123456);
	bo_pprof_reset(&p);
	assert_int_equal(p.total, -1);
	assert_int_equal(bo_pprof_feed(&p, "goroutine profile: total 0\n", 27, NULL), 0);
	assert_int_equal(bo_pprof_finish(&p, NULL), 0);
	assert_int_equal(p.total, 0);
	bo_pprof_done(&p);
}

static int parse(const char *text, struct bo_err *err)
{
	struct bo_pprof p;
	int r;

	bo_pprof_init(&p, NULL);
	r = bo_pprof_feed(&p, text, strlen(text), err);
	if (r == 0)
		r = bo_pprof_finish(&p, err);
	bo_pprof_done(&p);
	return r;
}

#define HEAD "goroutine profile: total 1\n"

static void test_garbage_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<html>not here</html>\n",
		"heap profile: total 5\n",
		"goroutine profile: total \n",
		"goroutine profile: total -1\n",
		"goroutine profile: total 5 \n",
		"goroutine profile: total 99999999999999999999\n",
		"goroutine profile: total 5\r\n",
		HEAD, /* says 1, lists none */
		HEAD "2 @ 0x1\n#\t0x1\n\n",
		HEAD "0 @ 0x1\n#\t0x1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\n", /* no blank line at the end */
		HEAD "1 @ 0x1\n#\t0x1",
		HEAD "1 @ 1\n\n",
		HEAD "1 @ 0x\n\n",
		HEAD "1 @ 0x11112222333344445\n\n",
		HEAD "1 @ 0xZ\n\n",
		HEAD "1 @  0x1\n\n",
		HEAD "1 0x1\n\n",
		HEAD "1 @ 0x1\n# labels: {\n\n",
		HEAD "1 @ 0x1\n# label: {}\n\n",
		HEAD "1 @ 0x1\n#0x1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf\t/x.go:1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\t+0x1\t/x.go:1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1\t/x.go\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1\t/x.go:\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1\t:1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1\t/x.go:1x\n\n",
		HEAD "1 @ 0x1\n#\t0x1\tf+0x1g\t/x.go:1\n\n",
		HEAD "1 @ 0x1\n#\t0x1\n# labels: {}\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct bo_err err = { 0 };

		if (parse(bad[i], &err) != -EBADMSG)
			fail_msg("taken for a profile: %s", bad[i]);
		assert_int_equal(err.code, EBADMSG);
		assert_true(err.msg[0] != '\0');
	}
}

static void test_endless_line_is_refused_early(void **state)
{
	static char filler[4096];
	struct bo_pprof p;
	size_t fed = 0;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	bo_pprof_init(&p, NULL);
	assert_int_equal(bo_pprof_feed(&p, filler, 65, NULL), -EBADMSG);
	bo_pprof_reset(&p);
	assert_int_equal(bo_pprof_feed(&p, HEAD, strlen(HEAD), NULL), 0);
	while (fed <= BO_PPROF_LINE_MAX && bo_pprof_feed(&p, filler, sizeof(filler), NULL) == 0)
		fed += sizeof(filler);
	assert_int_equal(fed, BO_PPROF_LINE_MAX);
	bo_pprof_done(&p);
}

static void test_error_names_the_line(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(parse(HEAD "1 @ 0x1\n#\t0x1\n\nrubbish\n", &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "line 5"));
	assert_int_equal(parse("goroutine profile: total 7\n3 @ 0x1\n\n", &err), -EBADMSG);
	assert_string_equal(err.msg, "goroutine profile says 7 but lists 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_at_any_cut),
		cmocka_unit_test(test_count_is_known_after_the_first_line),
		cmocka_unit_test(test_garbage_is_refused),
		cmocka_unit_test(test_endless_line_is_refused_early),
		cmocka_unit_test(test_error_names_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
