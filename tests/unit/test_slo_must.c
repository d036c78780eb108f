/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_must.c — what has to happen, and by when: a breaker that opens, a service that comes back. */
#include "synth_test.h"

#define OPENS "must errors.ratio{class=5xx} >= 50% within 2s of fault"
#define FAST "must latency.p90 <= 100ms within 2s of fault"

/* Slow answers from the start of fault, fast 503s from @open_ns on until the end of fault, then all is well. */
static void breaker(struct synth *s, int64_t open_ns, int64_t closed_again_ns)
{
	int64_t fault = synth_start(s, BO_PHASE_FAULT), end = synth_end(s, BO_PHASE_FAULT);

	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_OK);
	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, fault, fault + open_ns, 200, 900 * SYNTH_MS, BO_REQ_OK);
	synth_steady(s, fault + open_ns, fault + closed_again_ns, 200, 2 * SYNTH_MS,
		     BO_REQ_HTTP_5XX);
	synth_steady(s, fault + closed_again_ns, end, 200, 900 * SYNTH_MS, BO_REQ_OK);
}

static void test_opens(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	breaker(s, 1500 * SYNTH_MS, 10 * SYNTH_S);
	expect(s, OPENS, BO_PASS, "held from 1.50s after fault on", NULL);
	r = synth_judge(s, FAST);
	assert_int_equal(r->outcome, BO_PASS);
	assert_string_equal(r->limit, "within 2.00s of fault");
	assert_true(r->measured_value == 1.5e9 && r->limit_value == 2e9);
	assert_int_equal(r->first_breach_ns, INT64_MIN);
	/* Without a phase: since the first fault took hold. */
	expect(s, "must latency.p90 <= 100ms within 2s", BO_PASS,
	       "held from 1.50s after the first fault on", NULL);
	expect(s, "must (latency.p90 <= 100ms and errors.ratio >= 50%) within 2s of fault", BO_PASS,
	       "1.50s", NULL);
	expect(s, "must (latency.p90 <= 100ms or errors.ratio < 1%) within 2s of fault", BO_PASS,
	       "held from 0s", NULL);
}

/* Without a phase the clock starts with the first fault of all, in whichever order they are listed. */
static void test_first_fault(void **state)
{
	struct synth *s = *state;
	struct bo_fault_record later = { .confirm = BO_CONFIRM_OK };

	breaker(s, 1500 * SYNTH_MS, 10 * SYNTH_S);
	later.applied_ns = s->run->faults.items[0].applied_ns;
	later.reverted_ns = s->run->faults.items[0].reverted_ns;
	s->run->faults.items[0].applied_ns += SYNTH_S;
	assert_true(bo_vec_push(&s->run->faults, later));
	expect(s, "must latency.p90 <= 100ms within 2s", BO_PASS, "held from 1.50s", NULL);
	s->run->faults.items[0].applied_ns -= SYNTH_S;
	s->run->faults.items[1].applied_ns += SYNTH_S;
	expect(s, "must latency.p90 <= 100ms within 2s", BO_PASS, "held from 1.50s", NULL);
}

static void test_too_late(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	breaker(s, 2 * SYNTH_S, 10 * SYNTH_S);
	r = synth_judge(s, OPENS);
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "held from 2.00s after fault on");
	assert_int_equal(r->first_breach_ns, synth_start(s, BO_PHASE_FAULT) + 2 * SYNTH_S);
	synth_done(s);
	synth_init(s, 1);
	breaker(s, 3 * SYNTH_S, 10 * SYNTH_S);
	r = synth_judge(s, FAST);
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->excess, "by 1.00s (50%)");
	expect(s, "must latency.p90 <= 100ms within 3s of fault", BO_FAIL, NULL, NULL);
	expect(s, "must latency.p90 <= 100ms within 3.25s of fault", BO_PASS, NULL, NULL);
}

static void test_never(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	breaker(s, 10 * SYNTH_S, 10 * SYNTH_S);
	r = synth_judge(s, OPENS);
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "not within 24.0s; closest was up to 0%");
	assert_string_equal(r->excess, "");
	assert_int_equal(r->first_breach_ns, synth_start(s, BO_PHASE_FAULT) + 2 * SYNTH_S);
	expect(s, "must latency.p90 <= 50ms within 2s of fault", BO_FAIL,
	       "held from 14.0s after fault on", NULL);
	expect(s, "must latency.p90 <= 5ms within 2s of fault", BO_FAIL,
	       "not within 24.0s; closest was down to 900ms", NULL);
}

/* Open and closed again: "sustained for" asks that it stays open. */
static void test_stays_open(void **state)
{
	struct synth *s = *state;

	breaker(s, SYNTH_S, 3 * SYNTH_S);
	expect(s, OPENS, BO_PASS, "1.00s", NULL);
	expect(s, OPENS " sustained for 2s", BO_PASS, "1.00s", NULL);
	expect(s, OPENS " sustained for 2.25s", BO_FAIL, "not within", NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].limit,
			    "within 2.00s of fault sustained for 2.25s");
}

