/* SPDX-License-Identifier: Apache-2.0 */
/* go_goroutines out of Prometheus' text format and OpenMetrics, cut anywhere; and what is not one count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/prometheus.h"

/* @code and the value of @text, whatever pieces it comes in */
static void expect(const char *text, int code, double value)
{
	size_t len = strlen(text);

	for (size_t piece = 1; piece <= len + 1; piece++) {
		struct bo_prometheus p;
		struct bo_err err = { 0 };
		int r = 0;

		bo_prometheus_init(&p, "go_goroutines");
		for (size_t at = 0; !r && at < len; at += piece)
			r = bo_prometheus_feed(&p, text + at, len - at < piece ? len - at : piece,
					       &err);
		if (!r)
			r = bo_prometheus_finish(&p, &err);
		if (r != code)
			fail_msg("%s: %d (%s), expected %d", text, r, err.msg, code);
		if (!code)
			assert_float_equal(p.value, value, 0);
	}
}

static void test_formats(void **state)
{
	(void)state;
	expect("# HELP go_goroutines Number of goroutines that currently exist.\n# TYPE go_goroutines gauge\n"
	       "go_goroutines 42\ngo_threads 9\n",
	       0, 42);
	expect("go_goroutines 7\n# EOF", 0, 7);
	expect("go_goroutines 7\ngo_gorou", 0, 7);
	expect("go_goroutines{instance=\"a\",note=\"b } \\\" c\"} 1.2e+01 1395066363000\n", 0, 12);
	expect("go_goroutines {job=\"x\"}\t8\r\n# EOF\n", 0, 8);
	expect("go_goroutines{a=\"0x1\"} 3 # {trace_id=\"0x9\"} 1 1.0\n", 0, 3);
}

static void test_what_is_not_one_count(void **state)
{
	(void)state;
	expect("", -ENOENT, 0);
	expect("go_goroutines_total 4\nxgo_goroutines 5\n# go_goroutines 6\n", -ENOENT, 0);
	expect("go_goroutines{job=\"a\"} 4\ngo_goroutines{job=\"b\"} 5\n", -EBADMSG, 0);
	expect("go_goroutines\t\n", -EBADMSG, 0);
	expect("go_goroutines{a=\"b\" 4\n", -EBADMSG, 0);
	expect("go_goroutines{a=\"}\" 4\n", -EBADMSG, 0);
	expect("go_goroutines 4x\n", -EBADMSG, 0);
	/* Of "go_goroutines 4711" so much may have come. */
	expect("go_threads 5\ngo_goroutines 47", -EBADMSG, 0);
	expect("go_goroutines 5\ngo_goroutines{a=\"", -EBADMSG, 0);
	expect("go_goroutines 0x10\n", -EBADMSG, 0);
	expect("go_goroutines NaN\n", -EBADMSG, 0);
	expect("go_goroutines +Inf\n", -EBADMSG, 0);
}

static void test_long_lines_are_passed_over(void **state)
{
	struct bo_prometheus p;
	struct bo_err err = { 0 };
	size_t len = 3 * BO_PROMETHEUS_LINE_MAX;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', len);
	bo_prometheus_init(&p, "go_goroutines");
	/* What would be a sample if a long line were cut into several. */
	memcpy(text + BO_PROMETHEUS_LINE_MAX - 1, "go_goroutines 5", 15);
	assert_int_equal(bo_prometheus_feed(&p, text, len, &err), 0);
	assert_int_equal(bo_prometheus_feed(&p, "\ngo_goroutines 6\n", 17, &err), 0);
	assert_int_equal(bo_prometheus_finish(&p, &err), 0);
	assert_float_equal(p.value, 6, 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_what_is_not_one_count),
		cmocka_unit_test(test_long_lines_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
