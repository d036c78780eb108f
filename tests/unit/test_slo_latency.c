/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_latency.c — latency budgets: bounds, limits to the nanosecond, and requests
 * without an answer. */
#include "synth_test.h"

/* @n requests in fault of @latency, of which the last @k take @slow. */
static void fault_load(struct synth *s, size_t n, size_t k, int64_t latency, int64_t slow,
		       enum bo_req_class slow_cls)
{
	int64_t from = synth_start(s, BO_PHASE_FAULT);
	int64_t gap = (synth_end(s, BO_PHASE_FAULT) - from) / (int64_t)n;

	for (size_t i = 0; i < n; i++) {
		/* spread the slow ones evenly */
		bool is_slow = k && (i * k) / n != ((i + 1) * k) / n;

		synth_req(s, from + (int64_t)i * gap, is_slow ? slow : latency,
			  is_slow ? slow_cls : BO_REQ_OK);
	}
}

static void test_pass_and_fail(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	fault_load(s, 2000, 100, 50 * SYNTH_MS, 1930 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p90 <= 100ms in fault", BO_PASS, "p90 50ms", NULL);
	r = synth_judge(s, "latency.p99 <= 1.2s in fault");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "p99 1.93s (n 2000)");
	assert_string_equal(r->limit, "<= 1.20s");
	assert_string_equal(r->excess, "by 730ms (61%)");
	assert_true(r->measured_value == 1.93e9 && r->limit_value == 1.2e9);
	/* The first slow request is the 20th; it was overdue 1.2 s after it was due. */
	assert_int_equal(r->first_breach_ns,
			 synth_start(s, BO_PHASE_FAULT) + 19 * 5 * SYNTH_MS + 1200 * SYNTH_MS);
	/* A phase is judged by its own requests. */
	synth_steady(s, synth_start(s, BO_PHASE_HEAL), synth_end(s, BO_PHASE_HEAL), 200, SYNTH_MS,
		     BO_REQ_OK);
	expect(s, "latency.p99 <= 10ms in heal", BO_PASS, "p99 1ms", NULL);
	expect(s, "latency.p99 <= 10ms in base", BO_INCONCLUSIVE, "not measured", "no requests");
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns, INT64_MIN);
}

