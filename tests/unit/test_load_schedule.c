/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_schedule.c — are arrivals constant or Poisson, and nothing else?
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/load/schedule.h"
#include "brownout/model/rate.h"

#define SEC BO_NSEC_PER_SEC

static void test_constant_is_exact(void **state)
{
	const struct bo_load_window w = { 1000 * SEC, 1001 * SEC };
	struct bo_schedule a;

	(void)state;
	bo_schedule_init(&a, &w, 1,
			 &(struct bo_load_spec){ .arrivals = BO_ARRIVALS_CONSTANT,
						 .rate_per_s = 200 },
			 1, 1);
	for (int64_t i = 0; i < 200; i++)
		assert_int_equal(bo_schedule_next(&a), w.from_ns + i * 5000000);
	assert_int_equal(bo_schedule_next(&a), INT64_MAX);
	assert_int_equal(bo_schedule_next(&a), INT64_MAX);
}

/* A gap that is no whole number of nanoseconds must not add up to a wrong rate. */
static void test_constant_does_not_drift(void **state)
{
	const struct bo_load_window w = { 5 * SEC, 5 * SEC + 3600 * SEC };
	struct bo_schedule a;
	int64_t at = 0;
	int n = 0;

	(void)state;
	bo_schedule_init(&a, &w, 1,
			 &(struct bo_load_spec){ .arrivals = BO_ARRIVALS_CONSTANT,
						 .rate_per_s = 700 },
			 1, 1);
	for (int64_t next; (next = bo_schedule_next(&a)) != INT64_MAX; n++)
		at = next;
	assert_int_equal(n, 700 * 3600);
	assert_in_range(at, w.until_ns - SEC / 700 - 2, w.until_ns - SEC / 700 + 2);
}