/* Back to normal after heal: 0.9 of base, and it stays so. */
static void test_comes_back(void **state)
{
	struct synth *s = *state;
	int64_t heal = synth_start(s, BO_PHASE_HEAL);

	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_quiet_load(s, 1u << BO_PHASE_HEAL);
	synth_steady(s, heal, heal + SYNTH_S, 200, SYNTH_MS, BO_REQ_HTTP_5XX);
	synth_steady(s, heal + SYNTH_S, synth_end(s, BO_PHASE_HEAL), 200, SYNTH_MS, BO_REQ_OK);
	expect(s, "must throughput >= 0.9 * base within 2s of heal sustained for 2s", BO_PASS,
	       "held from 1.00s", NULL);
	expect(s, "must throughput >= 0.9 * base within 1s of heal", BO_FAIL, NULL, NULL);
	expect(s, "must errors.ratio <= 1% within 1s of heal or cpu < 1", BO_INCONCLUSIVE, NULL,
	       NULL);
	expect(s, "must errors.ratio <= 1% within 1.5s of heal or cpu < 1", BO_PASS, NULL,
	       "decided by 'must errors.ratio <= 1% within 1.5s of heal'");
}

/* Nobody looked: settle has no load, and hold has none. */
static void test_cannot_tell(void **state)
{
	struct synth *s = *state;

	expect(s, "must latency.p90 <= 100ms within 2s", BO_INCONCLUSIVE, "not measured",
	       "no fault was applied");
	expect(s, FAST, BO_INCONCLUSIVE, NULL, "no requests in that time");
	breaker(s, 9 * SYNTH_S, 9 * SYNTH_S);
	expect(s, "must latency.p90 <= 100ms within 2s of hold", BO_INCONCLUSIVE, NULL,
	       "it may have happened 0s after hold: no requests");
	/* It may have begun just before load stopped. */
	expect(s, "must latency.p90 <= 100ms within 12s of fault", BO_INCONCLUSIVE, NULL, NULL);
	s->run->phases[BO_PHASE_HEAL].start_ns = s->run->phases[BO_PHASE_HEAL].end_ns = INT64_MIN;
	expect(s, "must latency.p90 <= 100ms within 2s of heal", BO_INCONCLUSIVE, NULL,
	       "phase 'heal' did not happen");
}

/* The run ended before the deadline. */
static void test_cut_short(void **state)
{
	struct synth *s = *state;

	breaker(s, 10 * SYNTH_S, 10 * SYNTH_S);
	for (int p = BO_PHASE_HOLD; p < BO_PHASE_COUNT; p++)
		s->run->phases[p].start_ns = s->run->phases[p].end_ns = INT64_MIN;
	s->run->phases[BO_PHASE_FAULT].end_ns = synth_start(s, BO_PHASE_FAULT) + SYNTH_S;
	expect(s, FAST, BO_INCONCLUSIVE, NULL, "nobody looked for long enough");
	expect(s, "must latency.p90 <= 100ms within 1s of fault", BO_FAIL, NULL, NULL);
}

/* Sampled values: every sample of a step has to hold, at every subject. */
static void test_samples(void **state)
{
	struct synth *s = *state;
	int64_t heal = synth_start(s, BO_PHASE_HEAL);

	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, 0, heal, 500);
	for (int64_t t = 0; t < 5 * SYNTH_S; t += 100 * SYNTH_MS)
		synth_sample(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, heal + t,
			     t < 1700 * SYNTH_MS ? 500 : 20);
	expect(s, "must goroutines.count <= 50 within 2s of heal", BO_PASS, "held from 1.75s",
	       NULL);
	expect(s, "must goroutines.count <= 50 within 1.5s of heal", BO_FAIL,
	       "held from 1.75s after heal on", NULL);
	expect(s, "must goroutines.count{node=db} <= 50 within 2s of heal", BO_INCONCLUSIVE, NULL,
	       "no samples");
}

static void test_plan(void **state)
{
	struct synth *s = *state;

	expect_plan(s, OPENS, NULL);
	expect_plan(
		s, "must latency.p90 <= 1s within 2s",
		"column 24: 'within' is told from the first fault on, and the scenario has none");
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_OK);
	expect_plan(s, "must latency.p90 <= 1s within 2s", NULL);
	expect_plan(s, "must latency.p90{load=x} <= 1s within 2s", "unknown load 'x'");
	expect_plan(s, "must latency.p90 <= 1s within 11s of heal",
		    "the run ends 10.0s after that, too early for 'within 11s'");
	expect_plan(s, "must latency.p90 <= 1s within 10s of heal", NULL);
	expect_plan(s, "must latency.p90 <= 1s within 9s of heal sustained for 2s", "too early");
	synth_phase(s, BO_PHASE_HOLD, 0);
	expect_plan(s, "must latency.p90 <= 1s within 2s of hold", "phase 'hold' does not happen");
}

static void test_lint(void **state)
{
	struct synth *s = *state;

	expect_lint(s, OPENS, NULL);
	expect_lint(s, "must latency.p90 <= 1s within 2s of hold",
		    "load runs for only 0s of the time");
	expect_lint(s, "must latency.p90 <= 1s within 5s of heal", NULL);
	expect_lint(
		s, "must latency.p90 <= 1s within 5s of heal sustained for 1s",
		"load runs for only 5.00s of the time that 'within 5s sustained for 1s' looks at");
	expect_lint(s, "must errors.ratio >= 0% within 2s of fault", "cannot fail");
	expect_lint(s, "must (cpu > 1 and throughput >= 300/s) within 2s of fault", "cannot pass");
	s->plan->loads.items[0].rate_per_s = 4;
	expect_lint(s, OPENS, "within 2s there are only about 8 requests (4/s)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_opens),       SYNTH_TEST(test_first_fault),
		SYNTH_TEST(test_too_late),    SYNTH_TEST(test_never),
		SYNTH_TEST(test_stays_open),  SYNTH_TEST(test_comes_back),
		SYNTH_TEST(test_cannot_tell), SYNTH_TEST(test_cut_short),
		SYNTH_TEST(test_samples),     SYNTH_TEST(test_plan),
		SYNTH_TEST(test_lint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
