/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_errors.c — errors, availability, throughput: counted by class, never from
 * successes only. */
#include "synth_test.h"

static void mixed(struct synth *s, enum bo_phase phase, int n, int bad, enum bo_req_class cls)
{
	int64_t from = synth_start(s, phase), gap = (synth_end(s, phase) - from) / n;

	for (int i = 0; i < n; i++) {
		bool is_bad = bad && (i * bad) / n != ((i + 1) * bad) / n;

		synth_req(s, from + i * gap, 20 * SYNTH_MS, is_bad ? cls : BO_REQ_OK);
	}
}

static void test_ratio(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	mixed(s, BO_PHASE_FAULT, 2000, 42, BO_REQ_HTTP_5XX);
	r = synth_judge(s, "errors.ratio <= 1% in fault");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "ratio 2.1% (42 of 2000)");
	assert_string_equal(r->limit, "<= 1%");
	assert_string_equal(r->excess, "by 1.1% (110%)");
	/* The 48th is the first that fails; it ended 20 ms after it was due. */
	assert_int_equal(r->first_breach_ns,
			 synth_start(s, BO_PHASE_FAULT) + 47 * 5 * SYNTH_MS + 20 * SYNTH_MS);
	expect(s, "errors.ratio <= 5% in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= 2.2% in fault", BO_INCONCLUSIVE, NULL, "42 of 2000 say 1.");
	expect(s, "availability >= 95% in fault", BO_PASS, "availability 97.9% (1958 of 2000)",
	       NULL);
	expect(s, "availability >= 99% in fault", BO_FAIL, NULL, NULL);
	expect(s, "availability >= 97.8% in fault", BO_INCONCLUSIVE, NULL, "would do");
	expect(s, "errors.count <= 42 in fault", BO_PASS, "count 42 (of 2000)", NULL);
	expect(s, "errors.count < 42 in fault", BO_FAIL, NULL, NULL);
	expect(s, "errors.ratio <= 1% in heal", BO_INCONCLUSIVE, NULL, "no requests");
	expect(s, "errors.count == 0 in heal", BO_INCONCLUSIVE, NULL, "no requests");
	expect(s, "availability >= 1% in heal", BO_INCONCLUSIVE, NULL, "no requests");
}

/* "None" is a fact of the run and no matter of confidence; but none of 29 is too little to call it
 * one. */
static void test_none(void **state)
{
	struct synth *s = *state;

	mixed(s, BO_PHASE_FAULT, 29, 0, BO_REQ_OK);
	expect(s, "errors.ratio == 0 in fault", BO_INCONCLUSIVE, NULL,
	       "29 requests; at least 30 are needed");
	expect(s, "availability >= 100% in fault", BO_INCONCLUSIVE, NULL, "29 requests");
	synth_req(s, synth_start(s, BO_PHASE_FAULT), SYNTH_MS, BO_REQ_OK);
	expect(s, "errors.ratio == 0 in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= 0% in fault", BO_PASS, NULL, NULL);
	expect(s, "availability >= 100% in fault", BO_PASS, NULL, NULL);
	expect(s, "availability == 100% in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= 1% in fault", BO_INCONCLUSIVE, NULL,
	       "about 459 would do (2.5min at this rate)");
	synth_req(s, synth_start(s, BO_PHASE_FAULT), SYNTH_MS, BO_REQ_RESET);
	expect(s, "errors.ratio == 0 in fault", BO_FAIL, NULL, NULL);
	expect(s, "errors.ratio <= 0% in fault", BO_FAIL, NULL, NULL);
	expect(s, "availability >= 100% in fault", BO_FAIL, NULL, NULL);
	expect(s, "availability == 100% in fault", BO_FAIL, NULL, NULL);
}

static void test_two_of_three_break_it(void **state)
{
	struct synth *s = *state;

	mixed(s, BO_PHASE_FAULT, 3, 2, BO_REQ_RESET);
	expect(s, "errors.ratio == 0 in fault", BO_FAIL, NULL, NULL);
	expect(s, "errors.ratio <= 1% in fault", BO_FAIL, NULL, NULL);
}

