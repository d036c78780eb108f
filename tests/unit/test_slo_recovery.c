/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_recovery.c — time to recover and time to detect, measured against the plan's
 * own budgets. */
#include "synth_test.h"

/* Bad from the start of fault until @bad_ns after its end (fault is on until the end of fault, or
 * of hold). */
static void story(struct synth *s, enum bo_phase last, int64_t bad_ns, int64_t latency_ns,
		  enum bo_req_class cls)
{
	int64_t end = synth_end(s, last), heal = synth_start(s, BO_PHASE_HEAL);

	synth_fault(s, BO_PHASE_FAULT, last, BO_CONFIRM_OK);
	synth_quiet_load(s, 1u << BO_PHASE_FAULT | 1u << BO_PHASE_HEAL);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200,
		     latency_ns, cls);
	if (end + bad_ns > heal)
		synth_steady(s, heal, end + bad_ns, 200, latency_ns, cls);
	synth_steady(s, end + bad_ns > heal ? end + bad_ns : heal, synth_end(s, BO_PHASE_HEAL), 200,
		     20 * SYNTH_MS, BO_REQ_OK);
}

static const struct bo_budget_result *second(struct synth *s, const char *reference,
					     const char *text)
{
	s->plan->budgets.len = 0;
	synth_budget(s, reference);
	synth_budget(s, text);
	synth_judge(s, NULL);
	return &s->run->verdict.budgets.items[1];
}

static void test_recovers(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	story(s, BO_PHASE_HOLD, 1500 * SYNTH_MS, 1930 * SYNTH_MS, BO_REQ_OK);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 1.5s");
	assert_int_equal(r->outcome, BO_PASS);
	assert_string_equal(r->measured, "recovery 1.50s");
	assert_true(r->measured_value == 1.5e9);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 1s");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->excess, "by 500ms (50%)");
	assert_int_equal(r->first_breach_ns, synth_end(s, BO_PHASE_HOLD) + SYNTH_S);
	/* Within the window of 250 ms nobody can tell. */
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 1.4s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "only known to the window between 1.25s and then"));
}

static void test_at_once(void **state)
{
	struct synth *s = *state;

	story(s, BO_PHASE_HOLD, 0, 1930 * SYNTH_MS, BO_REQ_OK);
	assert_int_equal(second(s, "latency.p99 <= 1.2s in fault", "recovery <= 250ms")->outcome,
			 BO_PASS);
	assert_int_equal(
		second(s, "latency.p99 <= 3 * base in fault", "recovery <= 250ms")->outcome,
		BO_PASS);
}

/* The fault ends with fault; hold has no load, so the first news comes with heal, 4 s later. */
static void test_unseen_in_hold(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	story(s, BO_PHASE_FAULT, 0, 1930 * SYNTH_MS, BO_REQ_OK);
	r = second(s, "latency.p99 <= 1.2s in fault", "recovery <= 3s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_int_equal(second(s, "latency.p99 <= 1.2s in fault", "recovery <= 4s")->outcome,
			 BO_PASS);
}

static void test_never(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	story(s, BO_PHASE_HOLD, 5 * SYNTH_S, 1930 * SYNTH_MS, BO_REQ_OK);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 3s");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "recovery >= 5.00s (never recovered)");
	/* Load ended before the limit: it might have. */
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 6s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason,
			       "not back in budget when load ended, 5.00s after the last fault"));
}

/* Half a second of good answers at the end is not "for good". */
static void test_too_short_to_tell(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	story(s, BO_PHASE_HOLD, 4500 * SYNTH_MS, 1930 * SYNTH_MS, BO_REQ_OK);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 4.75s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "within budget only for the last 500ms of load"));
	assert_int_equal(second(s, "latency.max <= 1.2s in fault", "recovery <= 3s")->outcome,
			 BO_FAIL);
}

