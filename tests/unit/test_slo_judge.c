/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_judge.c — and/or in three values, and the rules for the run as a whole. */
#include "synth_test.h"

/* Three terms with a known outcome each, on a run with load in fault and goroutine samples in base.
 */
#define P "latency.p99 <= 1s in fault"
#define F "throughput > 300/s in fault"
#define I "cpu < 1 in fault"

static void quiet(struct synth *s)
{
	synth_quiet_load(s, 0);
}

static void test_kleene(void **state)
{
	static const struct {
		const char *text;
		enum bo_outcome outcome;
	} table[] = {
		/* clang-format off */
		{ P, BO_PASS },		      { F, BO_FAIL },		     { I, BO_INCONCLUSIVE },
		{ P " and " P, BO_PASS },     { P " and " F, BO_FAIL },	     { F " and " P, BO_FAIL },
		{ P " and " I, BO_INCONCLUSIVE }, { I " and " P, BO_INCONCLUSIVE }, { F " and " I, BO_FAIL },
		{ I " and " F, BO_FAIL },     { I " and " I, BO_INCONCLUSIVE }, { F " and " F, BO_FAIL },
		{ P " or " F, BO_PASS },      { F " or " P, BO_PASS },	     { P " or " I, BO_PASS },
		{ I " or " P, BO_PASS },      { F " or " I, BO_INCONCLUSIVE }, { I " or " F, BO_INCONCLUSIVE },
		{ F " or " F, BO_FAIL },      { I " or " I, BO_INCONCLUSIVE }, { P " or " P, BO_PASS },
		/* "and" binds tighter */
		{ P " or " F " and " F, BO_PASS }, { "(" P " or " F ") and " F, BO_FAIL },
		{ F " and " F " or " P, BO_PASS }, { F " and (" F " or " P ")", BO_FAIL },
		{ F " or " I " and " P, BO_INCONCLUSIVE },
		/* clang-format on */
	};
	struct synth *s = *state;

	quiet(s);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		expect(s, table[i].text, table[i].outcome, NULL, NULL);
	expect(s, P " and " F, BO_FAIL, "throughput 200/s",
	       "decided by 'throughput > 300/s in fault'");
	expect(s, P " and " I, BO_INCONCLUSIVE, NULL,
	       "decided by 'cpu < 1 in fault': no samples of cpu");
}

static void test_overall(void **state)
{
	struct synth *s = *state;

	quiet(s);
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	assert_int_equal(s->run->verdict.reasons.len, 0);
	synth_budget(s, I);
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	synth_budget(s, "latency.p99 <= 30ms in fault and throughput > 300/s in fault");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
	assert_int_equal(s->run->verdict.budgets.len, 3);
	assert_string_equal(s->run->verdict.budgets.items[1].text, I);
}

static void reason(struct synth *s, const char *text)
{
	bo_vec_foreach(r, &s->run->verdict.reasons) {
		if (strstr(*r, text))
			return;
	}
	bo_vec_foreach(r, &s->run->verdict.reasons)
		print_error("reason: %s\n", *r);
	fail_msg("no reason says '%s'", text);
}

static void open_run(struct synth *s, const char *text)
{
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	reason(s, text);
	/* A budget that fails still fails the run. */
	expect(s, "throughput > 300/s in fault", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
}

static void test_no_budget(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	reason(s, "nothing was judged");
}

static void test_aborted(void **state)
{
	struct synth *s = *state;

	quiet(s);
	s->run->abort_reason = "interrupted by SIGINT";
	expect(s, "latency.p99 <= 1ms in fault", BO_INCONCLUSIVE, NULL, "base already breaks it");
	assert_int_equal(s->run->verdict.outcome, BO_ABORTED);
	reason(s, "interrupted by SIGINT");
	expect(s, "throughput > 300/s in fault", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_ABORTED);
}

/* Faults whose time had not come are no reason of their own. */
static void test_aborted_before_a_fault(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_PENDING);
	s->run->faults.items[0].applied_ns = INT64_MIN;
	s->run->faults.items[0].reason[0] = '\0';
	s->run->abort_reason = "interrupted by SIGINT";
	expect(s, "throughput > 1/s in base", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.reasons.len, 1);
	reason(s, "interrupted by SIGINT");
	s->run->faults.items[0].applied_ns = 1;
	expect(s, "throughput > 1/s in base", BO_PASS, NULL, NULL);
	reason(s, "was never confirmed");
}

