/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_timeout.c — limits relative to the timeout that the service declares. */
#include "synth_test.h"

static void test_limits(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	s->plan->timeout_ns = SYNTH_S;
	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200,
		     1100 * SYNTH_MS, BO_REQ_HTTP_5XX);
	r = synth_judge(s, "latency.max <= 1.2 * timeout in fault");
	assert_int_equal(r->outcome, BO_PASS);
	assert_string_equal(r->limit, "<= 1.20s (1.2 * timeout)");
	assert_true(r->limit_value == 1.2e9);
	r = synth_judge(s, "latency.max <= timeout + 50ms in fault");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->limit, "<= 1.05s (timeout + 50ms)");
	assert_string_equal(r->excess, "by 50ms (5%)");
	expect(s, "latency.max <= timeout + 100ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 <= timeout in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= 110% of timeout in fault for 90% of 1s windows", BO_PASS, NULL,
	       NULL);
	expect(s, "must latency.p99 <= timeout within 1s of fault", BO_FAIL, NULL, NULL);
	expect(s, "must latency.p99 <= timeout within 1s of heal", BO_PASS, NULL, NULL);
	s->plan->timeout_ns = 2 * SYNTH_S;
	expect(s, "latency.max <= timeout in fault", BO_PASS, NULL, NULL);
}

/* It is an absolute limit: base has to keep it, and recovery can be told by it. */
static void test_as_good_as_absolute(void **state)
{
	struct synth *s = *state;

	s->plan->timeout_ns = SYNTH_S;
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_steady(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_FAULT), 200,
		     2 * SYNTH_S, BO_REQ_OK);
	synth_steady(s, synth_start(s, BO_PHASE_HEAL), synth_end(s, BO_PHASE_HEAL), 200, SYNTH_MS,
		     BO_REQ_OK);
	s->plan->budgets.len = 0;
	synth_budget(s, "latency.max <= 1.2 * timeout in fault");
	synth_budget(s, "recovery <= 0.5 * timeout");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(s->run->verdict.budgets.items[0].reason, "base already breaks it"));
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_PASS);
}

static void test_plan(void **state)
{
	struct synth *s = *state;
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };
	char buf[256] = "";

	assert_int_equal(bo_budget_parse(&b, "latency.max <= 1.2 * timeout in fault", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(
		strstr(err.msg, "column 16: the scenario declares no timeout; say timeout"));
	s->plan->timeout_ns = SYNTH_S;
	assert_int_equal(bo_budget_check(b, s->plan, &err), 0);
	assert_false(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	bo_budget_free(b);
	assert_int_equal(bo_budget_parse(&b, "latency.max <= 2 * timeout in fault", NULL), 0);
	assert_true(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	assert_non_null(strstr(buf, "the limit 2.00s is looser than the declared timeout 1.00s"));
	bo_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_limits),
		SYNTH_TEST(test_as_good_as_absolute),
		SYNTH_TEST(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
