/* SPDX-License-Identifier: Apache-2.0 */
/* Units: what people write, what they get, and the one line that they read when it is wrong.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "brownout/base/units.h"

struct int_case {
	const char *text;
	int64_t want;
};

static void durations(void **state)
{
	static const struct int_case good[] = {
		{ "250ms", 250000000 },
		{ "1.5s", 1500000000 },
		{ "2m", 120000000000 },
		{ "1h", 3600000000000 },
		{ "100us", 100000 },
		{ "100µs", 100000 },
		{ "10ns", 10 },
		{ "1m30s", 90000000000 },
		{ " 5s ", 5000000000 },
		{ "0", 0 },
		{ "0s", 0 },
		{ "-3s", -3000000000 },
		{ "1e-3s", 1000000 },
		{ "1 s", 1000000000 },
		{ ".5s", 500000000 },
	};
	static const char *const bad[] = { "",     " ",     "5",     "s",   "5 5",
					   "5sec", "1s-1s", "0x10s", "inf", "nan",
					   "1,5s", "5s!",   "--5s",  "5%",  "1m30" };
	struct bo_err err;
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(bo_parse_duration(good[i].text, &v, &err), 0);
		assert_int_equal(v, good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		v = 42;
		assert_int_equal(bo_parse_duration(bad[i], &v, &err), -EINVAL);
		assert_int_equal(v, 42);
		assert_non_null(strstr(err.msg, "expected a duration"));
		assert_non_null(strstr(err.msg, bad[i]));
	}
	assert_int_equal(bo_parse_duration("1e30h", &v, &err), -ERANGE);
}

static void sizes_and_rates(void **state)
{
	static const struct int_case sizes[] = { { "256MiB", 268435456 },
						 { "1GB", 1000000000 },
						 { "64KiB", 65536 },
						 { "512B", 512 },
						 { "7", 7 },
						 { "1.5KiB", 1536 } };
	static const struct int_case bitrates[] = { { "10Mbit/s", 10000000 },
						    { "1Gbit", 1000000000 },
						    { "512kbit/s", 512000 },
						    { "10mbit", 10000000 },
						    { "9600bit/s", 9600 } };
	struct bo_err err;
	int64_t v;
	double d;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(bo_parse_size(sizes[i].text, &v, &err), 0);
		assert_int_equal(v, sizes[i].want);
	}
	for (size_t i = 0; i < sizeof(bitrates) / sizeof(*bitrates); i++) {
		assert_int_equal(bo_parse_bitrate(bitrates[i].text, &v, &err), 0);
		assert_int_equal(v, bitrates[i].want);
	}
	assert_int_equal(bo_parse_size("12Mb", &v, &err), -EINVAL);
	assert_int_equal(bo_parse_bitrate("10", &v, &err), -EINVAL);
	assert_int_equal(bo_parse_bitrate("10MB/s", &v, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "bits, not bytes"));
	assert_int_equal(bo_parse_bitrate("10kbps", &v, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "bps is bits to some and bytes to tc"));
	assert_int_equal(bo_parse_ratio("0.1%", &d, &err), 0);
	assert_true(fabs(d - 0.001) < 1e-12);
	assert_int_equal(bo_parse_ratio("1", &d, &err), 0);
	assert_true(d == 1.0);
	assert_int_equal(bo_parse_ratio("1 percent", &d, &err), -EINVAL);
	assert_int_equal(bo_parse_ratio("1e999", &d, &err), -ERANGE);
	assert_int_equal(bo_parse_ratio("0e999%", &d, &err), -ERANGE);
	assert_int_equal(bo_parse_frequency("-1e999/s", &d, &err), -ERANGE);
	assert_int_equal(bo_parse_frequency("30/m", &d, &err), 0);
	assert_true(d == 0.5);
	assert_int_equal(bo_parse_frequency("200/s", &d, &err), 0);
	assert_true(d == 200);
	assert_int_equal(bo_parse_frequency("200/d", &d, &err), -EINVAL);
}

/* a German locale writes 1,5: numbers in scenarios must not depend on it */
static void no_locale(void **state)
{
	int64_t v = 0;

	(void)state;
	setlocale(LC_ALL, "de_DE.UTF-8");
	assert_int_equal(bo_parse_duration("1.5d", &v, NULL), 0);
	assert_true(v == 129600000000000);
	assert_int_equal(bo_parse_duration("1.5s", &v, NULL), 0);
	assert_int_equal(v, 1500000000);
	setlocale(LC_ALL, "C");
}

static void formats(void **state)
{
	char b[BO_UNIT_BUF];

	(void)state;
	assert_string_equal(bo_format_duration(1930000000, b), "1.93s");
	assert_string_equal(bo_format_duration(250000000, b), "250ms");
	assert_string_equal(bo_format_duration(12300000, b), "12.3ms");
	assert_string_equal(bo_format_duration(999960000 / 1000, b), "1000us");
	assert_string_equal(bo_format_duration(999, b), "999ns");
	assert_string_equal(bo_format_duration(300000000000, b), "5.0min");
	assert_string_equal(bo_format_duration(0, b), "0s");
	assert_string_equal(bo_format_size(268435456, b), "256MiB");
	assert_string_equal(bo_format_size(1536, b), "1.5KiB");
	assert_string_equal(bo_format_bitrate(10000000, b), "10Mbit/s");
	assert_string_equal(bo_format_ratio(0.853, b), "85.3%");
	assert_string_equal(bo_format_ratio(0.001, b), "0.1%");
	assert_string_equal(bo_format_ratio(1, b), "100%");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes_and_rates),
		cmocka_unit_test(no_locale),
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