static void test_subject_ended(void **state)
{
	struct synth *s = *state;

	quiet(s);
	s->run->failure = "orders exited with status 2 at +3.10s in phase fault";
	expect(s, "throughput > 1/s in fault", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
	reason(s, "orders exited with status 2");
}

static void test_fault_off(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_OFF);
	open_run(
		s,
		"fault 'delay orders-db' did not take effect as asked: requested delay 1.50s, achieved delay p50 0s");
}

static void test_fault_unknown(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_UNKNOWN);
	open_run(s, "fault 'delay orders-db' could not be measured");
	s->run->faults.items[0].confirm = BO_CONFIRM_PENDING;
	open_run(s, "fault 'delay orders-db' was never confirmed");
	s->run->faults.len = 0;
	open_run(s, "fault 'delay orders-db' left no record");
}

static void test_fault_confirmed(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_OK);
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
}

static void test_generator_late(void **state)
{
	struct synth *s = *state;

	quiet(s);
	expect(s, P, BO_PASS, NULL, NULL);
	s->run->loads.items[0].lag_p99_ns = 100 * SYNTH_MS;
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	s->run->loads.items[0].lag_p99_ns = 100 * SYNTH_MS + 1;
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	reason(s,
	       "load 'checkout' was late itself: lag p99 100ms is more than a tenth of the tightest latency limit 1.00s; "
	       "the machine was busy: run it again on a quieter one");
	/* Without a latency budget its own lateness bends nothing that is judged. */
	expect(s, "errors.ratio <= 1%", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
}

static void test_generator_failed(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_judge(s, P);
	/* 4200 requests recorded of 4300 that were due. */
	s->run->loads.items[0].offered += 100;
	open_run(s, "load 'checkout' achieved 4200 of 4300 offered requests");
}

static void test_generator_slow(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 180,
		     20 * SYNTH_MS, BO_REQ_OK);
	open_run(s, "the generator did not keep its rate");
}

static void test_shed(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_HEAL);
	synth_steady(s, synth_start(s, BO_PHASE_HEAL), synth_end(s, BO_PHASE_HEAL), 200, 0,
		     BO_REQ_SHED);
	open_run(s,
		 "load 'checkout' shed 1000 of 4200 requests: 1000 in flight is its max_inflight");
}

static void test_silent_phase(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_HEAL);
	open_run(s, "load 'checkout' sent nothing in phase 'heal'");
}

/* A lab that did not come up is the one reason; that its faults never came goes without saying. */
static void test_never_began(void **state)
{
	struct synth *s = *state;

	quiet(s);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_FAULT, BO_CONFIRM_PENDING);
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		s->run->phases[p] = (struct bo_phase_span){ INT64_MIN, INT64_MIN };
	bo_run_event(s->run, 0, BO_EVENT_PROBLEM, -1, "the lab did not come up: db exited");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	assert_int_equal(s->run->verdict.reasons.len, 1);
	reason(s, "the lab did not come up: db exited");
}

