/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_model_impair.c — what can be said of an impairment without a link: every refusal,
 * what counts as an impairment, expected losses, the distributions.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/model/impair.h"

#define MS INT64_C(1000000)
#define HOUR (3600000 * MS)

static const uint32_t good_ms[] = { 0, 5, 5, 9 }, falling_ms[] = { 1, 5, 4 }, zero_ms[] = { 0, 0 };
static const struct bo_trace good = { "good", good_ms, 4 }, falling = { "falling", falling_ms, 3 },
			     zero = { "zero", zero_ms, 2 }, empty = { "empty", good_ms, 0 },
			     null = { "null", NULL, 1 };
static struct bo_dist_table table;

/* clang-format off */
static const struct {
	struct bo_impair im;
	const char *why; /* part of what is said; NULL: fine */
} checks[] = {
	{ { 0 }, NULL },
	{ { .delay_ns = 24 * HOUR, .jitter_ns = 24 * HOUR }, NULL },
	{ { .delay_ns = -1 }, "delay" },
	{ { .delay_ns = 24 * HOUR + 1 }, "24 h" },
	{ { .delay_ns = INT64_MAX }, "24 h" },
	{ { .jitter_ns = -1 }, "jitter" },
	{ { .delay_ns = MS, .jitter_ns = MS + 1 }, "jitter" },
	{ { .delay_corr_ppm = -1 }, "delay correlation" },
	{ { .delay_corr_ppm = BO_PPM_ALL + 1 }, "delay correlation" },
	{ { .dist = BO_DIST_COUNT }, "distribution" },
	{ { .dist = (enum bo_dist)-1 }, "distribution" },
	{ { .dist = BO_DIST_TABLE }, "distribution" },
	{ { .dist = BO_DIST_TABLE, .table = &table }, NULL },
	{ { .loss.random.ppm = -1 }, "loss: expected 0% to 100%, found -0.0001%" },
	{ { .loss.random.ppm = BO_PPM_ALL }, NULL },
	{ { .loss.random.ppm = BO_PPM_ALL + 10000 }, "loss: expected 0% to 100%, found 101%" },
	{ { .loss.random.corr_ppm = -1 }, "loss correlation" },
	{ { .loss.random.corr_ppm = BO_PPM_ALL + 1 }, "loss correlation" },
	{ { .loss.model = BO_LOSS_MODEL_COUNT }, "unknown model" },
	{ { .loss.model = (enum bo_loss_model)-1 }, "unknown model" },
	{ { .loss = { .model = BO_LOSS_GE, .p_ppm = -1 } }, "loss p" },
	{ { .loss = { .model = BO_LOSS_GE, .r_ppm = BO_PPM_ALL + 1 } }, "loss r" },
	{ { .loss = { .model = BO_LOSS_GE, .bad_loss_ppm = -1 } }, "bad state" },
	{ { .loss = { .model = BO_LOSS_GE, .good_loss_ppm = BO_PPM_ALL + 1 } }, "good state" },
	{ { .loss = { .model = BO_LOSS_GE, .p_ppm = BO_PPM_ALL, .r_ppm = BO_PPM_ALL } }, NULL },
	{ { .loss = { .model = BO_LOSS_STATE, .p13_ppm = -1 } }, "p13" },
	{ { .loss = { .model = BO_LOSS_STATE, .p31_ppm = -1 } }, "p31" },
	{ { .loss = { .model = BO_LOSS_STATE, .p32_ppm = -1 } }, "p32" },
	{ { .loss = { .model = BO_LOSS_STATE, .p23_ppm = -1 } }, "p23" },
	{ { .loss = { .model = BO_LOSS_STATE, .p14_ppm = BO_PPM_ALL + 1 } }, "p14" },
	{ { .loss = { .model = BO_LOSS_STATE, .p13_ppm = 600000, .p14_ppm = 400000 } }, NULL },
	{ { .loss = { .model = BO_LOSS_STATE, .p13_ppm = 600000, .p14_ppm = 400001 } }, "p13 + p14" },
	{ { .loss = { .model = BO_LOSS_STATE, .p31_ppm = 600000, .p32_ppm = 400001, .p23_ppm = 1 } }, "p31 + p32" },
	{ { .loss = { .model = BO_LOSS_STATE, .p31_ppm = 600000, .p32_ppm = 400000 } }, "never left" },
	{ { .duplicate.ppm = -1 }, "duplicate" },
	{ { .duplicate.corr_ppm = BO_PPM_ALL + 1 }, "duplicate correlation" },
	{ { .corrupt.ppm = BO_PPM_ALL + 1 }, "corrupt" },
	{ { .corrupt.corr_ppm = -1 }, "corrupt correlation" },
	{ { .delay_ns = MS, .reorder.ppm = BO_PPM_ALL + 1 }, "reorder" },
	{ { .delay_ns = MS, .reorder = { 1, -1 } }, "reorder correlation" },
	{ { .reorder.ppm = 1 }, "needs a delay" },
	{ { .delay_ns = MS, .reorder.ppm = 1 }, NULL },
	{ { .delay_ns = MS, .reorder.ppm = 1, .in_order = true }, "keeps the order" },
	{ { .reorder_gap = -1 }, "gap" },
	{ { .rate_bps = -1 }, "rate" },
	{ { .rate_bps = 1 }, NULL },
	{ { .rate_bps = 1, .rate_overhead = INT16_MAX + 1 }, "overhead" },
	{ { .rate_bps = 1, .rate_overhead = INT16_MIN - 1 }, "overhead" },
	{ { .rate_bps = 1, .rate_overhead = -14, .rate_cell_bytes = 48, .rate_cell_overhead = 5 }, NULL },
	{ { .rate_bps = 1, .rate_cell_bytes = -1 }, "cell" },
	{ { .rate_bps = 1, .rate_cell_bytes = INT16_MAX + 1 }, "cell" },
	{ { .rate_bps = 1, .rate_cell_bytes = 48, .rate_cell_overhead = INT16_MAX + 1 }, "cell" },
	{ { .rate_bps = 1, .rate_cell_bytes = 48, .rate_cell_overhead = INT16_MIN - 1 }, "cell" },
	{ { .rate_bps = 1, .rate_cell_overhead = 5 }, "without cells" },
	{ { .slot = { .min_ns = -1 } }, "slot" },
	{ { .slot = { .min_ns = 2, .max_ns = 1 } }, "slot" },
	{ { .slot = { .max_ns = HOUR + 1 } }, "slot" },
	{ { .slot = { .max_ns = HOUR } }, NULL },
	{ { .slot = { .max_ns = MS, .packets = -1 } }, "slot" },
	{ { .slot = { .max_ns = MS, .bytes = -1 } }, "slot" },
	{ { .trace = &good }, NULL },
	{ { .trace = &good, .rate_bps = 1 }, "one of them" },
	{ { .trace = &falling }, "found 4 ms after 5 ms" },
	{ { .trace = &zero }, "above 0 ms" },
	{ { .trace = &empty }, "at least one" },
	{ { .trace = &null }, "at least one" },
	{ { .limit_packets = -1 }, "limit" },
	{ { .blackhole = true }, NULL },
};
/* clang-format on */

