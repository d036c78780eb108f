/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_burn.c — how fast the error budget is spent, in one window and in two. */
#include "synth_test.h"

/* @bad of every thousand requests of [@from, @to) fail. */
static void failing(struct synth *s, int64_t from_ns, int64_t to_ns, int bad)
{
	int i = 0;

	for (int64_t t = from_ns; t < to_ns; t += 5 * SYNTH_MS, i++)
		synth_req(s, t, SYNTH_MS,
			  i * bad / 1000 != (i + 1) * bad / 1000 ? BO_REQ_RESET : BO_REQ_OK);
}

static void fault_only(struct synth *s, int bad)
{
	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	failing(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), bad);
}

/* 2 % of errors spend the budget of 99 % twice as fast as it lasts, that of 99.9 % twenty times. */
static void test_rate(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	fault_only(s, 20);
	r = synth_judge(s, "burn(99%) <= 4 in fault");
	assert_int_equal(r->outcome, BO_PASS);
	assert_true(fabs(r->measured_value - 2) < 1e-9 && r->limit_value == 4);
	assert_string_equal(r->measured, "burn 2.00");
	expect(s, "burn(99.9%) <= 12.5 in fault", BO_FAIL, "burn 20.00", NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].excess, "by 7.50 (60%)");
	expect(s, "burn(99.9%) <= 20 in fault", BO_INCONCLUSIVE, NULL,
	       "40 of 2000 requests failed: it burns at");
	expect(s, "burn(99.9%) > 12.5 in fault", BO_PASS, NULL, NULL);
	/* Half of what is judged is base and heal, where nothing failed. */
	expect(s, "burn(99.9%) <= 25", BO_PASS, "burn 10.00", NULL);
}

/* 2 % of errors for 10 s of 30 days, 0.1 % of which may fail. */
static void test_spent(void **state)
{
	struct synth *s = *state;
	char want[128];

	fault_only(s, 20);
	snprintf(want, sizeof(want), "spent %.3g%% of the error budget of 30d at 99.9%%",
		 100 * 0.02 * 10 / (0.001 * 30 * 86400));
	expect(s, "burn(99.9%) <= 100 in fault", BO_PASS, NULL, want);
	s->plan->slo_target = 0.999;
	s->plan->slo_period_ns = 7 * 86400 * SYNTH_S;
	expect(s, "burn <= 100 in fault", BO_PASS, "burn 20.00", "error budget of 7d at 99.9%");
	/* What stands in the budget goes before what the scenario says. */
	expect(s, "burn(99%) <= 100 in fault", BO_PASS, "burn 2.00", "at 99%");
}

/* Both windows must burn: an outage that is over has ceased to. */
static void test_windows(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	failing(s, fault, fault + 8 * SYNTH_S, 0);
	failing(s, fault + 8 * SYNTH_S, fault + 9 * SYNTH_S, 1000);
	failing(s, fault + 9 * SYNTH_S, fault + 10 * SYNTH_S, 0);
	/* In 1 s windows it burned at 1000; in the 10 s before, at 100. */
	expect(s, "burn(99.9%, 1s) < 900 in fault", BO_FAIL, "burn 1000", NULL);
	expect(s, "burn(99.9%, 10s/1s) < 900 in fault", BO_PASS, "burn 100", NULL);
	expect(s, "burn(99.9%, 10s/1s) < 50 in fault", BO_FAIL, "burn 100", NULL);
	/* It broke when a twentieth of the outage had been seen too much for the long window. */
	assert_true(s->run->verdict.budgets.items[0].first_breach_ns > fault + 8 * SYNTH_S);
	assert_true(s->run->verdict.budgets.items[0].first_breach_ns <= fault + 9 * SYNTH_S);
	/* Windows longer than the run are scaled alike; rates stay. */
	expect(s, "burn(99.9%, 1h/6m) < 50 in fault", BO_FAIL, "(windows scaled to 10.0s/1.00s)",
	       NULL);
	expect(s, "burn(99.9%, 3d) < 50 in fault", BO_FAIL, "(windows scaled to 10.0s)", NULL);
}

/* The long window still remembers the first outage when the second, smaller one comes; the short one does not. */
static void test_not_at_once(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	failing(s, fault, fault + SYNTH_S, 1000);
	failing(s, fault + SYNTH_S, fault + 9 * SYNTH_S, 0);
	failing(s, fault + 9 * SYNTH_S, fault + 9500 * SYNTH_MS, 500);
	failing(s, fault + 9500 * SYNTH_MS, fault + 10 * SYNTH_S, 0);
	expect(s, "burn(99.9%, 10s) < 800 in fault", BO_PASS, "burn 125", NULL);
	expect(s, "burn(99.9%, 10s/5s) < 800 in fault", BO_PASS, "burn 100", NULL);
}

/* What failed in the very last moments is looked at, too: 8.33 s are no multiple of a look. */
static void test_the_end(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_phase(s, BO_PHASE_FAULT, 8330 * SYNTH_MS);
	failing(s, fault, fault + 8310 * SYNTH_MS, 0);
	failing(s, fault + 8310 * SYNTH_MS, fault + 8330 * SYNTH_MS, 1000);
	expect(s, "burn(99.9%, 1s) < 14.4 in fault", BO_INCONCLUSIVE, "burn 20", NULL);
}

