/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_routes.c — budgets of one route: a neighbour's errors and latency are not its own. */
#include "synth_test.h"

static const struct bo_route_spec routes[] = {
	{ .name = "pay", .weight = 1 },
	{ .name = "list", .weight = 3 },
};

static void with_routes(struct synth *s)
{
	s->plan->loads.items[0].routes = routes;
	s->plan->loads.items[0].nroutes = 2;
}

/* In every phase with load, of each four requests one is a payment; in fault those are slow and fail. */
static void two_routes(struct synth *s, int64_t pay_ns, enum bo_req_class pay_cls)
{
	size_t i = 0;

	with_routes(s);
	synth_quiet_load(s, 0);
	bo_vec_foreach(req, &s->run->requests) {
		bool pay = i++ % 4 == 0;

		req->route = pay ? 0 : 1;
		if (!pay || req->intended_ns < synth_start(s, BO_PHASE_FAULT) ||
		    req->intended_ns >= synth_end(s, BO_PHASE_FAULT))
			continue;
		req->end_ns = req->intended_ns + pay_ns;
		req->cls = (uint8_t)pay_cls;
	}
}

static void test_apart(void **state)
{
	struct synth *s = *state;

	two_routes(s, SYNTH_S, BO_REQ_HTTP_5XX);
	expect(s, "latency.p99{route=pay} <= 250ms in fault", BO_FAIL, "p99 1.00s (n 500)", NULL);
	expect(s, "latency.p99{route=list} <= 250ms in fault", BO_PASS, "(n 1500)", NULL);
	expect(s, "latency.max{load=checkout, route=list} <= 250ms in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio{route=pay} <= 1% in fault", BO_FAIL, "(500 of 500)", NULL);
	expect(s, "errors.ratio{route=list} <= 1% in fault", BO_PASS, "(0 of 1500)", NULL);
	expect(s, "errors.ratio <= 1% in fault", BO_FAIL, "(500 of 2000)", NULL);
	expect(s, "errors.count{route=pay, class=5xx} <= 500 in fault", BO_PASS, "of 500", NULL);
	expect(s, "availability{route=list} >= 99% in fault", BO_PASS, NULL, NULL);
	expect(s, "throughput{route=list} >= 149/s in fault", BO_PASS, NULL, NULL);
	expect(s, "throughput{route=pay} >= 1/s in fault", BO_FAIL, NULL, NULL);
	expect(s, "throughput{route=list} >= 0.9 * base in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.rate{route=pay} <= 10/s in fault", BO_FAIL, "45.0/s (450 failed)", NULL);
	expect(s, "errors.rate{route=pay, class=5xx} <= 45/s in fault", BO_PASS,
	       "45.0/s (450 of that class)", NULL);
	expect(s, "errors.rate{route=list} <= 0/s in fault", BO_PASS, "0.0/s", NULL);
	expect(s, "errors.rate{class=reset} <= 0/s in fault", BO_PASS, "0.0/s (0 of that class)",
	       NULL);
	expect(s, "burn(99%){route=list} <= 14.4 in fault", BO_PASS, "burn 0", NULL);
	expect(s, "burn(99%){route=pay} <= 14.4 in fault", BO_FAIL, "burn 100", NULL);
	expect(s, "must errors.ratio{route=pay} >= 90% within 1s of fault", BO_PASS, NULL, NULL);
	expect(s, "must errors.ratio{route=list} >= 90% within 1s of fault", BO_FAIL, NULL, NULL);
}

/* How late the generator was with another load is no excuse for this route. */
static void test_lag_of_another(void **state)
{
	struct synth *s = *state;

	two_routes(s, SYNTH_S, BO_REQ_OK);
	assert_true(bo_vec_push(&s->plan->loads, (struct bo_load_spec){ .name = "noise" }));
	assert_true(bo_vec_push(&s->run->loads, (struct bo_load_record){ .lag_p99_ns = SYNTH_S }));
	expect(s, "latency.p90 <= 250ms in fault", BO_INCONCLUSIVE, NULL, NULL);
	expect(s, "latency.p90{route=pay} <= 250ms in fault", BO_FAIL, NULL, NULL);
}

/* A route number that the load does not have is nobody's. */
static void test_unknown_number(void **state)
{
	struct synth *s = *state;

	two_routes(s, SYNTH_MS, BO_REQ_OK);
	bo_vec_foreach(req, &s->run->requests)
		req->route = 2;
	expect(s, "errors.ratio{route=pay} <= 1% in fault", BO_INCONCLUSIVE, NULL, "no requests");
	expect(s, "errors.ratio <= 1% in fault", BO_PASS, NULL, NULL);
}