static void nonsense_is_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct bo_err err = { 0 };
		int r = bo_impair_check(&checks[i].im, &err);

		if (r != (checks[i].why ? -EINVAL : 0))
			fail_msg("case %zu: %d, %s", i, r, err.msg);
		if (checks[i].why && !strstr(err.msg, checks[i].why))
			fail_msg("case %zu: '%s' does not say '%s'", i, err.msg, checks[i].why);
	}
}

/* clang-format off */
static const struct {
	struct bo_impair im;
	bool none, per_packet;
} kinds[] = {
	{ { 0 }, true, false },
	{ { .limit_packets = 5 }, true, false },
	{ { .in_order = true, .reorder_gap = 5, .delay_corr_ppm = 5, .dist = BO_DIST_NORMAL }, true, false },
	{ { .blackhole = true }, false, false },
	{ { .delay_ns = 1 }, false, false },
	{ { .delay_ns = 1, .jitter_ns = 1 }, false, true },
	{ { .loss.random.ppm = 1 }, false, true },
	{ { .loss.random.corr_ppm = 1 }, true, false },
	{ { .loss = { .model = BO_LOSS_GE, .random.ppm = 1 } }, true, false },
	{ { .loss = { .model = BO_LOSS_GE, .p_ppm = 1 } }, true, false },
	{ { .loss = { .model = BO_LOSS_GE, .bad_loss_ppm = 1 } }, true, false }, /* never bad */
	{ { .loss = { .model = BO_LOSS_GE, .p_ppm = 1, .bad_loss_ppm = 1 } }, false, true },
	{ { .loss = { .model = BO_LOSS_GE, .good_loss_ppm = 1 } }, false, true },
	{ { .loss = { .model = BO_LOSS_STATE, .p31_ppm = 1 } }, true, false },
	{ { .loss = { .model = BO_LOSS_STATE, .p13_ppm = 1 } }, false, true },
	{ { .loss = { .model = BO_LOSS_STATE, .p14_ppm = 1 } }, false, true },
	{ { .duplicate.ppm = 1 }, false, true },
	{ { .corrupt.ppm = 1 }, false, true },
	{ { .delay_ns = 1, .reorder.ppm = 1 }, false, true },
	{ { .rate_bps = 1 }, false, true },
	{ { .rate_overhead = 1 }, true, false },
	{ { .slot = { .max_ns = 1 } }, false, true },
	{ { .slot = { .packets = 1 } }, true, false },
	{ { .trace = &good }, false, true },
};
/* clang-format on */

