/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_runtime.c — gc.*, heap.*, sched.* and goroutines.created: units, phases, base,
 * and pauses that nobody saw. */
#include "synth_test.h"

static void flat(struct synth *s, const char *name, enum bo_phase from, enum bo_phase to,
		 double value)
{
	synth_flat(s, name, SYNTH_ORDERS, synth_start(s, from), synth_end(s, to), value);
}

/* One collection a second from the start of base, 1 ms each and 5 ms in fault; 1000 had been counted
 * before anybody looked, 2 s of pause among them.  @blind: every n-th pause was not seen. */
static void collect(struct synth *s, int blind)
{
	double cycles = 1000, total = 2e9;
	int n = 0;

	for (int64_t t = synth_start(s, BO_PHASE_BASE); t < synth_end(s, BO_PHASE_SETTLE);
	     t += 100 * SYNTH_MS) {
		bool fault = t >= synth_start(s, BO_PHASE_FAULT) &&
			     t < synth_end(s, BO_PHASE_FAULT);

		if ((t - synth_start(s, BO_PHASE_BASE)) % SYNTH_S == 500 * SYNTH_MS) {
			double ns = fault ? 5e6 : 1e6;

			cycles++;
			total += ns;
			if (!blind || ++n % blind)
				synth_sample(s, BO_SERIES_GC_PAUSE, SYNTH_ORDERS, t, ns);
		}
		synth_sample(s, BO_SERIES_GC_CYCLES, SYNTH_ORDERS, t, cycles);
		synth_sample(s, BO_SERIES_GC_PAUSE_TOTAL, SYNTH_ORDERS, t, total);
	}
}