/* Every kind of failure counts, shed and unfinished requests too; what the client abandoned does
 * not. */
static void test_classes(void **state)
{
	struct synth *s = *state;

	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
		if (c != BO_REQ_INFLIGHT)
			synth_steady(s, synth_start(s, BO_PHASE_FAULT),
				     synth_end(s, BO_PHASE_FAULT), 10, SYNTH_MS,
				     (enum bo_req_class)c);
	expect(s, "errors.count <= 0 in fault", BO_FAIL, "count 1300 (of 1400)", NULL);
	expect(s, "errors.ratio <= 1% in fault", BO_FAIL, "(1300 of 1400)", NULL);
	expect(s, "errors.count{class=5xx} <= 100 in fault", BO_PASS, "count 100 (of 1500)", NULL);
	expect(s, "errors.count{class=timeout} <= 300 in fault", BO_PASS, "count 300", NULL);
	expect(s, "errors.count{class=timeout_body} < 100 in fault", BO_FAIL, "count 100", NULL);
	expect(s, "errors.count{class=abandoned} == 0 in fault", BO_FAIL, "count 100", NULL);
	expect(s, "errors.count{class=shed} == 100 in fault", BO_PASS, NULL, NULL);
}

static void test_default_scope(void **state)
{
	struct synth *s = *state;

	/* Warm-up is never judged; base, fault and heal are. */
	mixed(s, BO_PHASE_WARMUP, 200, 200, BO_REQ_RESET);
	mixed(s, BO_PHASE_BASE, 1000, 0, BO_REQ_OK);
	mixed(s, BO_PHASE_FAULT, 2000, 0, BO_REQ_OK);
	mixed(s, BO_PHASE_HEAL, 1000, 1, BO_REQ_RESET);
	expect(s, "errors.count <= 1", BO_PASS, "count 1 (of 4000)", NULL);
	expect(s, "errors.count < 1", BO_FAIL, NULL, NULL);
	expect(s, "errors.count == 0 in base..fault", BO_PASS, "of 3000", NULL);
	expect(s, "errors.ratio <= base + 0.7% in heal", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= base + 0.01% in heal", BO_INCONCLUSIVE, NULL,
	       "base itself is only known to be 0% to 0.46%");
}

/* Throughput is what came back in that time: answers to base that come in fault count for fault. */
static void test_throughput(void **state)
{
	struct synth *s = *state;

	synth_steady(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_BASE), 200, 0,
		     BO_REQ_OK);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 100, 0,
		     BO_REQ_OK);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 100, 0,
		     BO_REQ_HTTP_5XX);
	expect(s, "throughput >= 200/s in base", BO_PASS, "throughput 200/s (1000 good responses)",
	       NULL);
	expect(s, "throughput > 200/s in base", BO_FAIL, NULL, NULL);
	expect(s, "throughput >= 100/s in fault", BO_PASS, NULL, NULL);
	expect(s, "throughput >= 0.9 * base in fault", BO_FAIL, NULL, NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].excess, "by 80.0/s (44%)");
	expect(s, "throughput >= 0.5 * base in fault", BO_PASS, NULL, NULL);
	expect(s, "throughput >= 1/s in heal", BO_INCONCLUSIVE, NULL, "no requests were due");
	expect(s, "throughput >= 90/s in fault for 100% of 1s windows", BO_PASS, "10 of 10", NULL);
}

static void test_late_answers_are_no_throughput(void **state)
{
	struct synth *s = *state;

	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200,
		     30 * SYNTH_S, BO_REQ_OK);
	expect(s, "throughput >= 1/s in fault", BO_FAIL, "throughput 0.0/s", NULL);
}

