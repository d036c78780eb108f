/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_series.c — goroutines, memory, CPU and counters: worst samples, last samples,
 * holes. */
#include "synth_test.h"

static void flat(struct synth *s, const char *name, enum bo_phase from, enum bo_phase to,
		 double value)
{
	synth_flat(s, name, SYNTH_ORDERS, synth_start(s, from), synth_end(s, to), value);
}

static void test_count(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_WARMUP, BO_PHASE_WARMUP, 900);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_BASE, 20);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_FAULT, BO_PHASE_FAULT, 120);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_HOLD, BO_PHASE_SETTLE, 27);
	expect(s, "goroutines.count <= 120", BO_PASS, "goroutines 120", NULL);
	expect(s, "goroutines.count < 120", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns,
			 synth_start(s, BO_PHASE_FAULT));
	expect(s, "goroutines.count <= 27 in hold..settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines.count >= 20", BO_PASS, "goroutines 20", NULL);
	expect(s, "goroutines.count > 20", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.count == 27 in hold..settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines.count == 26 in hold..settle", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.peak <= 6 * base", BO_PASS, "peak 120", NULL);
	expect(s, "goroutines.peak < 6 * base", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.count <= base + 7 at settle", BO_PASS, NULL, NULL);
	expect(s, "goroutines.delta <= 7 at hold", BO_PASS, "delta 7 (27, base 20)", NULL);
	expect(s, "goroutines.delta <= 6 at hold", BO_FAIL, NULL, NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].excess, "by 1 (17%)");
	expect(s, "goroutines.delta == 0 at settle", BO_FAIL, NULL, NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].excess, "by 7");
	expect(s, "goroutines.delta <= 99 in fault", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.count < 100 in base..hold for 60% of 1s windows", BO_FAIL, "9 of 19",
	       NULL);
	expect(s, "goroutines.count < 100 in base..hold for 45% of 1s windows", BO_PASS, NULL,
	       NULL);
}

static void test_no_samples(void **state)
{
	struct synth *s = *state;

	expect(s, "goroutines.count < 5", BO_INCONCLUSIVE, "not measured",
	       "no samples of goroutines of orders");
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, 0, 30 * SYNTH_S, "connection refused");
	expect(s, "goroutines.count < 5", BO_INCONCLUSIVE, NULL, "connection refused");
	expect(s, "oom.kills == 0", BO_INCONCLUSIVE, NULL, "no samples of oom.kills of orders");
	expect(s, "goroutines.growth < 300%", BO_INCONCLUSIVE, NULL, "connection refused");
}

/* Two samples make no median. */
static void test_base_samples(void **state)
{
	struct synth *s = *state;
	int64_t base = synth_start(s, BO_PHASE_BASE);

	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_HOLD, BO_PHASE_HOLD, 27);
	synth_done(s);
	synth_init(s, 1);
	synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, base, 20);
	synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, base + 100 * SYNTH_MS, 20);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_HOLD, BO_PHASE_HOLD, 27);
	expect(s, "goroutines.delta <= 50 at hold", BO_INCONCLUSIVE, NULL,
	       "2 samples of goroutines in base; its median needs 3");
	expect(s, "goroutines.count <= 50 * base at hold", BO_INCONCLUSIVE, NULL,
	       "base cannot be told: 2 samples");
}

/* The median, so one outlier in base does not move the reference. */
static void test_base_median(void **state)
{
	struct synth *s = *state;
	int64_t base = synth_start(s, BO_PHASE_BASE);

	for (int i = 0; i < 5; i++)
		synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, base + i * 100 * SYNTH_MS,
			     i == 1 ? 500 : 20);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_HOLD, BO_PHASE_HOLD, 25);
	expect(s, "goroutines.delta <= 5 at hold", BO_PASS, "delta 5 (25, base 20)", NULL);
	expect(s, "goroutines.delta <= 4 at hold", BO_FAIL, NULL, NULL);
}