static void test_relapse(void **state)
{
	struct synth *s = *state;
	int64_t heal;

	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT), 200, SYNTH_S,
		     BO_REQ_OK);
	heal = synth_start(s, BO_PHASE_HEAL);
	/* Good for 2 s, then 100 errors in a row: recovery is over only after those. */
	synth_steady(s, heal + 2 * SYNTH_S, heal + 2500 * SYNTH_MS, 200, SYNTH_MS, BO_REQ_RESET);
	assert_int_equal(second(s, "errors.ratio <= 1%", "recovery <= 2s")->outcome, BO_FAIL);
	assert_int_equal(second(s, "errors.ratio <= 1%", "recovery <= 2.5s")->outcome, BO_PASS);
	assert_int_equal(second(s, "availability >= 99%", "recovery <= 2s")->outcome, BO_FAIL);
	/* Errors without an answer are no recovery of latency either. */
	assert_int_equal(second(s, "latency.p99 <= 100ms in fault", "recovery <= 2s")->outcome,
			 BO_FAIL);
}

/* One slow request in a window of fifty is no breach of a p99, but it is one of a maximum. */
static void test_background_noise(void **state)
{
	struct synth *s = *state;

	story(s, BO_PHASE_HOLD, 0, SYNTH_S, BO_REQ_OK);
	synth_req(s, synth_start(s, BO_PHASE_HEAL) + 3 * SYNTH_S, SYNTH_S, BO_REQ_OK);
	assert_int_equal(second(s, "latency.p99 <= 500ms in fault", "recovery <= 1s")->outcome,
			 BO_PASS);
	assert_int_equal(second(s, "latency.max <= 500ms in fault", "recovery <= 1s")->outcome,
			 BO_FAIL);
}

static void test_cannot_tell(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	synth_quiet_load(s, 1u << BO_PHASE_HEAL);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 3s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "no fault was applied"));
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 3s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "no requests after the last fault"));
	s->run->faults.items[0].reverted_ns = INT64_MIN;
	r = second(s, "latency.max <= 1.2s in fault", "recovery <= 3s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "fault 'delay orders-db' was never reverted"));
}