/* Both windows must hold enough requests to show it. */
static void test_both_must_show(void **state)
{
	struct synth *s = *state;

	fault_only(s, 20);
	expect(s, "burn(99.9%, 10s) < 12 in fault", BO_FAIL, "burn 20", NULL);
	expect(s, "burn(99.9%, 10s/500ms) < 12 in fault", BO_INCONCLUSIVE, "burn 20", NULL);
}

/* A blip at the beginning is not the whole of the long window: before it all was good. */
static void test_beginning(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	failing(s, fault, fault + 500 * SYNTH_MS, 1000);
	failing(s, fault + 500 * SYNTH_MS, fault + 10 * SYNTH_S, 0);
	expect(s, "burn(99.9%, 10s/1s) < 600 in fault", BO_PASS, "burn 50", NULL);
	expect(s, "burn(99.9%, 10s/1s) < 20 in fault", BO_FAIL, NULL, NULL);
}

static void test_cannot_tell(void **state)
{
	struct synth *s = *state;

	expect(s, "burn(99.9%) < 14.4 in fault", BO_INCONCLUSIVE, NULL, "no requests");
	/* None of 100 failed: that may be 3 %. */
	failing(s, synth_start(s, BO_PHASE_FAULT), synth_start(s, BO_PHASE_FAULT) + SYNTH_S / 2, 0);
	expect(s, "burn(99.9%) < 14.4 in fault", BO_INCONCLUSIVE, "burn 0", "0 of 100");
	/* Nobody knows how these would have ended. */
	for (int i = 0; i < 100; i++)
		synth_req(s, synth_start(s, BO_PHASE_HEAL) + i * 5 * SYNTH_MS, SYNTH_S,
			  BO_REQ_INFLIGHT);
	expect(s, "burn(90%) < 5 in heal", BO_INCONCLUSIVE, NULL, NULL);
}

/* How many of 60 runs, in which each request fails with probability @share, end as @wrong. */
static int wrong_of_60(const char *text, double share, enum bo_outcome wrong)
{
	int n = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct synth s;

		synth_init(&s, seed);
		for (int64_t t = synth_start(&s, BO_PHASE_FAULT); t < synth_end(&s, BO_PHASE_FAULT);
		     t += 5 * SYNTH_MS)
			synth_req(&s, t, SYNTH_MS,
				  bo_rng_unit(&s.rng) < share ? BO_REQ_RESET : BO_REQ_OK);
		n += synth_judge(&s, text)->outcome == wrong;
		synth_done(&s);
	}
	return n;
}

static void test_rarely_wrong(void **state)
{
	static const char *const texts[] = { "burn(99.9%) < 14.4 in fault",
					     "burn(99.9%, 10s/1s) < 14.4 in fault",
					     "burn(99.9%, 1h/5m) < 14.4 in fault" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_in_range(wrong_of_60(texts[i], 0.0072, BO_FAIL), 0, 1);
		assert_in_range(wrong_of_60(texts[i], 0.0288, BO_PASS), 0, 1);
	}
}

static void test_base_must_be_sound(void **state)
{
	struct synth *s = *state;

	failing(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_FAULT), 100);
	expect(s, "burn(99.9%) < 14.4 in fault", BO_INCONCLUSIVE, NULL, "base already breaks it");
}

static void test_plan(void **state)
{
	struct synth *s = *state;
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };
	char buf[256] = "";

	assert_int_equal(bo_budget_parse(&b, "burn(1h/5m) < 14.4 in fault", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "column 1: burn needs to know the objective"));
	s->plan->slo_target = 0.999;
	assert_int_equal(bo_budget_check(b, s->plan, &err), 0);
	assert_false(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	s->plan->loads.items[0].rate_per_s = 10;
	assert_true(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	assert_non_null(strstr(buf, "takes at least 318 requests in the long window, and the plan "
				    "offers about 100"));
	bo_budget_free(b);
	s->plan->loads.items[0].rate_per_s = 200;
	expect_lint(s, "burn(2s/1s) < 14.4 in fault", NULL);
	expect_lint(s, "burn(1s/500ms) < 14.4 in fault", "the plan offers about 200 there");
	assert_int_equal(bo_budget_parse(&b, "burn(90%) < 10 in fault", NULL), 0);
	assert_true(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	assert_non_null(strstr(buf, "it burns at 10, so a limit of 10 cannot fail"));
	bo_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_rate),
		SYNTH_TEST(test_spent),
		SYNTH_TEST(test_windows),
		SYNTH_TEST(test_beginning),
		SYNTH_TEST(test_not_at_once),
		SYNTH_TEST(test_both_must_show),
		SYNTH_TEST(test_the_end),
		SYNTH_TEST(test_cannot_tell),
		SYNTH_TEST(test_base_must_be_sound),
		cmocka_unit_test(test_rarely_wrong),
		SYNTH_TEST(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