/* A value of "at hold" is the last sample of hold, and must not be old. */
static void test_stale(void **state)
{
	struct synth *s = *state;
	int64_t end = synth_end(s, BO_PHASE_HOLD);

	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_FAULT, 20);
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, synth_start(s, BO_PHASE_HOLD),
		   end - 200 * SYNTH_MS, 22);
	expect(s, "goroutines.delta <= 5 at hold", BO_PASS, NULL, NULL);
	synth_done(s);
	synth_init(s, 1);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_FAULT, 20);
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, synth_start(s, BO_PHASE_HOLD),
		   end - 300 * SYNTH_MS, 22);
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, end - 400 * SYNTH_MS, end,
		  "pprof did not answer within 1s");
	expect(s, "goroutines.delta <= 5 at hold", BO_INCONCLUSIVE, NULL,
	       "pprof did not answer within 1s");
	/* … even when what was seen last would fail: it may have drained since. */
	expect(s, "goroutines.delta <= 1 at hold", BO_INCONCLUSIVE, NULL, NULL);
	expect(s, "goroutines.count <= 50 at settle", BO_INCONCLUSIVE, NULL,
	       "no samples of goroutines for 5.00s");
}

/* A hole may hide a peak: it takes a PASS, never a FAIL. */
static void test_hole(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, synth_start(s, BO_PHASE_BASE),
		   from + 2 * SYNTH_S, 20);
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from + 3 * SYNTH_S,
		   synth_end(s, BO_PHASE_SETTLE), 20);
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from + 2 * SYNTH_S, from + 3 * SYNTH_S,
		  "process down");
	expect(s, "goroutines.peak <= 100 in fault", BO_INCONCLUSIVE, "peak 20",
	       "for 1.10s from 7.90s on: process down");
	expect(s, "goroutines.peak <= 19 in fault", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.count >= 5 in fault", BO_INCONCLUSIVE, NULL, "process down");
	expect(s, "goroutines.count == 20 in fault", BO_INCONCLUSIVE, NULL, "process down");
	expect(s, "goroutines.count == 21 in fault", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.peak <= 100 in hold", BO_PASS, NULL, NULL);
	expect(s, "goroutines.growth < 300% in fault", BO_INCONCLUSIVE, NULL, "process down");
	expect(s, "goroutines.slope < 5/s in fault", BO_INCONCLUSIVE, NULL, "process down");
	/* One window cannot be told. */
	expect(s, "goroutines.count <= 100 in fault for 90% of 1s windows", BO_PASS, NULL, NULL);
	expect(s, "goroutines.count <= 100 in fault for 100% of 1s windows", BO_INCONCLUSIVE, NULL,
	       "process down");
}

/* A single missed sample is no hole. */
static void test_small_gap(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_BASE);

	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from, from + 2 * SYNTH_S, 20);
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from + 2200 * SYNTH_MS,
		   synth_end(s, BO_PHASE_SETTLE), 20);
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from + 1900 * SYNTH_MS,
		  from + 2200 * SYNTH_MS, "slow");
	expect(s, "goroutines.peak <= 100", BO_PASS, NULL, NULL);
}

static void test_growth(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_BASE, 100);
	/* Up by 30 per second for the ten seconds of fault. */
	for (int i = 0; i < 100; i++)
		synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, from + i * 100 * SYNTH_MS,
			     100 + 3 * i);
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_HOLD, BO_PHASE_SETTLE, 400);
	expect(s, "goroutines.growth <= 300% over 20s", BO_PASS, "growth 300%", NULL);
	expect(s, "goroutines.growth < 300% over 20s", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns,
			 synth_start(s, BO_PHASE_HOLD));
	expect(s, "goroutines.growth < 100% over 1s", BO_PASS, "growth 30.0%", NULL);
	expect(s, "goroutines.growth < 25% over 1s", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.slope <= 30.1/s in fault", BO_PASS, "slope 30.0/s", NULL);
	expect(s, "goroutines.slope <= 29/s in fault", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.slope <= 29/s over 2s", BO_FAIL, "slope 30.0/s", NULL);
	expect(s, "goroutines.slope <= 29/s", BO_PASS, NULL, NULL);
	expect(s, "goroutines.slope <= 1/s in hold..settle over 2s", BO_PASS, "slope 0.0/s", NULL);
	expect(s, "goroutines.slope >= -1/s in fault", BO_PASS, NULL, NULL);
	/* The fuse: fast growth alone does not trip it. */
	expect(s, "goroutines.growth < 25% over 1s or goroutines.count < 5000", BO_PASS,
	       "goroutines 400", "decided by 'goroutines.count < 5000'");
}

/* Growth is counted from the lowest sample of the window, not from its first. */
static void test_growth_from_a_dip(void **state)
{
	struct synth *s = *state;

	for (int i = 0; i < 50; i++)
		synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS,
			     synth_start(s, BO_PHASE_BASE) + i * 100 * SYNTH_MS,
			     i == 20  ? 50
			     : i < 20 ? 100
				      : 150);
	expect(s, "goroutines.growth < 200% in base", BO_FAIL, "growth 200%", NULL);
	expect(s, "goroutines.growth <= 200% in base", BO_PASS, NULL, NULL);
}

