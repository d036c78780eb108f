/* SPDX-License-Identifier: Apache-2.0 */
/* goroutine?debug=2: heads with all that may stand in them, frames, who created it; cut anywhere, and cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/strbuf.h"
#include "brownout/probe/pprof2.h"

static void on_goroutine(void *self, const struct bo_pprof2_goroutine *g)
{
	bo_strbuf_printf(self, "g%" PRIu64 " <%.*s>%s%s %" PRId64 "m {%.*s}\n", g->id,
			 (int)g->status_len, g->status, g->leaked ? " leaked" : "",
			 g->locked ? " locked" : "", g->minutes, (int)g->labels_len, g->labels);
}

static void on_frame(void *self, const struct bo_pprof2_frame *f)
{
	bo_strbuf_printf(self, " %.*s|%.*s:%" PRId64 "\n", (int)f->func_len, f->func,
			 (int)f->file_len, f->file, f->line);
}

static void on_created(void *self, const struct bo_pprof2_frame *f, uint64_t parent)
{
	bo_strbuf_printf(self, " by %" PRIu64, parent);
	on_frame(self, f);
}

static void on_end(void *self)
{
	bo_strbuf_puts(self, ".\n");
}

static int parse(const char *text, size_t len, size_t piece, struct bo_strbuf *seen,
		 struct bo_pprof2 *p)
{
	const struct bo_pprof2_visitor visitor = { seen, on_goroutine, on_frame, on_created,
						   on_end };
	struct bo_err err = { 0 };
	int r = 0;

	bo_pprof2_init(p, &visitor);
	for (size_t at = 0; !r && at < len; at += piece)
		r = bo_pprof2_feed(p, text + at, len - at < piece ? len - at : piece, &err);
	if (!r)
		r = bo_pprof2_finish(p, &err);
	bo_pprof2_done(p);
	return r;
}

static void expect(const char *text, const char *wanted)
{
	size_t len = strlen(text);

	for (size_t piece = 1; piece <= len; piece++) {
		struct bo_strbuf seen = { 0 };
		struct bo_pprof2 p;

		assert_int_equal(parse(text, len, piece, &seen, &p), 0);
		assert_string_equal(bo_strbuf_str(&seen), wanted);
		assert_false(p.truncated);
		bo_strbuf_done(&seen);
	}
}

static void test_blocks(void **state)
{
	(void)state;
	expect("goroutine 1 [running]:\n"
	       "main.(*Server).Query(0xc000012345, {0x1, 0x2, ...})\n"
	       "\t/src/a b/main.go:12 +0x1d\n"
	       "main.main()\n"
	       "\t/src/main.go:7 +0x99\n"
	       "\n"
	       "goroutine 34 gp=0xc000 m=nil [chan receive (nil chan) (leaked) (scan), 15 minutes, locked to thread] {\"a\":\"b\"}:\n"
	       "runtime.gopark(...)\n"
	       "\t/go/proc.go:398\n"
	       "...additional frames elided...\n"
	       "created by main.Start[...].func1 in goroutine 9\n"
	       "\t/src/main.go:31 +0x5a\n",
	       "g1 <running> 0m {}\n main.(*Server).Query|/src/a b/main.go:12\n main.main|/src/main.go:7\n.\n"
	       "g34 <chan receive (nil chan)> leaked locked 15m {{\"a\":\"b\"}}\n runtime.gopark|/go/proc.go:398\n"
	       " by 9 main.Start[...].func1|/src/main.go:31\n.\n");
	/* Before Go 1.21 nobody knew the parent; a running one may have no stack to show. */
	expect("goroutine 5 [select]:\n\tgoroutine running on other thread; stack unavailable\n"
	       "created by main.main\n\t/m.go:3 +0x1\n",
	       "g5 <select> 0m {}\n by 0 main.main|/m.go:3\n.\n");
}

static void test_what_is_no_dump(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"<html>\n",
		"goroutine profile: total 3\n",
		"goroutine x [running]:\n",
		"goroutine 1 [running\n",
		"goroutine 99999999999999999999 [running]:\n",
		"goroutine 1 [running]:\nmain.main()\n",
		"goroutine 1 [running]:\nmain.main()\n\n",
		"goroutine 1 [running]:\nmain.main\n\t/m.go:1\n",
		"goroutine 1 [running]:\nmain.main()\n/m.go:1\n",
		"goroutine 1 [running]:\nmain.main()\n\t/m.go:x\n",
		"goroutine 1 [running]:\n)\n\t/m.go:1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct bo_strbuf seen = { 0 };
		struct bo_pprof2 p;

		if (parse(texts[i], strlen(texts[i]), 7, &seen, &p) != -EBADMSG)
			fail_msg("taken for a dump: %s", texts[i]);
		bo_strbuf_done(&seen);
	}
	{
		struct bo_strbuf seen = { 0 };
		struct bo_pprof2 p;

		assert_int_equal(parse("goroutine 1 [a]:\0\n", 18, 18, &seen, &p), -EBADMSG);
		bo_strbuf_done(&seen);
	}
}

/* net/http/pprof fills a buffer of 64 MiB and stops there, in the middle of a line. */
static void test_cut_at_64_mib_is_flagged(void **state)
{
	static const char block[] = "goroutine 7 [select]:\nmain.f()\n\t/m.go:1 +0x1\n\n";
	const size_t n = sizeof(block) - 1;
	char *text = malloc(BO_PPROF2_CUT_BYTES);
	struct bo_pprof2 p;
	struct bo_err err = { 0 };

	(void)state;
	assert_non_null(text);
	for (size_t at = 0; at < BO_PPROF2_CUT_BYTES; at += n)
		memcpy(text + at, block,
		       BO_PPROF2_CUT_BYTES - at < n ? BO_PPROF2_CUT_BYTES - at : n);
	bo_pprof2_init(&p, NULL);
	assert_int_equal(bo_pprof2_feed(&p, text, BO_PPROF2_CUT_BYTES, &err), 0);
	assert_int_equal(bo_pprof2_finish(&p, &err), 0);
	assert_true(p.truncated);
	assert_int_equal(p.goroutines, BO_PPROF2_CUT_BYTES / n);
	bo_pprof2_done(&p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_what_is_no_dump),
		cmocka_unit_test(test_cut_at_64_mib_is_flagged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