static void test_problems(void **state)
{
	struct synth *s = *state;

	quiet(s);
	bo_run_event(s->run, 0, BO_EVENT_NOTE, -1, "worth knowing");
	expect(s, P, BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	bo_run_event(s->run, 0, BO_EVENT_PROBLEM, SYNTH_ORDERS, "sampler lost");
	open_run(s, "orders: sampler lost");
	/* One that names its node already. */
	s->run->events.items[s->run->events.len - 1].text =
		"orders: two samplers disagree: pprof says 7";
	synth_judge(s, P);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	assert_string_equal(s->run->verdict.reasons.items[0],
			    "orders: two samplers disagree: pprof says 7");
	for (int i = 0; i < 20; i++)
		bo_run_event(s->run, 0, BO_EVENT_PROBLEM, -1, "problem %d", i);
	open_run(s, "and 13 more problems");
	assert_int_equal(s->run->verdict.reasons.len, 9);
}

/* What base breaks already cannot be blamed on the fault, not even when the fault makes it worse.
 */
static void test_base_broken(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200, SYNTH_S,
		     BO_REQ_OK);
	expect(s, "latency.p99 <= 500ms in fault", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
	expect(s, "latency.p99 <= 10ms in fault", BO_INCONCLUSIVE, "p99 1.00s",
	       "base already breaks it (p99 20ms (n 1000))");
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	reason(s,
	       "the base phase already breaks 'latency.p99 <= 10ms in fault' (p99 20ms (n 1000))");
	/* Without a scope it is judged in base, fault and heal; base breaks it all the same. */
	expect(s, "latency.p99 <= 10ms", BO_INCONCLUSIVE, NULL, NULL);
	/* Asked about base alone, it is a plain FAIL; relative to base it stands. */
	expect(s, "latency.p99 <= 10ms in base", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
	expect(s, "latency.p99 <= 2 * base in fault", BO_FAIL, NULL, NULL);
	/* Other budgets keep their say. */
	synth_budget(s, "latency.p99 <= 10ms in heal");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_INCONCLUSIVE);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
}

/* Better under the fault than before: it passes, and the run as a whole still has nothing to be
 * judged by. */
static void test_base_broken_fault_fine(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_BASE);
	synth_steady(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_BASE), 200, SYNTH_S,
		     BO_REQ_HTTP_5XX);
	expect(s, "errors.ratio <= 1% in fault", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
	expect(s, "errors.ratio <= 1% in fault for 90% of 1s windows", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
}

/* A floor says that the fault is to be felt: that base does not reach it is the point of it. */
static void test_base_below_a_floor(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200, SYNTH_S,
		     BO_REQ_HTTP_5XX);
	expect(s, "latency.p50 >= 500ms in fault", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	expect(s, "errors.ratio > 50% in fault", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	expect(s, "availability <= 50% in fault", BO_PASS, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_PASS);
	expect(s, "latency.p50 >= 2s in fault", BO_FAIL, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
}

static void test_bad_budget_is_an_error(void **state)
{
	struct synth *s = *state;
	struct bo_err err = { 0 };

	synth_budget(s, "nonsense");
	assert_int_equal(bo_slo_judge(s->run, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "budget 'nonsense': column 1: unknown metric"));
}

/* Requests of a load that the plan does not have, phases that never were, an empty run: no crash,
 * no PASS. */
static void test_empty_run(void **state)
{
	struct synth *s = *state;

	for (int i = 0; i < BO_PHASE_COUNT; i++)
		s->run->phases[i] = (struct bo_phase_span){ INT64_MIN, INT64_MIN };
	synth_req(s, 0, 1, BO_REQ_OK);
	s->run->requests.items[0].load = 200;
	expect(s, "latency.p99 <= 1s in fault and recovery <= 1s or memory.usage < 5% of limit",
	       BO_INCONCLUSIVE, NULL, NULL);
	expect(s,
	       "oom.kills == 0 and goroutines.growth < 5 and errors.ratio <= 1% for 50% of 1s windows",
	       BO_INCONCLUSIVE, NULL, NULL);
	assert_int_equal(s->run->verdict.outcome, BO_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_kleene),
		SYNTH_TEST(test_overall),
		SYNTH_TEST(test_no_budget),
		SYNTH_TEST(test_aborted),
		SYNTH_TEST(test_aborted_before_a_fault),
		SYNTH_TEST(test_subject_ended),
		SYNTH_TEST(test_fault_off),
		SYNTH_TEST(test_fault_unknown),
		SYNTH_TEST(test_fault_confirmed),
		SYNTH_TEST(test_generator_late),
		SYNTH_TEST(test_generator_failed),
		SYNTH_TEST(test_generator_slow),
		SYNTH_TEST(test_shed),
		SYNTH_TEST(test_silent_phase),
		SYNTH_TEST(test_problems),
		SYNTH_TEST(test_never_began),
		SYNTH_TEST(test_base_broken),
		SYNTH_TEST(test_base_broken_fault_fine),
		SYNTH_TEST(test_base_below_a_floor),
		SYNTH_TEST(test_bad_budget_is_an_error),
		SYNTH_TEST(test_empty_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