static void what_does_something_is_told_from_what_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (bo_impair_is_none(&kinds[i].im) != kinds[i].none ||
		    bo_impair_per_packet(&kinds[i].im) != kinds[i].per_packet)
			fail_msg("case %zu", i);
}

/* Every field counts: those of the refused ones are as good as any. */
static void equal_means_every_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++)
			assert_int_equal(bo_impair_equal(&checks[i].im, &checks[k].im), i == k);
}

static void expected_loss_in_closed_form(void **state)
{
	/* clang-format off */
	static const struct { struct bo_loss loss; double expected; } cases[] = {
		{ { .random.ppm = 10000 }, 0.01 },
		{ { .model = BO_LOSS_GE, .p_ppm = 10000, .r_ppm = 90000, .bad_loss_ppm = BO_PPM_ALL }, 0.1 },
		{ { .model = BO_LOSS_GE, .p_ppm = 10000, .r_ppm = 90000, .bad_loss_ppm = 500000, .good_loss_ppm = 10000 }, 0.059 },
		{ { .model = BO_LOSS_GE, .bad_loss_ppm = BO_PPM_ALL, .good_loss_ppm = 10000 }, 0.01 },
		{ { .model = BO_LOSS_GE, .p_ppm = 1, .bad_loss_ppm = BO_PPM_ALL }, 1 },
		{ { .model = BO_LOSS_STATE, .p14_ppm = 250000 }, 0.2 },
		{ { .model = BO_LOSS_STATE, .p13_ppm = 100000, .p31_ppm = 900000 }, 0.1 },
		{ { .model = BO_LOSS_STATE, .p13_ppm = 100000, .p32_ppm = 100000, .p23_ppm = 100000 }, 0.5 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(fabs(bo_loss_expected(&cases[i].loss) - cases[i].expected) < 1e-12);
}

/* --- distributions ---------------------------------------------------------------------------- */

static void moments(const struct bo_dist_table *t, double *ret_mean, double *ret_deviation)
{
	double sum = 0, squares = 0;

	for (int i = 0; i < BO_DIST_TABLE_LEN; i++) {
		double x = (double)t->at[i] / BO_DIST_SCALE;

		sum += x;
		squares += x * x;
	}
	*ret_mean = sum / BO_DIST_TABLE_LEN;
	*ret_deviation = sqrt(squares / BO_DIST_TABLE_LEN - *ret_mean * *ret_mean);
}

static void tables_are_quantiles(void **state)
{
	/* What lies beyond four deviations is missing from Pareto's tail: x^-3 from 4.96 on. */
	static const double means[] = { 0, 0, -0.0234, -0.0154 };
	static const double deviations[] = { 0, 1, 0.737, 0.782 };

	(void)state;
	for (int dist = BO_DIST_NORMAL; dist < BO_DIST_TABLE; dist++) {
		const struct bo_dist_table *t = bo_dist_standard((enum bo_dist)dist);
		double mean, deviation;

		assert_non_null(t);
		assert_ptr_equal(t, bo_dist_standard((enum bo_dist)dist));
		bo_dist_fill((enum bo_dist)dist, &table);
		assert_memory_equal(t, &table, sizeof(table));
		for (int i = 1; i < BO_DIST_TABLE_LEN; i++)
			assert_true(t->at[i] >= t->at[i - 1]);
		moments(t, &mean, &deviation);
		assert_true(fabs(mean - means[dist]) < 0.0005);
		assert_true(fabs(deviation - deviations[dist]) < 0.001);
	}
	assert_null(bo_dist_standard(BO_DIST_UNIFORM));
	assert_null(bo_dist_standard(BO_DIST_TABLE));
	assert_null(bo_dist_standard(BO_DIST_COUNT));
}

static void quantiles_are_those_of_the_books(void **state)
{
	(void)state;
	assert_true(fabs(bo_dist_quantile(BO_DIST_NORMAL, 0.5)) < 1e-9);
	assert_true(fabs(bo_dist_quantile(BO_DIST_NORMAL, 0.975) - 1.959963985) < 1e-6);
	assert_true(fabs(bo_dist_quantile(BO_DIST_NORMAL, 0.001) + 3.090232306) < 1e-6);
	/* Pareto of shape 3 and scale 1: x(p) = (1 - p)^(-1/3), mean 3/2, deviation sqrt(3)/2. */
	assert_true(fabs(bo_dist_quantile(BO_DIST_PARETO, 0) - (1 - 1.5) / (sqrt(3) / 2)) < 1e-9);
	assert_true(fabs(bo_dist_quantile(BO_DIST_PARETO, 0.875) - (2 - 1.5) / (sqrt(3) / 2)) <
		    1e-9);
	for (int dist = 0; dist < BO_DIST_TABLE; dist++)
		for (int k = 0; k <= 1000; k++) {
			double q = bo_dist_quantile((enum bo_dist)dist, k / 1000.0);

			assert_true(q >= -4 && q <= 4);
			assert_true(k == 0 ||
				    q >= bo_dist_quantile((enum bo_dist)dist, (k - 1) / 1000.0));
		}
}

static void everything_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < BO_DIST_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(bo_dist_name((enum bo_dist)i),
						bo_dist_name((enum bo_dist)k));
	assert_string_equal(bo_dist_name(BO_DIST_PARETONORMAL), "paretonormal");
	assert_string_equal(bo_dist_name(BO_DIST_COUNT), "?");
	assert_string_equal(bo_loss_model_name(BO_LOSS_GE), "gemodel");
	assert_string_equal(bo_loss_model_name(BO_LOSS_STATE), "state");
	assert_string_equal(bo_loss_model_name((enum bo_loss_model) - 1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nonsense_is_refused_by_name),
		cmocka_unit_test(what_does_something_is_told_from_what_does_not),
		cmocka_unit_test(equal_means_every_field),
		cmocka_unit_test(expected_loss_in_closed_form),
		cmocka_unit_test(tables_are_quantiles),
		cmocka_unit_test(quantiles_are_those_of_the_books),
		cmocka_unit_test(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
