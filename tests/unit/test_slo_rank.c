/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_rank.c — Mann–Whitney and Hodges–Lehmann against scipy 1.17
 * (stats.mannwhitneyu; the interval by counting all arrangements), and their coverage by trial. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "normal.h"
#include "slo/rank.h"

static struct slo_rank rank_of(const double *a, size_t na, const double *b, size_t nb, double alpha)
{
	struct slo_rank r;

	assert_int_equal(slo_rank(&(struct slo_sample){ a, NULL, na },
				  &(struct slo_sample){ b, NULL, nb }, alpha, 1, 1, &r, NULL),
			 0);
	return r;
}

static void test_exact(void **state)
{
	static const double a[] = { 1.1, 2.3, 1.9, 3.2, 2.8 }, b[] = { 3.9, 4.4, 2.9, 5.1, 4.7 };
	static const double c[] = { 10, 12, 11, 14, 13, 12.5, 11.7, 12.2 },
			    d[] = { 12.1, 13.3, 15.2, 14.6, 13.9, 12.7, 16.1 };
	struct slo_rank r = rank_of(a, 5, b, 5, 0.025);

	(void)state;
	assert_float_equal(r.p, 0.015873015873, 1e-10);
	assert_float_equal(r.superiority, 24.0 / 25, 1e-12);
	assert_float_equal(r.shift, 1.9, 1e-9);
	assert_float_equal(r.lower, 0.6, 1e-9);
	assert_float_equal(r.upper, 3.3, 1e-9);
	r = rank_of(a, 5, b, 5, 0.01);
	assert_float_equal(r.lower, 0.1, 1e-9);
	assert_float_equal(r.upper, 3.6, 1e-9);
	r = rank_of(c, 8, d, 7, 0.01);
	assert_float_equal(r.p, 0.020512820513, 1e-10);
	assert_float_equal(r.superiority, 48.0 / 56, 1e-12);
	assert_float_equal(r.shift, 2.0, 1e-9);
	assert_float_equal(r.lower, -0.1, 1e-9);
	assert_float_equal(r.upper, 3.9, 1e-9);
}

/* The smallest p that so few can give; fewer bound nothing. */
static void test_few(void **state)
{
	static const double v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct slo_rank r = rank_of(v, 4, v + 4, 4, 0.01);

	(void)state;
	assert_float_equal(r.p, 0.028571428571, 1e-10);
	assert_true(isinf(r.lower) && isinf(r.upper));
	r = rank_of(v, 5, v + 5, 5, 0.01);
	assert_float_equal(r.p, 0.007936507937, 1e-10);
	assert_true(isfinite(r.lower) && isfinite(r.upper));
	r = rank_of(v, 1, v + 1, 1, 0.01);
	assert_true(r.p == 1 && r.shift == 1 && isinf(r.upper));
}

static void test_ties(void **state)
{
	static const double a[] = { 1, 2, 2, 3, 3, 4, 5, 5 }, b[] = { 2, 3, 4, 4, 5, 6, 6, 7 };
	static const double same[] = { 7, 7, 7, 7, 7, 7, 7, 7 };
	struct slo_rank r = rank_of(a, 8, b, 8, 0.01);

	(void)state;
	assert_float_equal(r.p, 0.099237180639, 1e-9);
	assert_float_equal(r.superiority, 0.75, 1e-12);
	assert_float_equal(r.shift, 1.5, 1e-12);
	r = rank_of(same, 8, same, 8, 0.01);
	assert_true(r.p == 1 && r.shift == 0 && r.lower == 0 && r.upper == 0);
	assert_float_equal(r.superiority, 0.5, 1e-12);
}

static void test_large(void **state)
{
	double a[60], b[70];
	struct slo_rank r;

	(void)state;
	for (int i = 0; i < 60; i++)
		a[i] = i;
	for (int i = 0; i < 70; i++)
		b[i] = i + 5.5;
	r = rank_of(a, 60, b, 70, 0.01);
	assert_float_equal(r.p, 0.004107264713, 1e-9);
	assert_float_equal(r.superiority, 0.646428571429, 1e-9);
	assert_float_equal(r.shift, 10.5, 1e-9);
	assert_true(r.lower < 10.5 && r.upper > 10.5 && r.upper - r.lower < 25);
}

