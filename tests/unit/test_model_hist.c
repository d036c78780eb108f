/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram against a sorted array: never more than 1/1024 off, and never above the exact maximum.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "brownout/base/rng.h"
#include "brownout/model/hist.h"

#define N 20000

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void quantiles_of_many_shapes(void **state)
{
	static const double qs[] = { 0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };
	static int64_t values[N];
	struct bo_hist h;
	struct bo_rng rng;

	(void)state;
	assert_int_equal(bo_hist_init(&h, NULL), 0);
	for (int shape = 0; shape < 4; shape++) {
		bo_rng_init(&rng, 1, (uint64_t)shape);
		bo_hist_reset(&h);
		for (int i = 0; i < N; i++) {
			double u = bo_rng_unit(&rng), e = bo_rng_exp(&rng);

			values[i] = shape == 0   ? (int64_t)(u * 2000)
				    : shape == 1 ? (int64_t)(e * 5e6)
				    : shape == 2 ? (int64_t)exp(u * 28)
						 : (i % 100 ? 1000000 : 3000000000);
			bo_hist_record(&h, values[i]);
		}
		qsort(values, N, sizeof(*values), by_value);
		for (size_t k = 0; k < sizeof(qs) / sizeof(*qs); k++) {
			size_t rank = (size_t)ceil(qs[k] * N);
			int64_t exact = values[rank ? rank - 1 : 0],
				got = bo_hist_quantile(&h, qs[k]);

			assert_true(got >= exact);
			assert_true((double)(got - exact) <= (double)exact / 1024 + 1);
			assert_true(got <= values[N - 1]);
		}
		assert_int_equal(h.max_ns, values[N - 1]);
		assert_int_equal(h.min_ns, values[0]);
		assert_int_equal(h.total, N);
	}
	bo_hist_done(&h);
}

static void edges(void **state)
{
	struct bo_hist h;

	(void)state;
	assert_int_equal(bo_hist_init(&h, NULL), 0);
	assert_int_equal(bo_hist_quantile(&h, 0.5), 0);
	bo_hist_record(&h, -5);
	assert_int_equal(bo_hist_quantile(&h, 1), 0);
	bo_hist_record(&h, INT64_MAX);
	bo_hist_record(&h, BO_HIST_MAX_NS);
	assert_int_equal(bo_hist_quantile(&h, 1), INT64_MAX);
	assert_int_equal(h.total, 3);
	assert_int_equal(h.min_ns, 0);
	bo_hist_record(&h, 77);
	assert_int_equal(bo_hist_quantile(&h, 0.5), 77);
	bo_hist_done(&h);
	bo_hist_done(&h);
}

/* 3 significant digits from 1 us to 1 h: a bucket is never wider than a thousandth of its values, and its bounds are
 * where HdrHistogram has them.  A huge value beside it keeps the exact maximum from hiding the bucket. */
static void digits_from_microsecond_to_hour(void **state)
{
	struct bo_hist h;
	size_t last = 0;

	(void)state;
	assert_int_equal(bo_hist_init(&h, NULL), 0);
	for (int64_t v = 1000; v < BO_HIST_MAX_NS; v += v / 700 + 1) {
		size_t index = bo_hist_index(v);
		int64_t got;

		assert_true(index >= last);
		last = index;
		bo_hist_reset(&h);
		bo_hist_record(&h, v);
		bo_hist_record(&h, BO_HIST_MAX_NS);
		got = bo_hist_quantile(&h, 0.5);
		assert_true(got >= v && (double)(got - v) < (double)v / 1000);
		assert_int_equal(bo_hist_index(got), index);
		assert_int_equal(bo_hist_index(got + 1), index + 1);
	}
	/* exact up to 2047, then the first bucket of two */
	for (int64_t v = 0; v < 2048; v++)
		assert_int_equal(bo_hist_index(v), v);
	assert_int_equal(bo_hist_index(2048), bo_hist_index(2049));
	assert_int_equal(bo_hist_index(2048), 2048);
	bo_hist_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_of_many_shapes), cmocka_unit_test(edges),
		cmocka_unit_test(digits_from_microsecond_to_hour)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