static void test_windows(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	mixed(s, BO_PHASE_FAULT, 2000, 0, BO_REQ_OK);
	synth_steady(s, from + 4 * SYNTH_S, from + 5 * SYNTH_S, 50, SYNTH_MS, BO_REQ_RESET);
	expect(s, "errors.ratio <= 1% in fault for 90% of 1s windows", BO_PASS, "9 of 10", NULL);
	expect(s, "errors.ratio <= 1% in fault for 91% of 1s windows", BO_FAIL,
	       "ratio 20% (worst; 9 of 10", NULL);
	/* Windows of 4 s: two whole ones and a half, which counts; the burst is in the second. */
	expect(s, "errors.count == 0 in fault for 60% of 4s windows", BO_PASS, "2 of 3", NULL);
	expect(s, "availability >= 99% in fault for 90% of 1s windows", BO_PASS, "9 of 10", NULL);
}

/* A burst of errors weakens a PASS; it never saves from a FAIL. */
static void test_bursts(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	for (int i = 0; i < 2000; i++)
		synth_req(s, from + i * 5 * SYNTH_MS, SYNTH_MS,
			  i >= 900 && i < 910 ? BO_REQ_RESET : BO_REQ_OK);
	expect(s, "errors.ratio <= 1% in fault", BO_INCONCLUSIVE, NULL, "errors come in bursts");
	expect(s, "availability >= 99% in fault", BO_INCONCLUSIVE, NULL, "errors come in bursts");
	expect(s, "errors.ratio <= 0.2% in fault", BO_FAIL, NULL, NULL);
	expect(s, "availability >= 99.8% in fault", BO_FAIL, NULL, NULL);
}

/* The run ended before these ten were answered: neither good nor bad, the run cannot tell. */
static void test_in_flight_at_the_end(void **state)
{
	struct synth *s = *state;
	int64_t end = synth_end(s, BO_PHASE_HEAL);

	synth_quiet_load(s, 0);
	for (int i = 10; i > 0; i--)
		synth_req(s, end - i * SYNTH_MS, i * SYNTH_MS, BO_REQ_INFLIGHT);
	expect(s, "errors.count == 0 in heal", BO_INCONCLUSIVE, "count 0", "10 in flight");
	expect(s, "errors.ratio == 0 in heal", BO_INCONCLUSIVE, NULL, "10 in flight");
	expect(s, "errors.ratio <= 1% in heal", BO_INCONCLUSIVE, NULL, "10 in flight");
	expect(s, "availability == 100% in heal", BO_INCONCLUSIVE, NULL, "10 in flight");
	expect(s, "availability >= 99.9% in heal", BO_INCONCLUSIVE, NULL, "10 in flight");
	expect(s, "errors.count{class=\"timeout\"} == 0 in heal", BO_INCONCLUSIVE, NULL,
	       "10 in flight");
	expect(s, "errors.count <= 0 in heal for 100% of 1s windows", BO_INCONCLUSIVE, NULL,
	       "10 in flight");
	/* Whatever becomes of them, these hold; asked about by name, they are a fact. */
	expect(s, "errors.count <= 10 in heal", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= 10% in heal", BO_PASS, NULL, NULL);
	expect(s, "errors.count{class=\"inflight\"} == 10 in heal", BO_PASS, "count 10", NULL);
	/* One that failed for certain is a failure still. */
	synth_req(s, end - SYNTH_S, SYNTH_MS, BO_REQ_RESET);
	expect(s, "errors.count == 0 in heal", BO_FAIL, "count 1", NULL);
	expect(s, "availability >= 100% in heal", BO_FAIL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_ratio),
		SYNTH_TEST(test_none),
		SYNTH_TEST(test_two_of_three_break_it),
		SYNTH_TEST(test_classes),
		SYNTH_TEST(test_default_scope),
		SYNTH_TEST(test_throughput),
		SYNTH_TEST(test_late_answers_are_no_throughput),
		SYNTH_TEST(test_windows),
		SYNTH_TEST(test_bursts),
		SYNTH_TEST(test_in_flight_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