static void test_refused(void **state)
{
	static double v[SLO_RANK_MAX + 1];
	struct bo_err err = { 0 };
	struct slo_rank r;

	(void)state;
	assert_int_equal(slo_rank(&(struct slo_sample){ v, NULL, SLO_RANK_MAX + 1 },
				  &(struct slo_sample){ v, NULL, 1 }, 0.01, 1, 1, &r, &err),
			 -EINVAL);
	assert_string_equal(err.msg, "expected 1 to 2000 values a side, found 2001 and 1");
	assert_int_equal(slo_rank(&(struct slo_sample){ v, NULL, 0 },
				  &(struct slo_sample){ v, NULL, 1 }, 0.01, 1, 1, &r, &err),
			 -EINVAL);
}

/* "At least so long" on either side opens the bound that it must. */
static void test_open_ends(void **state)
{
	static const double a[] = { 1, 2, 3, 4, 5, 6 },
			    b[] = { 11.1, 12.2, 13.3, 14.4, 15.5, 16.6 };
	double b_hi[6], a_hi[6];
	struct slo_rank r, known = rank_of(a, 6, b, 6, 0.01);

	(void)state;
	memcpy(b_hi, b, sizeof(b));
	memcpy(a_hi, a, sizeof(a));
	for (int i = 0; i < 6; i++)
		b_hi[i] = INFINITY;
	a_hi[0] = INFINITY;
	assert_int_equal(slo_rank(&(struct slo_sample){ a, NULL, 6 },
				  &(struct slo_sample){ b, b_hi, 6 }, 0.01, 1, 1, &r, NULL),
			 0);
	assert_true(r.upper > 1e300 && r.lower == known.lower && r.shift == known.shift);
	assert_int_equal(slo_rank(&(struct slo_sample){ a, a_hi, 6 },
				  &(struct slo_sample){ b, NULL, 6 }, 0.01, 1, 1, &r, NULL),
			 0);
	assert_true(r.lower < -1e300 && r.upper == known.upper);
}

/* 99 % bounds on a shift of 0.2 between two normal samples; each may be wrong in 1 % of the trials. */
static void test_coverage(void **state)
{
	struct bo_rng rng;
	int low = 0, high = 0, trials = 3000;

	(void)state;
	bo_rng_init(&rng, 7, 0);
	for (int i = 0; i < trials; i++) {
		double a[10], b[20];
		struct slo_rank r;

		for (int j = 0; j < 10; j++)
			a[j] = rng_normal(&rng);
		for (int j = 0; j < 20; j++)
			b[j] = rng_normal(&rng) + 0.2;
		r = rank_of(a, 10, b, 20, 0.01);
		low += r.lower > 0.2;
		high += r.upper < 0.2;
	}
	/* 30 expected; three standard deviations more are 47. */
	assert_true(low <= 47 && high <= 47);
	assert_true(low + high >= 20);
}

static void test_serial(void **state)
{
	struct bo_rng rng;
	double v[200], x = 0, worst = 0;

	(void)state;
	bo_rng_init(&rng, 3, 0);
	for (int i = 0; i < 200; i++)
		v[i] = rng_normal(&rng);
	worst = slo_serial_inflation(v, 200);
	assert_true(worst >= 1 && worst < 1.6);
	for (int i = 0; i < 200; i++)
		v[i] = x = 0.6 * x + rng_normal(&rng);
	/* (1 + 0.6) / (1 - 0.6) = 4 */
	assert_true(slo_serial_inflation(v, 200) > 2 && slo_serial_inflation(v, 200) < 8);
	for (int i = 0; i < 200; i++)
		v[i] = 3;
	assert_true(slo_serial_inflation(v, 200) == 1);
	assert_true(slo_serial_inflation(v, 4) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),    cmocka_unit_test(test_few),
		cmocka_unit_test(test_ties),     cmocka_unit_test(test_large),
		cmocka_unit_test(test_refused),  cmocka_unit_test(test_open_ends),
		cmocka_unit_test(test_coverage), cmocka_unit_test(test_serial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