static void test_detect(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	story(s, BO_PHASE_HOLD, 0, 1930 * SYNTH_MS, BO_REQ_OK);
	/* The first window holds requests due until 245 ms; the last of them was overdue 1.2 s
	 * later. */
	r = second(s, "latency.max <= 1.2s in fault", "detect <= 1.445s");
	assert_int_equal(r->outcome, BO_PASS);
	assert_true(r->measured_value == 1.445e9);
	r = second(s, "latency.max <= 1.2s in fault", "detect <= 1.4s");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_int_equal(r->first_breach_ns, synth_start(s, BO_PHASE_FAULT) + 1400 * SYNTH_MS);
	r = second(s, "latency.max <= 2s in fault", "detect <= 1s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "nothing to detect"));
}

/* What the end of the run caught in flight is no relapse; what it caught overdue is. */
static void test_in_flight_at_the_end(void **state)
{
	struct synth *s = *state;
	int64_t end = synth_end(s, BO_PHASE_HEAL);

	story(s, BO_PHASE_HOLD, 0, 20 * SYNTH_MS, BO_REQ_OK);
	for (int i = 20; i > 0; i--)
		synth_req(s, end - i * SYNTH_MS, i * SYNTH_MS, BO_REQ_INFLIGHT);
	assert_int_equal(second(s, "errors.count == 0", "recovery <= 1s")->outcome, BO_PASS);
	assert_int_equal(second(s, "latency.max <= 500ms", "recovery <= 1s")->outcome, BO_PASS);
	assert_int_equal(second(s, "latency.max <= 19ms in fault", "recovery <= 1s")->outcome,
			 BO_FAIL);
}

static void another_fault(struct synth *s, const char *id, int64_t applied_ns, int64_t reverted_ns)
{
	struct bo_fault_record rec = { .confirm = BO_CONFIRM_OK,
				       .applied_ns = applied_ns,
				       .reverted_ns = reverted_ns };

	assert_true(bo_vec_push(
		&s->plan->faults,
		(struct bo_fault_spec){ .id = id,
					.from = BO_PHASE_FAULT,
					.to = BO_PHASE_FAULT,
					.after_ns = applied_ns - synth_start(s, BO_PHASE_FAULT),
					.lasts_ns = reverted_ns - applied_ns }));
	assert_true(bo_vec_push(&s->run->faults, rec));
}

/* Two faults, one after the other; the service takes 500 ms to come back from the first, 1 s from the second. */
static void test_each_fault(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);
	const struct bo_budget_result *r;

	another_fault(s, "kill db #1", from + SYNTH_S, from + 2 * SYNTH_S);
	another_fault(s, "delay db #1", from + 5 * SYNTH_S, from + 6 * SYNTH_S);
	synth_quiet_load(s, 0);
	bo_vec_foreach(req, &s->run->requests) {
		int64_t at = req->intended_ns - from;

		if ((at >= SYNTH_S && at < 2500 * SYNTH_MS) ||
		    (at >= 5 * SYNTH_S && at < 7 * SYNTH_S))
			req->cls = BO_REQ_HTTP_5XX;
	}
	r = second(s, "errors.ratio <= 1%", "recovery{fault=\"kill db #1\"} <= 1s");
	assert_int_equal(r->outcome, BO_PASS);
	assert_string_equal(r->measured, "recovery 500ms");
	assert_int_equal(
		second(s, "errors.ratio <= 1%", "recovery{fault=\"kill*\"} <= 200ms")->outcome,
		BO_FAIL);
	r = second(s, "errors.ratio <= 1%", "recovery{fault=\"delay*\"} <= 1s");
	assert_int_equal(r->outcome, BO_PASS);
	assert_string_equal(r->measured, "recovery 1.00s");
	assert_string_equal(second(s, "errors.ratio <= 1%", "recovery <= 1s")->measured,
			    "recovery 1.00s");
	assert_string_equal(
		second(s, "errors.ratio <= 1%", "detect{fault=\"delay*\"} <= 1s")->measured,
		"detect 265ms");
	/* Not back before the next one began: nobody can tell when it would have been. */
	s->run->faults.items[1].applied_ns = from + 2400 * SYNTH_MS;
	r = second(s, "errors.ratio <= 1%", "recovery{fault=\"kill*\"} <= 1s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "not back in budget when the next fault began, 400ms"));
	s->run->faults.items[1].applied_ns = from + 1500 * SYNTH_MS;
	r = second(s, "errors.ratio <= 1%", "recovery{fault=\"kill*\"} <= 1s");
	assert_int_equal(r->outcome, BO_INCONCLUSIVE);
	assert_non_null(strstr(r->reason, "fault 'delay db #1' was still on when this one ended"));
}

static void test_fault_of_the_plan(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };
	char buf[256] = "";

	another_fault(s, "kill db #1", from + SYNTH_S, from + 2 * SYNTH_S);
	another_fault(s, "delay db #1", from + 5 * SYNTH_S, from + 6 * SYNTH_S);
	synth_budget(s, "errors.ratio <= 1%");
	assert_int_equal(bo_budget_parse(&b, "recovery{fault=\"kill db #2\"} <= 4s", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "unknown fault 'kill db #2'; did you mean 'kill db #1'?"));
	bo_budget_free(b);
	assert_int_equal(bo_budget_parse(&b, "detect{fault=reset} <= 4s", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "unknown fault 'reset'; there is 'kill db #1'"));
	bo_budget_free(b);
	/* The next fault begins 3 s after the end of this one. */
	assert_int_equal(bo_budget_parse(&b, "recovery{fault=\"kill db #1\"} <= 4s", NULL), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), 0);
	assert_true(bo_budget_lint(b, s->plan, buf, sizeof(buf)));
	assert_non_null(strstr(buf, "load goes on for only 3.00s"));
	bo_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_recovers),
		SYNTH_TEST(test_at_once),
		SYNTH_TEST(test_unseen_in_hold),
		SYNTH_TEST(test_never),
		SYNTH_TEST(test_too_short_to_tell),
		SYNTH_TEST(test_relapse),
		SYNTH_TEST(test_background_noise),
		SYNTH_TEST(test_cannot_tell),
		SYNTH_TEST(test_detect),
		SYNTH_TEST(test_in_flight_at_the_end),
		SYNTH_TEST(test_each_fault),
		SYNTH_TEST(test_fault_of_the_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
