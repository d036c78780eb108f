/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_warn.c — budgets that only warn: judged like any other, and the run does not hang on them. */
#include "synth_test.h"

static enum bo_outcome judge(struct synth *s, const char *first, const char *other)
{
	s->plan->budgets.len = 0;
	synth_budget(s, first);
	if (other)
		synth_budget(s, other);
	synth_judge(s, NULL);
	return s->run->verdict.outcome;
}

static void test_never_decides(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r = NULL;

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200,
		     50 * SYNTH_MS, BO_REQ_OK);
	assert_int_equal(judge(s, "latency.max <= 1s", "latency.max <= 40ms in fault"), BO_FAIL);
	assert_int_equal(judge(s, "latency.max <= 1s", "warn latency.max <= 40ms in fault"),
			 BO_PASS);
	r = s->run->verdict.budgets.items;
	assert_false(r[0].warn);
	assert_true(r[1].warn);
	assert_int_equal(r[0].outcome, BO_PASS);
	assert_int_equal(r[1].outcome, BO_FAIL);
	assert_string_equal(r[1].excess, "by 10ms (25%)");
	/* Nor does one that cannot be told. */
	assert_int_equal(judge(s, "latency.max <= 1s", "cpu < 1"), BO_INCONCLUSIVE);
	assert_int_equal(judge(s, "latency.max <= 1s", "warn cpu < 1"), BO_PASS);
	/* Nor one that base breaks. */
	assert_int_equal(judge(s, "latency.max <= 1s", "warn latency.max <= 1ms"), BO_PASS);
	assert_int_equal(s->run->verdict.reasons.len, 0);
}

static void test_warnings_alone_judge_nothing(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 0);
	assert_int_equal(judge(s, "warn latency.max <= 1s", NULL), BO_INCONCLUSIVE);
	assert_int_equal(s->run->verdict.reasons.len, 1);
	assert_string_equal(s->run->verdict.reasons.items[0],
			    "every budget only warns: nothing was judged");
}

/* What only warns does not say what "within budget" is. */
static void test_no_reference(void **state)
{
	struct synth *s = *state;
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };

	synth_quiet_load(s, 0);
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	judge(s, "recovery <= 1s", "warn latency.max <= 1s");
	assert_non_null(strstr(s->run->verdict.budgets.items[0].reason,
			       "no latency or errors budget says what 'within budget' is"));
	assert_int_equal(bo_budget_parse(&b, "recovery <= 1s", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "needs a latency or errors budget beside it"));
	synth_budget(s, "errors.count <= 5");
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	synth_budget(s, "errors.rate <= 5/s");
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	synth_budget(s, "errors.count == 0");
	assert_int_equal(bo_budget_check(b, s->plan, &err), 0);
	bo_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_never_decides),
		SYNTH_TEST(test_warnings_alone_judge_nothing),
		SYNTH_TEST(test_no_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