/* A route's errors budget answers for the failures of that route, and of no other. */
static void test_who_judges_failures(void **state)
{
	struct synth *s = *state;
	static const struct {
		const char *other;
		enum bo_outcome outcome;
	} cases[] = {
		{ "errors.ratio{route=pay} <= 100% in fault", BO_PASS },
		{ "errors.ratio{load=checkout, route=pay} <= 100%", BO_PASS },
		{ "errors.ratio{route=list} <= 100% in fault", BO_INCONCLUSIVE },
		{ "errors.ratio{route=pay} <= 100% in heal", BO_INCONCLUSIVE },
		{ "errors.rate{route=pay} <= 100/s in fault", BO_PASS },
		{ "warn errors.ratio{route=pay} <= 100% in fault", BO_INCONCLUSIVE },
	};

	two_routes(s, SYNTH_MS, BO_REQ_RESET);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s->plan->budgets.len = 0;
		synth_budget(s, "latency.p50 <= 250ms in fault");
		synth_budget(s, "latency.p90 <= 250ms in fault");
		synth_budget(s, cases[i].other);
		synth_judge(s, NULL);
		if (s->run->verdict.budgets.items[1].outcome != cases[i].outcome)
			fail_msg("%s: %s", cases[i].other,
				 bo_outcome_name(s->run->verdict.budgets.items[1].outcome));
	}
}

static void test_recovery(void **state)
{
	struct synth *s = *state;
	int64_t heal = synth_start(s, BO_PHASE_HEAL);

	two_routes(s, SYNTH_S, BO_REQ_OK);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	bo_vec_foreach(req, &s->run->requests) {
		if (req->route == 0 && req->intended_ns >= heal &&
		    req->intended_ns < heal + 2 * SYNTH_S)
			req->end_ns = req->intended_ns + SYNTH_S;
	}
	s->plan->budgets.len = 0;
	synth_budget(s, "latency.p90 <= 250ms in fault");
	synth_budget(s, "recovery{route=list} <= 250ms");
	synth_budget(s, "recovery{route=pay} <= 1s");
	synth_budget(s, "recovery{route=pay} <= 2s");
	synth_budget(s, "recovery{load=checkout} <= 1s");
	synth_budget(s, "detect{route=pay} <= 1s");
	synth_budget(s, "detect{route=list} <= 1s");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_PASS);
	assert_int_equal(s->run->verdict.budgets.items[2].outcome, BO_FAIL);
	assert_int_equal(s->run->verdict.budgets.items[3].outcome, BO_PASS);
	assert_int_equal(s->run->verdict.budgets.items[4].outcome, BO_FAIL);
	assert_int_equal(s->run->verdict.budgets.items[5].outcome, BO_PASS);
	assert_int_equal(s->run->verdict.budgets.items[6].outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(s->run->verdict.budgets.items[6].reason, "nothing to detect"));
	/* What one route may do says nothing of the other. */
	s->plan->budgets.items[0].text = "latency.p90{route=pay} <= 250ms in fault";
	expect_plan(s, "recovery{route=pay} <= 2s", NULL);
	expect_plan(s, "recovery <= 2s", NULL);
	expect_plan(s, "recovery{route=list} <= 2s", "'within budget' is for those requests");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(s->run->verdict.budgets.items[1].reason,
			       "no latency or errors budget says what"));
	assert_int_equal(s->run->verdict.budgets.items[3].outcome, BO_PASS);
}

static void test_plan(void **state)
{
	struct synth *s = *state;

	expect_plan(s, "latency.p99{route=pay} <= 1s",
		    "unknown route 'pay': the load has no routes");
	expect_plan(s, "latency.p99{load=checkout, route=pay} <= 1s",
		    "unknown route 'pay': load 'checkout' has no routes");
	with_routes(s);
	expect_plan(s, "latency.p99{route=pay} <= 1s", NULL);
	expect_plan(s, "latency.p99{load=checkout, route=pay} <= 1s", NULL);
	expect_plan(s, "latency.p99{route=lst} <= 1s",
		    "column 12: unknown route 'lst'; did you mean 'list'?");
	expect_plan(s, "must errors.ratio{route=pa} > 1% within 1s of fault",
		    "unknown route 'pa'; did you mean 'pay'?");
	expect_plan(s, "recovery{route=pey} <= 1s", "unknown route 'pey'; did you mean 'pay'?");
	/* A load without that route has no part in it. */
	assert_true(bo_vec_push(&s->plan->loads,
				(struct bo_load_spec){ .name = "noise", .rate_per_s = 1000 }));
	expect_plan(s, "latency.p99{load=noise, route=pay} <= 1s", "load 'noise' has no routes");
	/* A quarter of 1000 requests. */
	expect_lint(
		s, "latency.p99{route=pay} <= 1s in base",
		"needs at least 459 requests to pass, and the plan offers about 250 there (50/s "
		"for 5.00s)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_apart),          SYNTH_TEST(test_lag_of_another),
		SYNTH_TEST(test_unknown_number), SYNTH_TEST(test_who_judges_failures),
		SYNTH_TEST(test_recovery),       SYNTH_TEST(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
