/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_model_linkfile.c — measured delays and traces, from text.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/model/linkfile.h"

static struct bo_arena arena;

static int arena_down(void **state)
{
	(void)state;
	bo_arena_done(&arena);
	return 0;
}

static char *text_of(size_t lines, const char *(*line)(size_t i, char buf[64]))
{
	char *text = calloc(lines + 1, 64), buf[64];

	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		strcat(strcat(text, line(i, buf)), "\n");
	return text;
}

static const char *uniform(size_t i, char buf[64])
{
	snprintf(buf, 64, i % 50 ? "  %zu.5ms\r" : "# %zu\n%zu.5ms", 10 + i * 7 % 200,
		 10 + i * 7 % 200);
	return buf;
}

static void samples_become_quantiles(void **state)
{
	char *text = text_of(200, uniform);
	const struct bo_samples *s = NULL;
	struct bo_err err = { 0 };

	(void)state;
	if (bo_samples_parse(text, strlen(text), "d.txt", &arena, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s->count, 200);
	/* 10.5 … 209.5 ms, each once: mean 110, deviation sqrt((200² - 1) / 12). */
	assert_int_equal(s->mean_ns, 110 * BO_NSEC_PER_MSEC);
	assert_true(fabs((double)s->deviation_ns / 1e6 - sqrt(39999.0 / 12)) < 0.001);
	for (int i = 0; i < BO_DIST_TABLE_LEN; i++) {
		double u = (i + 0.5) / BO_DIST_TABLE_LEN;
		double ms = 110 +
			    (double)s->table.at[i] / BO_DIST_SCALE * (double)s->deviation_ns / 1e6;

		assert_true(i == 0 || s->table.at[i] >= s->table.at[i - 1]);
		assert_true(fabs(ms - (10 + u * 200)) < 0.6);
	}
	free(text);
}

static const char *mostly_fast(size_t i, char buf[64])
{
	snprintf(buf, 64, i ? "1ms" : "10s");
	return buf;
}

/* Nothing is below the least that was measured, and the table ends at 4 deviations. */
static void a_long_tail_is_cut(void **state)
{
	char *text = text_of(400, mostly_fast);
	const struct bo_samples *s = NULL;
	struct bo_impair im = { .dist = BO_DIST_TABLE };
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(bo_samples_parse(text, strlen(text), "d", &arena, &s, &err), 0);
	assert_int_equal(s->table.at[BO_DIST_TABLE_LEN - 1], INT16_MAX);
	assert_true(s->mean_ns + (int64_t)((double)s->table.at[0] / BO_DIST_SCALE *
					   (double)s->deviation_ns) >=
		    0);
	im.delay_ns = s->mean_ns;
	im.jitter_ns = s->deviation_ns;
	im.table = &s->table;
	assert_true(im.jitter_ns > im.delay_ns);
	assert_int_equal(bo_impair_check(&im, &err), 0);
	free(text);
}

struct bad {
	bool trace;
	const char *text;
	const char *expected;
};

static void refused(bool is_trace, const char *text, size_t len, const char *expected)
{
	const struct bo_samples *samples;
	const struct bo_trace *trace;
	struct bo_err err = { 0 };
	int r = is_trace ? bo_trace_parse(text, len, "f", &arena, &trace, &err)
			 : bo_samples_parse(text, len, "f", &arena, &samples, &err);

	assert_true(r < 0);
	if (strncmp(err.msg, expected, strlen(expected)) != 0)
		fail_msg("expected \"%s\", found \"%s\"", expected, err.msg);
}

static void what_is_wrong_has_its_line(void **state)
{
	static const struct bad bads[] = {
		{ false, "", "f: expected at least 100 delays, found 0" },
		{ false, "1ms\n\n# x\n2ms", "f: expected at least 100 delays, found 2" },
		{ false, "1ms\n\n12\n",
		  "f:3: expected a delay from 0 to 1h such as \"12.3ms\", found \"12\"" },
		{ false, "-1ms\n", "f:1: expected a delay" },
		{ false, "2h\n", "f:1: expected a delay" },
		{ true, "",
		  "f: expected times in milliseconds, one per line, found an empty file" },
		{ true, "1\n\n2\n", "f:2: expected a whole number of milliseconds, found \"\"" },
		{ true, "1\n2.5\n", "f:2: expected a whole number" },
		{ true, "3\n2\n", "f:2: expected times that ascend, found 2 after 3" },
		{ true, "0\n", "f:1: expected a trace that lasts" },
		{ true, "86400001\n",
		  "f:1: expected at most 86400000 ms (24 h), found \"86400001\"" },
		{ true, "99999999999999999999\n", "f:1: expected a whole number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		refused(bads[i].trace, bads[i].text, strlen(bads[i].text), bads[i].expected);
}

/* What comes after a NUL byte is of the line, too, and nothing in it speaks to the terminal. */
static void what_is_no_text_is_refused(void **state)
{
	(void)state;
	refused(true, "1\n2\0x\n", 6,
		"f:2: expected a whole number of milliseconds, found \"2?x\"");
	refused(true, "\0\n", 2, "f:1: expected a whole number of milliseconds, found \"?\"");
	refused(true, "\033[2J\n", 5,
		"f:1: expected a whole number of milliseconds, found \"?[2J\"");
	refused(false, "1ms\0\n", 5,
		"f:1: expected a delay from 0 to 1h such as \"12.3ms\", found \"1ms?\"");
	refused(false, "\0\0\0\0", 4, "f:1: expected a delay");
}

static void a_trace_repeats(void **state)
{
	const struct bo_trace *t = NULL;
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(bo_trace_parse("0\n1\n1\n5\n10", 10, "t", &arena, &t, &err), 0);
	assert_int_equal(t->count, 5);
	assert_int_equal(t->at_ms[4], 10);
	assert_int_equal(bo_trace_mean_bps(t), 5 * BO_TRACE_MTU * 8 * 100);
	assert_int_equal(bo_trace_chances(t, 0, 1), 2);
	assert_int_equal(bo_trace_chances(t, 1, 9.5), 1);
	assert_int_equal(bo_trace_chances(t, 0, 9.9), 3);
	assert_int_equal(bo_trace_chances(t, 5, 1000), 494 + 3);
	assert_int_equal(bo_trace_chances(t, 7, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_become_quantiles),
		cmocka_unit_test(a_long_tail_is_cut),
		cmocka_unit_test(what_is_wrong_has_its_line),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(a_trace_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, arena_down);
}