static void test_boundary(void **state)
{
	struct synth *s = *state;

	fault_load(s, 500, 0, 100 * SYNTH_MS, 0, BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 < 100ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 >= 100ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 > 100ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.max <= 100ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.max < 100ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.mean <= 100ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.mean <= 99999us in fault", BO_FAIL, NULL, NULL);
}

/* 458 requests say nothing of a p99 at 99 % confidence, 459 do: log(0.01) / log(0.99) = 458.2. */
static void test_too_few(void **state)
{
	struct synth *s = *state;

	fault_load(s, 458, 0, 50 * SYNTH_MS, 0, BO_REQ_OK);
	expect(s, "latency.p99 <= 1s in fault", BO_INCONCLUSIVE, "p99 50ms",
	       "458 requests; p99 needs at least 459 (10.0s at this rate)");
	expect(s, "latency.p95 <= 1s in fault", BO_PASS, NULL, NULL);
	/* Few requests are enough to fail when all are far too slow. */
	expect(s, "latency.p99 <= 10ms in fault", BO_FAIL, NULL, NULL);
	synth_req(s, synth_start(s, BO_PHASE_FAULT), 50 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 1s in fault", BO_PASS, NULL, NULL);
}

static void test_max_needs_some(void **state)
{
	struct synth *s = *state;

	fault_load(s, 29, 0, 50 * SYNTH_MS, 0, BO_REQ_OK);
	expect(s, "latency.max <= 1s in fault", BO_INCONCLUSIVE, NULL,
	       "29 requests; 'max' needs at least 30");
	expect(s, "latency.max <= 10ms in fault", BO_FAIL, NULL, NULL);
	synth_req(s, synth_start(s, BO_PHASE_FAULT), 50 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.max <= 1s in fault", BO_PASS, NULL, NULL);
}

/* Half a second over the limit is the service's only where the generator was not half a second late itself. */
static void test_lag_is_not_the_services(void **state)
{
	struct synth *s = *state;
	struct bo_load_record *load = &s->run->loads.items[0];

	fault_load(s, 2000, 0, 1500 * SYNTH_MS, 0, BO_REQ_OK);
	load->lag_p99_ns = load->lag_max_ns = 499 * SYNTH_MS;
	expect(s, "latency.p99 <= 1s in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.max <= 1s in fault", BO_FAIL, NULL, NULL);
	load->lag_p99_ns = load->lag_max_ns = 510 * SYNTH_MS;
	expect(s, "latency.p99 <= 1s in fault", BO_INCONCLUSIVE, NULL,
	       "the generator itself was up to 510ms late");
	expect(s, "latency.max <= 1s in fault", BO_INCONCLUSIVE, NULL,
	       "the generator itself was up to 510ms late");
	/* A percentile is not forgiven what only the latest one per cent were late by. */
	load->lag_p99_ns = SYNTH_MS;
	expect(s, "latency.p99 <= 1s in fault", BO_FAIL, NULL, NULL);
}

/* Right at the limit the interval straddles it, and the reason says how many requests would tell.
 */
static void test_straddle(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 16, 50 * SYNTH_MS, 500 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 200ms in fault", BO_INCONCLUSIVE, "p99 50ms", "would do");
	expect(s, "latency.p99 <= 500ms in fault", BO_PASS, NULL, NULL);
}

/* A timeout at 5 s counts as 5 s or more: it fails a limit below and never passes one above. */
static void test_timeouts(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 200, 50 * SYNTH_MS, 5 * SYNTH_S, BO_REQ_TIMEOUT_FIRST_BYTE);
	expect(s, "latency.p99 <= 1.2s in fault", BO_FAIL, "p99 >= 5.00s", NULL);
	expect(s, "latency.max <= 1.2s in fault", BO_FAIL, "max >= 5.00s", NULL);
	expect(s, "latency.mean <= 100ms in fault", BO_FAIL, "mean >= 545ms", NULL);
	expect(s, "latency.p99 <= 8s in fault", BO_INCONCLUSIVE, NULL, "200 never answered");
	expect(s, "latency.max <= 8s in fault", BO_INCONCLUSIVE, NULL, "200 never answered");
	expect(s, "latency.mean <= 8s in fault", BO_INCONCLUSIVE, NULL, "200 never answered");
	/* Ten percent never answered: what 80 % do is known all the same. */
	expect(s, "latency.p50 <= 100ms in fault", BO_PASS, "p50 50ms", NULL);
}

static void test_in_flight_at_the_end(void **state)
{
	struct synth *s = *state;

	fault_load(s, 1000, 0, 50 * SYNTH_MS, 0, BO_REQ_OK);
	synth_req(s, synth_end(s, BO_PHASE_FAULT) - SYNTH_MS, 400 * SYNTH_MS, BO_REQ_INFLIGHT);
	expect(s, "latency.max <= 1s in fault", BO_INCONCLUSIVE, "max >= 400ms",
	       "1 never answered");
	expect(s, "latency.max <= 300ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= 300ms in fault", BO_PASS, NULL, NULL);
}

/* The client hung up after 200 ms: nobody knows how long the answer would have taken. */
static void test_abandoned(void **state)
{
	struct synth *s = *state;

	fault_load(s, 1000, 500, 50 * SYNTH_MS, 200 * SYNTH_MS, BO_REQ_ABANDONED);
	expect(s, "latency.p99 <= 1s in fault", BO_INCONCLUSIVE, NULL, "500 never answered");
	expect(s, "latency.p99 <= 100ms in fault", BO_FAIL, NULL, NULL);
}

/* Failing fast is no way to be fast. */
static void test_refused(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 200, 50 * SYNTH_MS, SYNTH_MS, BO_REQ_REFUSED);
	expect(s, "latency.p99 <= 1s in fault", BO_INCONCLUSIVE, "(n 1800)",
	       "200 failed without an answer (an errors budget for this phase would judge them)");
	expect(s, "latency.max <= 1s in fault", BO_INCONCLUSIVE, NULL,
	       "200 failed without an answer");
	/* Refusals do not dilute the slow ones: 1800 answered, all above. */
	expect(s, "latency.p50 <= 10ms in fault", BO_FAIL, NULL, NULL);
	/* With an errors budget over the same phase the failures have their judge, and the report
	 * still says so. */
	synth_budget(s, "errors.ratio <= 50% in fault");
	s->plan->budgets.items[0].text = "latency.p99 <= 1s in fault";
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_PASS);
	assert_non_null(strstr(s->run->verdict.budgets.items[0].reason,
			       "200 requests failed without an answer; the errors"));
	/* … but not over another phase, and not when it may be excused by an "or". */
	s->plan->budgets.items[1].text = "errors.ratio <= 50% in heal";
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_INCONCLUSIVE);
	s->plan->budgets.items[1].text = "errors.ratio <= 50% in fault or cpu < 1";
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_INCONCLUSIVE);
	s->plan->budgets.items[1].text = "errors.ratio{class=reset} <= 50% in fault";
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_INCONCLUSIVE);
	s->plan->budgets.items[1].text = "availability{load=checkout} >= 50%";
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_PASS);
}