static void test_limit_not_in_force(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_MEMORY, BO_PHASE_BASE, BO_PHASE_SETTLE, 128 << 20);
	flat(s, BO_SERIES_MEMORY_LIMIT, BO_PHASE_FAULT, BO_PHASE_FAULT, 256 << 20);
	expect(s, "memory.usage <= 50% of limit", BO_PASS, NULL, NULL);
	expect(s, "memory.usage <= 50% of limit in settle", BO_INCONCLUSIVE, NULL,
	       "while a memory limit was in force");
}

static void test_memory(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	/* 128 MiB used all along; the limit is lowered from 256 to 160 MiB half-way through fault.
	 */
	flat(s, BO_SERIES_MEMORY, BO_PHASE_BASE, BO_PHASE_SETTLE, 128 << 20);
	synth_flat(s, BO_SERIES_MEMORY_LIMIT, SYNTH_ORDERS, synth_start(s, BO_PHASE_BASE),
		   from + 5 * SYNTH_S, 256 << 20);
	synth_flat(s, BO_SERIES_MEMORY_LIMIT, SYNTH_ORDERS, from + 5 * SYNTH_S,
		   synth_end(s, BO_PHASE_FAULT), 160 << 20);
	synth_flat(s, BO_SERIES_MEMORY_LIMIT, SYNTH_ORDERS, synth_start(s, BO_PHASE_HOLD),
		   synth_end(s, BO_PHASE_SETTLE), 256 << 20);
	expect(s, "memory.usage <= 50% of limit in base", BO_PASS, "usage 50%", NULL);
	expect(s, "memory.usage <= 79% of limit", BO_FAIL, "usage 80%", NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].limit, "<= 79% of limit");
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns, from + 5 * SYNTH_S);
	expect(s, "memory.usage <= 80% of limit", BO_PASS, NULL, NULL);
	expect(s, "memory.peak <= 128MiB", BO_PASS, "peak 128MiB", NULL);
	expect(s, "memory.peak < 128MiB", BO_FAIL, NULL, NULL);
	expect(s, "memory.usage <= 1.01 * base at settle", BO_PASS, NULL, NULL);
	expect(s, "rss <= 1GB", BO_INCONCLUSIVE, NULL, "no samples of rss of orders");
	flat(s, BO_SERIES_CPU, BO_PHASE_BASE, BO_PHASE_SETTLE, 1.25);
	expect(s, "cpu <= 1.25", BO_PASS, "cpu 1.25", NULL);
	expect(s, "cpu < 1.25", BO_FAIL, NULL, NULL);
}

/* Without a limit series the declared limit stands. */
static void test_static_limit(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_RSS, BO_PHASE_BASE, BO_PHASE_SETTLE, 64 << 20);
	expect(s, "rss <= 25% of limit", BO_PASS, "rss 25%", NULL);
	expect(s, "rss < 25% of limit", BO_FAIL, NULL, NULL);
}

static void test_counters(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_OOM_KILLS, BO_PHASE_WARMUP, BO_PHASE_SETTLE, 0);
	expect(s, "oom.kills == 0", BO_PASS, "OOM kills 0", NULL);
	flat(s, BO_SERIES_MEMORY_FAILCNT, BO_PHASE_WARMUP, BO_PHASE_BASE, 7);
	flat(s, BO_SERIES_MEMORY_FAILCNT, BO_PHASE_FAULT, BO_PHASE_FAULT, 19);
	flat(s, BO_SERIES_MEMORY_FAILCNT, BO_PHASE_HOLD, BO_PHASE_SETTLE, 20);
	expect(s, "memory.failcnt <= 12 in fault", BO_PASS, "failcnt 12", NULL);
	expect(s, "memory.failcnt < 12 in fault", BO_FAIL, NULL, NULL);
	expect(s, "memory.failcnt == 0 in base", BO_PASS, NULL, NULL);
	expect(s, "memory.failcnt == 1 in hold", BO_PASS, NULL, NULL);
}