static void test_windows(void **state)
{
	const struct bo_load_window w[] = { { 0, SEC },
					    { 3 * SEC, 3 * SEC },
					    { 5 * SEC, 6 * SEC } };

	(void)state;
	for (int kind = BO_ARRIVALS_CONSTANT; kind <= BO_ARRIVALS_POISSON; kind++) {
		int in[3] = { 0 };
		struct bo_schedule a;
		int64_t last = 0;

		bo_schedule_init(&a, w, 3,
				 &(struct bo_load_spec){ .arrivals = (enum bo_arrivals)kind,
							 .rate_per_s = 1000 },
				 7, 1);
		for (int64_t next; (next = bo_schedule_next(&a)) != INT64_MAX; last = next) {
			assert_true(next >= last);
			for (int i = 0; i < 3; i++)
				in[i] += next >= w[i].from_ns && next < w[i].until_ns;
		}
		assert_int_equal(in[1], 0);
		assert_in_range(in[0], 850, 1150);
		assert_in_range(in[2], 850, 1150);
		if (kind == BO_ARRIVALS_CONSTANT)
			assert_int_equal(in[0] + in[2], 2000);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Gaps against the exponential distribution (Kolmogorov–Smirnov) and counts per interval (index of
 * dispersion). The seed is fixed, so this cannot fail by chance; the bounds are those of a 1 %
 * test. */
static void test_poisson_is_poisson(void **state)
{
	enum { N = 100000, CELLS = 1000 };
	const double rate = 1000;
	const struct bo_load_window w = { 0, 200 * SEC };
	double *gaps = malloc(N * sizeof(*gaps));
	int counts[CELLS] = { 0 };
	double sum = 0, worst = 0, mean, var = 0;
	struct bo_schedule a;
	int64_t last = 0;

	(void)state;
	assert_non_null(gaps);
	bo_schedule_init(&a, &w, 1,
			 &(struct bo_load_spec){ .arrivals = BO_ARRIVALS_POISSON,
						 .rate_per_s = rate },
			 42, 3);
	for (int i = 0; i < N; i++) {
		int64_t next = bo_schedule_next(&a);

		gaps[i] = (double)(next - last) / 1e9;
		sum += gaps[i];
		last = next;
		if (next / (SEC / 20) < CELLS)
			counts[next / (SEC / 20)]++; /* 50 ms cells: mean 50 */
	}
	assert_true(fabs(sum / N * rate - 1) < 0.01);
	qsort(gaps, N, sizeof(*gaps), by_value);
	for (int i = 0; i < N; i++) {
		double cdf = 1 - exp(-gaps[i] * rate);

		worst = fmax(worst,
			     fmax(fabs(cdf - (double)i / N), fabs(cdf - (double)(i + 1) / N)));
	}
	free(gaps);
	assert_true(worst < 1.63 / sqrt(N));
	mean = 50;
	for (int i = 0; i < CELLS; i++)
		var += (counts[i] - mean) * (counts[i] - mean) / CELLS;
	assert_true(var / mean > 0.89 && var / mean < 1.12); /* a constant rate would give 0 */
}

static void test_seed_decides(void **state)
{
	const struct bo_load_window w = { 0, 10 * SEC };
	struct bo_schedule a, same, other_seed, other_stream;
	int equal = 0;

	(void)state;
	bo_schedule_init(
		&a, &w, 1,
		&(struct bo_load_spec){ .arrivals = BO_ARRIVALS_POISSON, .rate_per_s = 100 }, 1, 1);
	bo_schedule_init(
		&same, &w, 1,
		&(struct bo_load_spec){ .arrivals = BO_ARRIVALS_POISSON, .rate_per_s = 100 }, 1, 1);
	bo_schedule_init(
		&other_seed, &w, 1,
		&(struct bo_load_spec){ .arrivals = BO_ARRIVALS_POISSON, .rate_per_s = 100 }, 2, 1);
	bo_schedule_init(
		&other_stream, &w, 1,
		&(struct bo_load_spec){ .arrivals = BO_ARRIVALS_POISSON, .rate_per_s = 100 }, 1, 2);
	for (int i = 0; i < 500; i++) {
		int64_t at = bo_schedule_next(&a);

		assert_int_equal(bo_schedule_next(&same), at);
		equal += bo_schedule_next(&other_seed) == at;
		equal += bo_schedule_next(&other_stream) == at;
	}
	assert_int_equal(equal, 0);
}

/* ---- rates that move, bursts ---- */

/* Arrivals of @spec in [from_s, to_s) of one window of 10 s. */
static int count_in(const struct bo_load_spec *spec, double from_s, double to_s)
{
	const struct bo_load_window w = { 100 * SEC, 110 * SEC };
	struct bo_schedule a;
	int64_t last = 0;
	int n = 0;

	bo_schedule_init(&a, &w, 1, spec, 3, 1);
	for (int64_t next; (next = bo_schedule_next(&a)) != INT64_MAX; last = next) {
		double at_s = (double)(next - w.from_ns) / 1e9;

		assert_true(next >= last && next < w.until_ns);
		n += at_s >= from_s && at_s < to_s;
	}
	return n;
}

/* As many as were there, and as many as model/rate.h says are due. */
static void counts(const struct bo_load_spec *spec, double from_s, double to_s, int want,
		   int within)
{
	double due = bo_rate_due(spec, 10 * SEC, (int64_t)(to_s * 1e9)) -
		     bo_rate_due(spec, 10 * SEC, (int64_t)(from_s * 1e9));

	assert_in_range(count_in(spec, from_s, to_s), want - within, want + within);
	assert_true(fabs(due - want) <= 1.5);
}

static void test_ramp(void **state)
{
	struct bo_load_spec up = { .rate_per_s = 100,
				   .rate = { .shape = BO_RATE_RAMP, .to_per_s = 300 } };
	struct bo_load_spec down = {
		.rate_per_s = 300,
		.rate = { .shape = BO_RATE_RAMP, .to_per_s = 100, .over_ns = 5 * SEC }
	};

	(void)state;
	/* The integral of 100 + 20 t. */
	counts(&up, 0, 10, 2000, 1);
	counts(&up, 0, 1, 110, 1);
	counts(&up, 9, 10, 290, 1);
	counts(&down, 0, 5, 1000, 1);
	counts(&down, 5, 10, 500, 1); /* and then it stays */
	up.arrivals = BO_ARRIVALS_POISSON;
	counts(&up, 0, 10, 2000, 180);
	counts(&up, 0, 5, 750, 110);
}

static void test_steps(void **state)
{
	static const double rates[] = { 100, 400, 50 };
	struct bo_load_spec even = {
		.rate_per_s = 100, .rate = { .shape = BO_RATE_STEPS, .steps = rates, .nsteps = 3 }
	};
	struct bo_load_spec timed = even;

	(void)state;
	counts(&even, 0, 10, 1833, 2);
	counts(&even, 4, 6, 800, 1);
	timed.rate.each_ns = 2 * SEC;
	counts(&timed, 0, 2, 200, 1);
	counts(&timed, 2, 4, 800, 1);
	counts(&timed, 4, 10, 300, 1); /* the last one is kept */
}

static void test_burst(void **state)
{
	const struct bo_load_spec spec = { .arrivals = BO_ARRIVALS_BURST,
					   .burst_count = 30,
					   .burst_every_ns = 4 * SEC };

	(void)state;
	counts(&spec, 0, 10, 90, 0);
	counts(&spec, 0, 0.001, 30, 0);
	counts(&spec, 0.001, 4, 0, 0);
	counts(&spec, 4, 4.001, 30, 0);
	counts(&spec, 8, 10, 30, 0);
}

static void test_closed_is_no_schedule(void **state)
{
	const struct bo_load_spec spec = { .arrivals = BO_ARRIVALS_CLOSED, .clients = 5 };

	(void)state;
	assert_int_equal(count_in(&spec, 0, 10), 0);
}

/* Phases with load that touch are one stretch; one that lasts no time does not part them. */
static void test_due_in_phase(void **state)
{
	struct bo_load_spec ramp = { .rate_per_s = 100,
				     .rate = { .shape = BO_RATE_RAMP, .to_per_s = 300 } };
	struct bo_plan *plan = bo_plan_new();

	(void)state;
	assert_non_null(plan);
	plan->phase_ns[BO_PHASE_BASE] = plan->phase_ns[BO_PHASE_FAULT] = 5 * SEC;
	plan->phase_ns[BO_PHASE_HOLD] = 3 * SEC;
	plan->phase_ns[BO_PHASE_HEAL] = 10 * SEC;
	assert_true(fabs(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_BASE, 5 * SEC) - 750) < 1e-6);
	assert_true(fabs(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_FAULT, 5 * SEC) - 1250) < 1e-6);
	assert_true(fabs(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_HEAL, 10 * SEC) - 2000) < 1e-6);
	assert_true(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_HOLD, 3 * SEC) == 0);
	plan->phase_ns[BO_PHASE_HOLD] = 0;
	assert_true(fabs(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_BASE, 5 * SEC) - 625) < 1e-6);
	assert_true(fabs(bo_rate_due_in_phase(plan, &ramp, BO_PHASE_HEAL, 10 * SEC) - 2500) < 1e-6);
	bo_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant_is_exact),
		cmocka_unit_test(test_constant_does_not_drift),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_poisson_is_poisson),
		cmocka_unit_test(test_seed_decides),
		cmocka_unit_test(test_ramp),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_closed_is_no_schedule),
		cmocka_unit_test(test_due_in_phase),
	};

	return cmocka_run_group_tests_name("load/schedule", tests, NULL, NULL);
}
