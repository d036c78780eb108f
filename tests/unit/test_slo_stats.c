/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_stats.c — binomial bounds against sums done the long way, and coverage by
 * trial. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "slo/stats.h"

/* Term by term, each from the one before: slow, and no kin of the incomplete beta function. */
static double cdf_by_sum(int k, int n, double p)
{
	long double term = powl(1 - (long double)p, n), sum = 0;

	for (int i = 0; i <= k; i++) {
		sum += term;
		term *= (long double)(n - i) / (i + 1) * (long double)p / (1 - (long double)p);
	}
	return (double)sum;
}

static void test_cdf(void **state)
{
	static const double ps[] = { 0.001, 0.01, 0.05, 0.3, 0.5, 0.9 };
	static const int ns[] = { 1, 2, 10, 90, 459, 2000 };

	(void)state;
	for (size_t i = 0; i < sizeof(ps) / sizeof(ps[0]); i++) {
		for (size_t j = 0; j < sizeof(ns) / sizeof(ns[0]); j++) {
			for (int k = 0; k < ns[j] && cdf_by_sum(k, ns[j], ps[i]) > 1e-200;
			     k += 1 + ns[j] / 7)
				assert_float_equal(slo_binomial_cdf(k, ns[j], ps[i]),
						   cdf_by_sum(k, ns[j], ps[i]), 1e-9);
		}
	}
	assert_true(slo_binomial_cdf(-1, 10, 0.5) == 0);
	assert_true(slo_binomial_cdf(10, 10, 0.5) == 1);
	/* Large numbers converge too: the median of a binomial is its mean. */
	assert_float_equal(slo_binomial_cdf(1e5, 1e7, 0.01), 0.5, 0.01);
}

static void test_min_samples(void **state)
{
	size_t lower, upper;

	(void)state;
	assert_int_equal(slo_min_samples(0.95), 90);
	assert_int_equal(slo_min_samples(0.99), 459);
	assert_int_equal(slo_min_samples(0.999), 4603);
	assert_true(slo_min_samples(1) == (size_t)1e15);
	slo_quantile_ranks(0.99, 458, 1, 1, &lower, &upper);
	assert_int_equal(upper, 0);
	slo_quantile_ranks(0.99, 459, 1, 1, &lower, &upper);
	assert_int_equal(upper, 459);
	/* Half as much is known when every request counts half. */
	slo_quantile_ranks(0.99, 459, 1, 2, &lower, &upper);
	assert_int_equal(upper, 0);
	slo_quantile_ranks(0.99, 0, 1, 1, &lower, &upper);
	assert_int_equal(upper, 0);
	assert_int_equal(lower, 0);
}

/* The ranks are the tightest that hold. */
static void test_ranks_tight(void **state)
{
	static const double qs[] = { 0.5, 0.9, 0.99 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (int n = 10; n <= 2000; n = n * 2 + 1) {
			size_t lower, upper;

			slo_quantile_ranks(qs[i], (size_t)n, 1, 1, &lower, &upper);
			if (upper) {
				assert_true(1 - cdf_by_sum((int)upper - 1, n, qs[i]) <=
					    SLO_ALPHA + 1e-9);
				assert_true(upper == 1 ||
					    1 - cdf_by_sum((int)upper - 2, n, qs[i]) > SLO_ALPHA);
			}
			if (lower) {
				assert_true(cdf_by_sum((int)lower - 1, n, qs[i]) <=
					    SLO_ALPHA + 1e-9);
				assert_true(cdf_by_sum((int)lower, n, qs[i]) > SLO_ALPHA);
			}
		}
	}
}

static void test_share_bounds(void **state)
{
	double lower, upper;

	(void)state;
	/* Textbook: none of n has the upper bound 1 - 0.01^(1/n) */
	slo_share_bounds(0, 459, 1, 1, &lower, &upper);
	assert_true(lower == 0);
	assert_float_equal(upper, 1 - pow(0.01, 1.0 / 459), 1e-9);
	slo_share_bounds(10, 10, 1, 1, &lower, &upper);
	assert_float_equal(lower, pow(0.01, 0.1), 1e-9);
	assert_true(upper == 1);
	slo_share_bounds(20, 1000, 1, 1, &lower, &upper);
	assert_float_equal(cdf_by_sum(20, 1000, upper), 0.01, 1e-6);
	assert_float_equal(1 - cdf_by_sum(19, 1000, lower), 0.01, 1e-6);
}