static void test_oom_during_warmup_and_restart(void **state)
{
	struct synth *s = *state;

	/* Killed once before the first sample, then the node starts again in a new cgroup, and is
	 * killed again. */
	flat(s, BO_SERIES_OOM_KILLS, BO_PHASE_WARMUP, BO_PHASE_BASE, 1);
	flat(s, BO_SERIES_OOM_KILLS, BO_PHASE_FAULT, BO_PHASE_FAULT, 0);
	flat(s, BO_SERIES_OOM_KILLS, BO_PHASE_HOLD, BO_PHASE_SETTLE, 1);
	expect(s, "oom.kills <= 2", BO_PASS, "OOM kills 2", NULL);
	expect(s, "oom.kills == 0", BO_FAIL, NULL, NULL);
}

static void test_counter_cut_off(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_WARMUP);

	synth_flat(s, BO_SERIES_OOM_KILLS, SYNTH_ORDERS, from, from + 20 * SYNTH_S, 0);
	synth_gap(s, BO_SERIES_OOM_KILLS, SYNTH_ORDERS, from + 20 * SYNTH_S, from + 30 * SYNTH_S,
		  "cgroup is gone");
	expect(s, "oom.kills == 0", BO_INCONCLUSIVE, NULL, "cgroup is gone");
	/* A gap in the middle loses nothing: the counter itself did not stop. */
	synth_flat(s, BO_SERIES_OOM_KILLS, SYNTH_ORDERS, from + 25 * SYNTH_S, from + 30 * SYNTH_S,
		   0);
	expect(s, "oom.kills == 0", BO_PASS, NULL, NULL);
}

/* With several subjects each of them must hold, and the worst is named. */
static void test_worst_subject(void **state)
{
	struct synth *s = *state;

	assert_true(bo_vec_push(&s->plan->nodes, (struct bo_node_spec){ .name = "billing",
									.role = BO_ROLE_SUBJECT }));
	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_SETTLE, 20);
	expect(s, "goroutines.count < 100", BO_INCONCLUSIVE, NULL,
	       "no samples of goroutines of billing");
	synth_flat(s, BO_SERIES_GOROUTINES, 3, synth_start(s, BO_PHASE_BASE),
		   synth_end(s, BO_PHASE_SETTLE), 200);
	expect(s, "goroutines.count < 100", BO_FAIL, "billing goroutines 200", NULL);
	expect(s, "goroutines.count{node=orders} < 100", BO_PASS, "orders goroutines 20", NULL);
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_DB, synth_start(s, BO_PHASE_BASE),
		   synth_end(s, BO_PHASE_SETTLE), 900);
	expect(s, "goroutines.count < 300", BO_PASS, NULL, NULL);
	expect(s, "goroutines.count{node=db} < 300", BO_FAIL, "db goroutines 900", NULL);
}

static void test_phase_that_never_was(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_GOROUTINES, BO_PHASE_BASE, BO_PHASE_SETTLE, 20);
	s->run->phases[BO_PHASE_HOLD] = s->run->phases[BO_PHASE_HEAL] =
		s->run->phases[BO_PHASE_SETTLE] = (struct bo_phase_span){ INT64_MIN, INT64_MIN };
	expect(s, "goroutines.delta <= 5 at hold", BO_INCONCLUSIVE, NULL,
	       "phase 'hold' did not happen");
	expect(s, "goroutines.count <= 50", BO_INCONCLUSIVE, NULL, "phase 'hold' did not happen");
	expect(s, "goroutines.count <= 5", BO_FAIL, NULL, NULL);
	expect(s, "goroutines.count <= 50 in fault", BO_PASS, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_count),
		SYNTH_TEST(test_no_samples),
		SYNTH_TEST(test_base_samples),
		SYNTH_TEST(test_base_median),
		SYNTH_TEST(test_stale),
		SYNTH_TEST(test_hole),
		SYNTH_TEST(test_small_gap),
		SYNTH_TEST(test_growth),
		SYNTH_TEST(test_growth_from_a_dip),
		SYNTH_TEST(test_limit_not_in_force),
		SYNTH_TEST(test_memory),
		SYNTH_TEST(test_static_limit),
		SYNTH_TEST(test_counters),
		SYNTH_TEST(test_oom_during_warmup_and_restart),
		SYNTH_TEST(test_counter_cut_off),
		SYNTH_TEST(test_worst_subject),
		SYNTH_TEST(test_phase_that_never_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
