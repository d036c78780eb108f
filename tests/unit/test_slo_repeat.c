/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_repeat.c — several runs as one verdict, and two sets of runs compared. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/model/run.h"
#include "brownout/slo/repeat.h"

/* "PPFIA" as outcomes */
static struct bo_repeat judged(const char *letters)
{
	enum bo_outcome outcomes[64];
	size_t n = strlen(letters);
	struct bo_repeat r;

	assert_true(n <= 64);
	for (size_t i = 0; i < n; i++)
		outcomes[i] = letters[i] == 'P'   ? BO_PASS
			      : letters[i] == 'F' ? BO_FAIL
			      : letters[i] == 'A' ? BO_ABORTED
						  : BO_INCONCLUSIVE;
	bo_repeat_judge(outcomes, n, &r);
	return r;
}

static void test_rules(void **state)
{
	static const struct {
		const char *runs;
		enum bo_outcome outcome;
		const char *text;
	} rows[] = {
		{ "PPPPP", BO_PASS, "5 of 5 PASS (flake rate 95 % CI 0–52 %)" },
		{ "P", BO_PASS, "1 of 1 PASS (flake rate 95 % CI 0–98 %)" },
		{ "PPFPP", BO_FAIL, "4 of 5 PASS: flaky (20 %, 95 % CI 1–72 %)" },
		{ "FFFFP", BO_FAIL, "4 of 5 FAIL: flaky (20 %, 95 % CI 1–72 %)" },
		{ "FFFFF", BO_FAIL, "5 of 5 FAIL (flake rate 95 % CI 0–52 %)" },
		{ "PPPIP", BO_INCONCLUSIVE,
		  "4 of 5 PASS, 1 INCONCLUSIVE (flake rate 95 % CI 0–60 %)" },
		{ "PFPIP", BO_FAIL,
		  "3 of 5 PASS, 1 FAIL, 1 INCONCLUSIVE: flaky (25 %, 95 % CI 1–81 %)" },
		{ "PPA", BO_ABORTED, "2 of 3 PASS, 1 ABORTED (flake rate 95 % CI 0–84 %)" },
		{ "FIA", BO_FAIL,
		  "1 of 3 FAIL, 1 INCONCLUSIVE, 1 ABORTED (flake rate 95 % CI 0–98 %)" },
		{ "IAI", BO_ABORTED, "2 of 3 INCONCLUSIVE, 1 ABORTED" },
		{ "III", BO_INCONCLUSIVE, "3 of 3 INCONCLUSIVE" },
		{ "", BO_INCONCLUSIVE, "no run" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bo_repeat r = judged(rows[i].runs);

		assert_int_equal(r.outcome, rows[i].outcome);
		assert_string_equal(r.text, rows[i].text);
		assert_int_equal(r.runs, strlen(rows[i].runs));
	}
}

/* scipy 1.17: beta.ppf */
static void test_flake_interval(void **state)
{
	struct bo_repeat r = judged("PPFPPPPPPP");

	(void)state;
	assert_true(r.flaky);
	assert_float_equal(r.flake_ratio, 0.1, 1e-12);
	assert_float_equal(r.flake_lower, 0.00252858, 1e-7);
	assert_float_equal(r.flake_upper, 0.44501612, 1e-7);
	r = judged("PFPFPFPFPF");
	assert_float_equal(r.flake_lower, 0.18708603, 1e-7);
	assert_float_equal(r.flake_upper, 0.81291397, 1e-7);
	r = judged("II");
	assert_true(!r.flaky && isnan(r.flake_ratio) && r.flake_lower == 0 && r.flake_upper == 1);
}

/* Adding a run never makes the verdict better. */
static void test_monotone(void **state)
{
	static const char letters[] = "PIAF";
	/* PASS, INCONCLUSIVE, ABORTED, FAIL, from good to bad */
	static const int badness[] = {
		[BO_PASS] = 0, [BO_INCONCLUSIVE] = 1, [BO_ABORTED] = 2, [BO_FAIL] = 3
	};

	(void)state;
	for (int code = 0; code < 256; code++) {
		char runs[5] = { letters[code & 3], letters[code >> 2 & 3], letters[code >> 4 & 3],
				 letters[code >> 6 & 3], '\0' };
		int all = badness[judged(runs).outcome], less;

		runs[3] = '\0';
		less = badness[judged(runs).outcome];
		assert_true(all >= less);
	}
}

/* scipy 1.17: mannwhitneyu(method='exact') = 0.00794; Hodges–Lehmann of the logarithms by counting */
static void test_shift(void **state)
{
	static const double a[] = { 100, 104, 99, 101, 103 }, b[] = { 120, 125, 118, 122, 121 };
	struct bo_shift s;

	(void)state;
	assert_int_equal(bo_shift_compare(a, 5, b, 5, &s, NULL), 0);
	assert_float_equal(s.ratio, 1.198019802, 1e-8);
	assert_float_equal(s.lower, 1.153846154, 1e-8);
	assert_float_equal(s.upper, 1.237623762, 1e-8);
	assert_float_equal(s.p, 0.007936507937, 1e-10);
	assert_true(s.superiority == 1);
	assert_string_equal(s.text, "+19.8 % (95 % CI +15.4 to +23.8 %), p 0.0079, n 5 and 5");
	assert_int_equal(bo_shift_compare(b, 5, a, 5, &s, NULL), 0);
	assert_float_equal(s.ratio, 1 / 1.198019802, 1e-8);
}

static void test_shift_of_few(void **state)
{
	static const double a[] = { 100, 104, 99 }, b[] = { 120, 125, 118, 122 };
	static const double odd[] = { 0, -1, NAN, INFINITY };
	struct bo_shift s;

	(void)state;
	assert_int_equal(bo_shift_compare(a, 3, b, 4, &s, NULL), 0);
	assert_float_equal(s.p, 0.057142857143, 1e-10);
	assert_true(s.lower == 0 && isinf(s.upper));
	assert_non_null(strstr(s.text, "CI unknown to unknown %"));
	assert_int_equal(bo_shift_compare(a, 0, b, 4, &s, NULL), 0);
	assert_true(isnan(s.ratio));
	assert_string_equal(s.text, "nothing to compare, n 0 and 4");
	assert_int_equal(bo_shift_compare(odd, 4, b, 4, &s, NULL), 0);
	assert_int_equal(s.na, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),        cmocka_unit_test(test_flake_interval),
		cmocka_unit_test(test_monotone),     cmocka_unit_test(test_shift),
		cmocka_unit_test(test_shift_of_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