/* scipy 1.17: the tightest ranks by binom.cdf, beta.ppf for the shares */
static void test_reference(void **state)
{
	static const struct {
		double q;
		size_t n, lower, upper;
	} ranks[] = {
		{ 0.5, 20, 5, 16 },      { 0.9, 200, 170, 190 },     { 0.95, 300, 276, 294 },
		{ 0.99, 459, 449, 459 }, { 0.99, 2000, 1969, 1991 }, { 0.999, 10000, 9982, 9998 },
	};
	static const struct {
		double k, n, alpha, lower, upper;
	} shares[] = {
		{ 0, 459, 0.01, 0, 0.00998289 },         { 20, 1000, 0.01, 0.01112635, 0.03288615 },
		{ 10, 10, 0.01, 0.63095734, 1 },         { 3, 57, 0.01, 0.00775720, 0.16565117 },
		{ 1, 5, 0.025, 0.00505076, 0.71641794 }, { 2, 20, 0.025, 0.01234853, 0.31698271 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		size_t lower, upper;

		slo_quantile_ranks(ranks[i].q, ranks[i].n, 1, 1, &lower, &upper);
		assert_int_equal(lower, ranks[i].lower);
		assert_int_equal(upper, ranks[i].upper);
	}
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double lower, upper;

		slo_share_interval(shares[i].k, shares[i].n, shares[i].alpha, &lower, &upper);
		assert_float_equal(lower, shares[i].lower, 1e-7);
		assert_float_equal(upper, shares[i].upper, 1e-7);
	}
}

/* scipy 1.17: t.isf(alpha, df), norm.isf(alpha) */
static void test_quantiles(void **state)
{
	(void)state;
	assert_float_equal(slo_t_quantile(1, 0.05), 6.313752, 1e-5);
	assert_float_equal(slo_t_quantile(4, 0.05), 2.131847, 1e-5);
	assert_float_equal(slo_t_quantile(9, 0.01), 2.821438, 1e-5);
	assert_float_equal(slo_t_quantile(100000, 0.01), 2.326384, 1e-5);
	assert_float_equal(slo_normal_quantile(0.01), 2.326348, 1e-5);
	assert_float_equal(slo_normal_quantile(0.025), 1.959964, 1e-5);
	assert_float_equal(slo_normal_quantile(0.5), 0, 1e-5);
}

static void test_samples_needed(void **state)
{
	size_t n;

	(void)state;
	n = slo_samples_needed(0, 0.01);
	assert_in_range(n, 459, 462);
	n = slo_samples_needed(0.009, 0.01);
	assert_in_range(n, 45000, 65000);
	assert_int_equal(slo_samples_needed(0.01, 0.01), 0);
}

static double dispersion_of(struct bo_rng *rng, int seconds, bool bursts)
{
	struct slo_batches b;
	double d;

	slo_batches_init(&b, seconds * BO_NSEC_PER_SEC);
	for (int i = 0; i < seconds * 200; i++) {
		/* 5 % slow: spread out, or one second in twenty */
		bool slow = bursts ? (i / 200) % 20 == 7 : bo_rng_unit(rng) < 0.05;

		assert_int_equal(slo_batches_add(&b, (int64_t)i * 5000000, slow, 0, NULL), 0);
	}
	d = slo_dispersion(&b);
	slo_batches_done(&b);
	return d;
}

/* 10 s of 200/s, bad where @bad says so. */
static double dispersion_where(bool (*bad)(int i))
{
	struct slo_batches b;
	double d;

	slo_batches_init(&b, 10 * BO_NSEC_PER_SEC);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(slo_batches_add(&b, (int64_t)i * 5000000, bad(i), 0, NULL), 0);
	d = slo_dispersion(&b);
	slo_batches_done(&b);
	return d;
}

static bool one_burst(int i)
{
	return i >= 1000 && i < 1010;
}

static bool burst_a_second(int i)
{
	return i % 200 < 5;
}

static bool evenly(int i)
{
	return i % 200 == 77;
}

/* By hand, with scipy's t.isf(0.01, df) / norm.isf(0.01).  One burst of ten: (8² + 4·2²) / 400 over 4·p·(1 - p) in batches of
 * 2 s, with df 4.  A burst of five in every second is none to batches of 1 or 2 s: (4.5² + 9·0.5²) / 20 for each second over
 * 99·p·(1 - p), with df 99. */
static void test_dispersion_by_hand(void **state)
{
	(void)state;
	assert_float_equal(dispersion_where(one_burst), 0.2 / (4 * 0.005 * 0.995) * 2.594214, 1e-3);
	assert_float_equal(dispersion_where(burst_a_second),
			   11.25 / (99 * 0.025 * 0.975) * 1.033161, 1e-3);
	assert_true(dispersion_where(evenly) == 1);
}

static void test_dispersion(void **state)
{
	struct bo_rng rng;
	int corrected = 0;

	(void)state;
	bo_rng_init(&rng, 1, 0);
	for (int i = 0; i < 400; i++)
		corrected += dispersion_of(&rng, 10, false) > 1;
	/* One standard deviation at each of three lengths: independent requests are held to be
	 * bursty now and then. */
	assert_true(corrected < 400 * 45 / 100 && corrected > 400 * 15 / 100);
	assert_true(dispersion_of(&rng, 20, true) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cdf),
		cmocka_unit_test(test_min_samples),
		cmocka_unit_test(test_ranks_tight),
		cmocka_unit_test(test_share_bounds),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_samples_needed),
		cmocka_unit_test(test_dispersion),
		cmocka_unit_test(test_dispersion_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