static void test_everything_refused(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 2000, 0, SYNTH_MS, BO_REQ_REFUSED);
	expect(s, "latency.p99 <= 1s in fault", BO_INCONCLUSIVE, "not measured",
	       "no request was answered");
	synth_budget(s, "errors.ratio <= 5% in fault");
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_INCONCLUSIVE);
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_FAIL);
	assert_int_equal(s->run->verdict.outcome, BO_FAIL);
}

/* Hung for three seconds and then reset: that is slow, whatever errors budgets say. */
static void test_slow_reset(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 100, 50 * SYNTH_MS, 3 * SYNTH_S, BO_REQ_RESET);
	synth_judge(s, "latency.p99 <= 1s in fault");
	synth_budget(s, "errors.ratio <= 50% in fault");
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_FAIL);
	assert_string_equal(s->run->verdict.budgets.items[0].measured, "p99 >= 3.00s (n 2000)");
}

static void test_shed(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 100, 50 * SYNTH_MS, 0, BO_REQ_SHED);
	synth_judge(s, "latency.p99 <= 1s in fault");
	synth_budget(s, "errors.ratio <= 50% in fault");
	assert_int_equal(synth_judge(s, NULL)[0].outcome, BO_INCONCLUSIVE);
	assert_non_null(
		strstr(s->run->verdict.budgets.items[0].reason, "100 were shed before sending"));
}

/* An error response is an answer: fast 503s meet a latency budget, and break an errors budget. */
static void test_error_responses(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 2000, 0, 20 * SYNTH_MS, BO_REQ_HTTP_5XX);
	expect(s, "latency.p99 <= 1s in fault", BO_PASS, NULL, NULL);
	expect(s, "errors.ratio <= 1% in fault", BO_FAIL, "ratio 100% (2000 of 2000)", NULL);
}

static void test_relative(void **state)
{
	struct synth *s = *state;

	synth_steady(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_BASE), 200,
		     20 * SYNTH_MS, BO_REQ_OK);
	fault_load(s, 2000, 0, 50 * SYNTH_MS, 0, BO_REQ_OK);
	expect(s, "latency.p99 <= 2.5 * base in fault", BO_PASS, NULL, NULL);
	assert_string_equal(s->run->verdict.budgets.items[0].limit, "<= 50ms (2.5 * base)");
	expect(s, "latency.p99 <= 2.4 * base in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= base + 30ms in fault", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 <= base + 29ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99.9 <= 9 * base in fault", BO_INCONCLUSIVE, NULL,
	       "p99.9 needs at least 4603");
}

/* Limits beyond any clock are formatted and judged like others. */
static void test_absurd_limit(void **state)
{
	struct synth *s = *state;

	synth_quiet_load(s, 0);
	expect(s, "latency.p99 <= 99999999999999999999999999999999 * base in fault", BO_PASS, NULL,
	       NULL);
	expect(s, "latency.p99 >= 99999999999999999999999999999999 * base in fault", BO_FAIL, NULL,
	       NULL);
}

static void test_relative_without_base(void **state)
{
	struct synth *s = *state;

	fault_load(s, 2000, 0, 50 * SYNTH_MS, 0, BO_REQ_OK);
	expect(s, "latency.p99 <= 2.5 * base in fault", BO_INCONCLUSIVE, NULL,
	       "base cannot be told: no requests");
}

static void test_windows(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);
	const struct bo_budget_result *r;

	/* Second 3 of ten is slow. */
	for (int i = 0; i < 10; i++)
		synth_steady(s, from + i * SYNTH_S, from + (i + 1) * SYNTH_S, 200,
			     i == 3 ? SYNTH_S : 20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault for 90% of 1s windows", BO_PASS,
	       "9 of 10 windows hold", NULL);
	r = synth_judge(s, "latency.p99 <= 100ms in fault for 95% of 1s windows");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "p99 1.00s (worst; 9 of 10 windows hold)");
	assert_string_equal(r->limit, "<= 100ms in 95% of 1s windows");
	assert_int_equal(r->first_breach_ns, from + 3 * SYNTH_S);
	expect(s, "latency.p99 <= 100ms in fault", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= 100ms in heal for 90% of 1s windows", BO_INCONCLUSIVE, NULL,
	       "5 of 5 windows cannot be told");
}

