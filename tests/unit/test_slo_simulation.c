/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_simulation.c — how often is a verdict wrong?  A short version of
 * tests/bench/verdict_bench.c with fixed seeds, held to the bounds that docs/statistics.md promises.
 * A false PASS is a PASS of a service that breaks its budget, a false FAIL a FAIL of one that keeps it;
 * INCONCLUSIVE is never wrong, so some cells also say how many runs must be decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slo_sim.h"

#define RUNS 200
/* 1 % of 200 is 2; three standard deviations more are 6. */
#define MOST_WRONG (6.5 / RUNS)

/* struct row - where the truth is @distance times the limit, at least @decided of the runs must say so */
struct row {
	struct sim_process p;
	double distance;
	double decided;
};

#define P99 "latency.p99 <= 200ms in fault"

/* Independent requests, however their latencies are distributed, and trends: at every truth. */
/* clang-format off */
static const struct row independent[] = {
	{ { "p99", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 2000 }, 0.25, 0.75 },
	{ { "p99", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 2000 }, 1, 0 },
	{ { "p99", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 2000 }, 1.2, 0 },
	{ { "p99", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 2000 }, 2, 0.8 },
	{ { "p99, Pareto", P99, 0.01, SIM_STEADY, 0, 0, BO_REQ_OK, 2000 }, 1, 0 },
	{ { "p99, fewest", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 459 }, 0, 1 },
	{ { "p99, fewest", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 459 }, 1, 0 },
	{ { "p95", "latency.p95 <= 200ms in fault", 0.05, SIM_STEADY, 0, 1, BO_REQ_OK, 600 }, 1, 0 },
	{ { "p99, builds up", P99, 0.01, SIM_BUILDUP, 0, 1, BO_REQ_OK, 2000 }, 1, 0 },
	{ { "p99, builds up", P99, 0.01, SIM_BUILDUP, 0, 1, BO_REQ_OK, 2000 }, 2, 0.75 },
	{ { "errors", "errors.ratio <= 1% in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_RESET, 2000 }, 1, 0 },
	{ { "errors", "errors.ratio <= 1% in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_RESET, 2000 }, 2, 0.8 },
	{ { "availability", "availability >= 99% in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_HTTP_5XX, 2000 }, 1, 0 },
	{ { "p99, time out", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_TIMEOUT_BODY, 2000 }, 1, 0 },
	{ { "p99, time out", P99, 0.01, SIM_STEADY, 0, 1, BO_REQ_TIMEOUT_BODY, 2000 }, 2, 0.8 },
};

/* Bursts, twelve of which the limit would allow: a PASS is not wrong from 1.2 times the limit on. */
static const struct row bursts[] = {
	{ { "p99, bursts of 3", P99, 0.01, SIM_BURSTS, 3, 1, BO_REQ_OK, 3600 }, 1.2, 0 },
	{ { "p99, bursts of 5", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 6000 }, 0.25, 0.4 },
	{ { "p99, bursts of 5", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 6000 }, 1.2, 0 },
	{ { "p99, bursts of 5", P99, 0.01, SIM_BURSTS, 5, 1, BO_REQ_OK, 6000 }, 2, 0.75 },
	{ { "p99, serial", P99, 0.01, SIM_SERIAL, 10, 1, BO_REQ_OK, 6000 }, 1.2, 0 },
	{ { "errors, bursts of 5", "errors.ratio <= 1% in fault", 0.01, SIM_BURSTS, 5, 1, BO_REQ_RESET, 6000 }, 1.2, 0 },
	{ { "p99, one stall", P99, 0.01, SIM_STALL, 0, 1, BO_REQ_OK, 2000 }, 3, 1 },
};
/* clang-format on */

static struct sim_rate show(const struct row *row, uint64_t seed)
{
	struct sim_rate r = sim_verdicts(&row->p, row->distance * row->p.limit, RUNS, seed);

	print_message("%-22s %6d  %4.2f  PASS %5.1f %%  FAIL %5.1f %%\n", row->p.what,
		      row->p.requests, row->distance, 100 * r.pass, 100 * r.fail);
	/* Against the run itself no verdict is ever wrong. */
	assert_true(r.pass_broken <= 0 && r.fail_kept <= 0);
	assert_true((row->distance > 1 ? r.fail : r.pass) >= row->decided - 1e-9);
	return r;
}

static void test_independent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(independent) / sizeof(independent[0]); i++) {
		struct sim_rate r = show(&independent[i], 100 + i);

		assert_true(independent[i].distance < 1 || r.pass <= MOST_WRONG);
		assert_true(independent[i].distance > 1 || r.fail <= MOST_WRONG);
	}
}

static void test_bursts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		struct sim_rate r = show(&bursts[i], 200 + i);

		assert_true(bursts[i].distance < 1 || r.pass <= MOST_WRONG);
	}
}

static void test_shifts(void **state)
{
	static const struct {
		double ratio, serial_s, pass, fail;
	} rows[] = {
		{ 1, 0, 0.7, 0 },    { 1.2, 0, 0, 0 },   { 1.2, 0.5, 0, 0 },
		{ 1.5, 0, 0, 0.85 }, { 1, 0.5, 0.2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim_rate r = sim_shifts(rows[i].ratio, rows[i].serial_s, 5, 10, RUNS,
					       300 + i);

		print_message("shift %4.2f, spells %3.1f s: PASS %5.1f %%  FAIL %5.1f %%\n",
			      rows[i].ratio, rows[i].serial_s, 100 * r.pass, 100 * r.fail);
		assert_true(rows[i].ratio < 1.2 || r.pass <= MOST_WRONG);
		assert_true(rows[i].ratio > 1.2 || r.fail <= MOST_WRONG);
		assert_true(r.pass >= rows[i].pass && r.fail >= rows[i].fail);
	}
}

/* Asked every second: alpha and beta as measured over the whole minute. */
static void test_early(void **state)
{
	static const struct {
		double share, burst;
	} rows[] = {
		{ 0, 1 },    { 0.0025, 1 }, { 0.01, 1 }, { 0.012, 1 },
		{ 0.02, 1 }, { 0.04, 1 },   { 0.02, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int median;
		struct sim_rate r = sim_early(rows[i].share, rows[i].burst, 60, RUNS, 400 + i,
					      &median);

		print_message("early, %4.2f %%, bursts of %.0f: within %5.1f %%  beyond %5.1f %%  "
			      "half by %d s\n",
			      100 * rows[i].share, rows[i].burst, 100 * r.pass, 100 * r.fail,
			      median);
		assert_true(rows[i].share < 0.01 || r.pass <= MOST_WRONG);
		assert_true(rows[i].share > 0.01 || r.fail <= MOST_WRONG);
		if (rows[i].share < 0.003)
			assert_true(r.pass > 0.95 && median < 25);
		if (rows[i].share > 0.03)
			assert_true(r.fail > 0.99 && median < 10);
	}
}

/* The whole of --stop-early: what the run's verdict is in the end. */
static void test_stopped(void **state)
{
	static const struct sim_process p99 = {
		"p99", "latency.p99 <= 200ms in fault", 0.01, SIM_STEADY, 0, 1, BO_REQ_OK, 12000
	};
	static const double shares[] = { 0.0025, 0.01, 0.02, 0.04 };

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		int median;
		struct sim_rate r = sim_stopped(&p99, shares[i], RUNS, 500 + i, &median);

		print_message("stopped, %4.2f %%: PASS %5.1f %%  FAIL %5.1f %%  half by %d s\n",
			      100 * shares[i], 100 * r.pass, 100 * r.fail, median);
		assert_true(shares[i] < 0.01 || r.pass <= MOST_WRONG);
		assert_true(shares[i] > 0.01 || r.fail <= MOST_WRONG);
		if (shares[i] < 0.003)
			assert_true(r.pass > 0.95 && median > 0 && median < 30);
		if (shares[i] > 0.03)
			assert_true(r.fail > 0.99 && median > 0 && median < 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_independent), cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_shifts),      cmocka_unit_test(test_early),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