static void test_gc(void **state)
{
	struct synth *s = *state;

	collect(s, 0);
	expect(s, "gc.cycles == 29", BO_PASS, "collections 29", NULL);
	expect(s, "gc.cycles <= 9 in fault", BO_FAIL, "collections 10", NULL);
	expect(s, "gc.cycles == 10 in fault", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.total <= 50ms in fault", BO_PASS, "pauses 50", NULL);
	expect(s, "gc.pause.total < 50ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "gc.pause.max <= 5ms", BO_PASS, "longest pause 5", NULL);
	expect(s, "gc.pause.max < 5ms", BO_FAIL, "(29 pauses)", NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns,
			 synth_start(s, BO_PHASE_FAULT) + 500 * SYNTH_MS);
	expect(s, "gc.pause.max <= 5 * base in fault", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.max < 5 * base in fault", BO_FAIL, NULL, NULL);
	/* 19 of 29 are short. */
	expect(s, "gc.pause.p50 <= 1ms", BO_PASS, "pause.p50 1", NULL);
	expect(s, "gc.pause.p66 <= 1ms", BO_FAIL, NULL, NULL);
	expect(s, "gc.pause.p99 <= 1ms", BO_FAIL, NULL, NULL);
	expect(s, "gc.pause.p99 <= 1ms in heal", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.max <= 1ms in fault for 90% of 1s windows", BO_FAIL, "0 of 10", NULL);
}

/* Every third pause was missed, but the counters know how many and how long they were in all. */
static void test_gc_missed(void **state)
{
	struct synth *s = *state;

	collect(s, 3);
	expect(s, "gc.cycles == 10 in fault", BO_PASS, NULL, NULL);
	/* Of 50 ms in fault 30 were seen: one of the four others may have taken all of 20. */
	expect(s, "gc.pause.max <= 21ms in fault", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.max <= 14ms in fault", BO_INCONCLUSIVE, NULL, "6 pauses were seen");
	expect(s, "gc.pause.max <= 4ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "gc.pause.p50 <= 5ms in fault", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.p50 <= 4ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "gc.pause.p80 <= 5ms in fault", BO_INCONCLUSIVE, NULL, "pauses were seen");
}

static void test_gc_unknown(void **state)
{
	struct synth *s = *state;

	expect(s, "gc.pause.max <= 1s", BO_INCONCLUSIVE, "not measured",
	       "no samples of gc.pause of orders");
	expect(s, "gc.cycles == 0", BO_INCONCLUSIVE, NULL, "no samples of gc.cycles of orders");
	flat(s, BO_SERIES_GC_CYCLES, BO_PHASE_BASE, BO_PHASE_SETTLE, 7);
	expect(s, "gc.cycles == 0", BO_PASS, NULL, NULL);
	expect(s, "gc.pause.max <= 1s", BO_PASS, "longest pause 0",
	       "no collection ended in that time");
	/* A pause without the counters says nothing about others. */
	s->run->series.items[0]->samples.len = 0;
	synth_sample(s, BO_SERIES_GC_PAUSE, SYNTH_ORDERS, 8 * SYNTH_S, 2e6);
	expect(s, "gc.pause.max <= 1s", BO_INCONCLUSIVE, NULL, "1 pauses were seen");
	expect(s, "gc.pause.max <= 1ms", BO_FAIL, NULL, NULL);
}

static void test_heap(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_HEAP_LIVE, BO_PHASE_BASE, BO_PHASE_BASE, 32 << 20);
	flat(s, BO_SERIES_HEAP_LIVE, BO_PHASE_FAULT, BO_PHASE_FAULT, 128 << 20);
	flat(s, BO_SERIES_HEAP_LIVE, BO_PHASE_HOLD, BO_PHASE_SETTLE, 40 << 20);
	flat(s, BO_SERIES_HEAP_GOAL, BO_PHASE_BASE, BO_PHASE_SETTLE, 200 << 20);
	expect(s, "heap.live <= 1.25 * base at settle", BO_PASS, "live heap 40", NULL);
	expect(s, "heap.live <= 1.2 * base at settle", BO_FAIL, NULL, NULL);
	expect(s, "heap.live <= 50% of limit", BO_PASS, "live heap 50%", NULL);
	expect(s, "heap.live < 50% of limit", BO_FAIL, NULL, NULL);
	expect(s, "heap.live.peak <= 128MiB", BO_PASS, "peak 128", NULL);
	expect(s, "heap.live.peak <= 4 * base in fault", BO_PASS, NULL, NULL);
	expect(s, "heap.live.peak <= 100MiB", BO_FAIL, NULL, NULL);
	expect(s, "heap.goal <= 200MiB", BO_PASS, "heap goal 200", NULL);
	expect(s, "heap.goal < 200MiB", BO_FAIL, NULL, NULL);
}

static void test_sched(void **state)
{
	struct synth *s = *state;

	flat(s, BO_SERIES_SCHED_LATENCY_P99, BO_PHASE_BASE, BO_PHASE_BASE, 50e3);
	flat(s, BO_SERIES_SCHED_LATENCY_P99, BO_PHASE_FAULT, BO_PHASE_SETTLE, 2e6);
	flat(s, BO_SERIES_SCHED_RUNQ, BO_PHASE_BASE, BO_PHASE_SETTLE, 12);
	flat(s, BO_SERIES_SCHED_STW, BO_PHASE_BASE, BO_PHASE_HEAL, 0);
	synth_sample(s, BO_SERIES_SCHED_STW, SYNTH_ORDERS, synth_start(s, BO_PHASE_SETTLE), 3e9);
	expect(s, "sched.latency.p99 <= 2ms", BO_PASS, "scheduling p99 2", NULL);
	expect(s, "sched.latency.p99 <= 1ms", BO_FAIL, NULL, NULL);
	expect(s, "sched.latency.p99 <= 40 * base in fault", BO_PASS, NULL, NULL);
	expect(s, "sched.latency.p99 <= 39 * base in fault", BO_FAIL, NULL, NULL);
	expect(s, "sched.runq == 12", BO_PASS, "run queue 12", NULL);
	expect(s, "sched.runq <= 11 at hold", BO_FAIL, NULL, NULL);
	expect(s, "sched.stw_pending == 0s in base..heal", BO_PASS, "stop pending 0", NULL);
	expect(s, "sched.stw_pending <= 1s", BO_FAIL, "stop pending 3.00s", NULL);
}

/* Nothing became runnable for seconds: no hole, as long as somebody looked. */
static void test_quiet_scheduler(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_flat(s, BO_SERIES_SCHED_LATENCY_P99, SYNTH_ORDERS, fault, fault + SYNTH_S, 1e6);
	synth_sample(s, BO_SERIES_SCHED_LATENCY_P99, SYNTH_ORDERS, fault + 9 * SYNTH_S, 3e6);
	expect(s, "sched.latency.p99 <= 3ms in fault", BO_INCONCLUSIVE, NULL,
	       "no samples of sched.latency.p99 for");
	flat(s, BO_SERIES_SCHED_RUNQ, BO_PHASE_BASE, BO_PHASE_FAULT, 0);
	expect(s, "sched.latency.p99 <= 3ms in fault", BO_PASS, "scheduling p99 3", NULL);
	expect(s, "sched.latency.p99 <= 2ms in fault", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns, fault + 9 * SYNTH_S);
	expect(s, "sched.latency.p99 <= 3ms in hold", BO_INCONCLUSIVE, "not measured",
	       "no samples of sched.runq for");
	expect(s, "sched.latency.p99 <= 3ms in fault..hold", BO_INCONCLUSIVE, NULL,
	       "no samples of sched.runq for");
	expect(s, "sched.latency.p99 <= 2 * base in fault", BO_INCONCLUSIVE, NULL,
	       "base cannot be told");
}

static void test_created(void **state)
{
	struct synth *s = *state;

	for (int i = 0; i < 290; i++)
		synth_sample(s, BO_SERIES_CREATED, SYNTH_ORDERS,
			     synth_start(s, BO_PHASE_BASE) + i * 100 * SYNTH_MS,
			     1e6 + (i < 50 ? 2 * i : 100 + 60 * (i - 50)));
	expect(s, "goroutines.created <= 20.1/s in base", BO_PASS, "created 20.0/s", NULL);
	expect(s, "goroutines.created <= 500/s in fault", BO_FAIL, "created 600/s", NULL);
	expect(s, "goroutines.created <= 500/s over 2s", BO_FAIL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_gc),
		SYNTH_TEST(test_gc_missed),
		SYNTH_TEST(test_gc_unknown),
		SYNTH_TEST(test_heap),
		SYNTH_TEST(test_sched),
		SYNTH_TEST(test_created),
		SYNTH_TEST(test_quiet_scheduler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