/* Two windows without any request: whether 90 % hold hangs on them, whether 80 % do does not. */
static void test_empty_windows(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	synth_steady(s, from, from + 8 * SYNTH_S, 200, 20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault for 90% of 1s windows", BO_INCONCLUSIVE, NULL,
	       "2 of 10 windows cannot be told: no requests");
	expect(s, "latency.p99 <= 100ms in fault for 80% of 1s windows", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 <= 10ms in fault for 30% of 1s windows", BO_FAIL, NULL, NULL);
}

/* Ten slow requests in 2000 would pass a p99 were they independent (see the even spread); all
 * within one tenth of a second, they are one event, and one event more would have broken the
 * budget. */
static void test_bursts(void **state)
{
	struct synth *s = *state;
	int64_t from = synth_start(s, BO_PHASE_FAULT);

	for (int i = 0; i < 2000; i++)
		synth_req(s, from + i * 5 * SYNTH_MS,
			  i >= 1000 && i < 1010 ? SYNTH_S : 20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault", BO_INCONCLUSIVE, NULL, "come in bursts");
	s->run->requests.len = 0;
	s->run->loads.len = 0;
	for (int i = 0; i < 2000; i++)
		synth_req(s, from + i * 5 * SYNTH_MS, i % 250 == 77 ? SYNTH_S : 20 * SYNTH_MS,
			  BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault", BO_PASS, NULL, NULL);
	/* Ten are one too many, and a little more of the same would do. */
	s->run->requests.len = 0;
	s->run->loads.len = 0;
	for (int i = 0; i < 2000; i++)
		synth_req(s, from + i * 5 * SYNTH_MS, i % 200 == 77 ? SYNTH_S : 20 * SYNTH_MS,
			  BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault", BO_INCONCLUSIVE, NULL,
	       "about 2010 would do (10.1s at this rate)");
	/* A burst that breaks the budget is a fact: one second of ten, 10 % of the requests. */
	s->run->requests.len = 0;
	s->run->loads.len = 0;
	for (int i = 0; i < 2000; i++)
		synth_req(s, from + i * 5 * SYNTH_MS, i < 200 ? SYNTH_S : 20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 100ms in fault", BO_FAIL, NULL, NULL);
}

static void test_selected_load(void **state)
{
	struct synth *s = *state;

	assert_true(
		bo_vec_push(&s->plan->loads, (struct bo_load_spec){ .name = "search",
								    .rate_per_s = 50,
								    .kind = BO_LOAD_REQUESTS }));
	assert_true(bo_vec_push(&s->plan->loads, (struct bo_load_spec){ .name = "sockets",
									.rate_per_s = 1,
									.kind = BO_LOAD_HOLD }));
	fault_load(s, 1000, 0, 20 * SYNTH_MS, 0, BO_REQ_OK);
	fault_load(s, 1000, 0, 900 * SYNTH_MS, 0, BO_REQ_OK);
	for (size_t i = 1000; i < 2000; i++)
		s->run->requests.items[i].load = 1;
	fault_load(s, 40, 0, 9 * SYNTH_S, 0, BO_REQ_OK);
	for (size_t i = 2000; i < 2040; i++)
		s->run->requests.items[i].load = 2;
	expect(s, "latency.p99{load=checkout} <= 50ms in fault", BO_PASS, "n 1000", NULL);
	expect(s, "latency.p99{load=search} <= 50ms in fault", BO_FAIL, NULL, NULL);
	/* Together, but without the connections that are only held. */
	expect(s, "latency.max <= 950ms in fault", BO_PASS, "n 2000", NULL);
	expect(s, "latency.max{load=sockets} <= 950ms in fault", BO_FAIL, "n 40", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_pass_and_fail),
		SYNTH_TEST(test_boundary),
		SYNTH_TEST(test_too_few),
		SYNTH_TEST(test_max_needs_some),
		SYNTH_TEST(test_lag_is_not_the_services),
		SYNTH_TEST(test_straddle),
		SYNTH_TEST(test_timeouts),
		SYNTH_TEST(test_in_flight_at_the_end),
		SYNTH_TEST(test_abandoned),
		SYNTH_TEST(test_refused),
		SYNTH_TEST(test_everything_refused),
		SYNTH_TEST(test_slow_reset),
		SYNTH_TEST(test_shed),
		SYNTH_TEST(test_error_responses),
		SYNTH_TEST(test_relative),
		SYNTH_TEST(test_absurd_limit),
		SYNTH_TEST(test_relative_without_base),
		SYNTH_TEST(test_windows),
		SYNTH_TEST(test_empty_windows),
		SYNTH_TEST(test_bursts),
		SYNTH_TEST(test_selected_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
