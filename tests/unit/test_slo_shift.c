/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_shift.c — latency against base, window by window. */
#include "normal.h"
#include "synth_test.h"

/* 200/s around @median_ns, log-normal; never two alike. */
static void noisy(struct synth *s, enum bo_phase phase, double median_ns)
{
	for (int64_t t = synth_start(s, phase); t < synth_end(s, phase); t += 5 * SYNTH_MS)
		synth_req(s, t, (int64_t)(median_ns * exp(0.3 * rng_normal(&s->rng))), BO_REQ_OK);
}

static void test_verdicts(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	noisy(s, BO_PHASE_BASE, 20e6);
	noisy(s, BO_PHASE_FAULT, 30e6);
	noisy(s, BO_PHASE_HEAL, 20e6);
	r = synth_judge(s, "latency.shift <= 20%");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_float_equal(r->measured_value, 0.5, 0.05);
	assert_non_null(strstr(r->measured, "shift "));
	assert_non_null(strstr(r->measured, "p 6.7e-08, n 10 and 20"));
	assert_string_equal(r->limit, "<= 20%");
	expect(s, "latency.shift <= 70%", BO_PASS, NULL, NULL);
	expect(s, "latency.shift <= 50%", BO_INCONCLUSIVE, NULL,
	       "10 windows of base and 20 here, 500ms each, say ");
	expect(s, "latency.shift >= 20%", BO_PASS, NULL, NULL);
	expect(s, "latency.shift >= 90%", BO_FAIL, NULL, NULL);
	expect(s, "latency.shift <= 20% in heal", BO_PASS, NULL, NULL);
	expect(s, "latency.shift <= -20% in heal", BO_FAIL, NULL, NULL);
	expect(s, "latency.shift.p90 <= 70%", BO_PASS, "shift.p90 ", NULL);
	expect(s, "latency.shift.p99 <= 20%", BO_FAIL, "n 10 and 20", NULL);
}

/* Five windows and five are the fewest that bound anything at 99 %. */
static void test_few_windows(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_BASE, 400 * SYNTH_MS);
	synth_phase(s, BO_PHASE_FAULT, 400 * SYNTH_MS);
	noisy(s, BO_PHASE_BASE, 20e6);
	noisy(s, BO_PHASE_FAULT, 80e6);
	expect(s, "latency.shift <= 20%", BO_INCONCLUSIVE, NULL, "say unknown to unknown");
	expect(s, "latency.shift <= 900%", BO_INCONCLUSIVE, NULL,
	       "it takes five and five that are known");
}

static void test_nothing_to_compare(void **state)
{
	struct synth *s = *state;

	expect(s, "latency.shift <= 20%", BO_INCONCLUSIVE, "not measured", "no requests in base");
	noisy(s, BO_PHASE_BASE, 20e6);
	expect(s, "latency.shift <= 20%", BO_INCONCLUSIVE, NULL, "no requests");
	/* One request is no window. */
	synth_req(s, synth_start(s, BO_PHASE_FAULT), 20 * SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.shift <= 20%", BO_INCONCLUSIVE, NULL,
	       "10 windows of base and 0 here have enough requests");
}

/* What timed out may have taken for ever: it can break the budget and never keep it. */
static void test_timeouts(void **state)
{
	struct synth *s = *state;

	noisy(s, BO_PHASE_BASE, 20e6);
	for (int64_t t = synth_start(s, BO_PHASE_FAULT); t < synth_end(s, BO_PHASE_FAULT);
	     t += 5 * SYNTH_MS)
		synth_req(s, t, 500 * SYNTH_MS + t % 1000, BO_REQ_TIMEOUT_FIRST_BYTE);
	expect(s, "latency.shift <= 100%", BO_FAIL, NULL, NULL);
	expect(s, "latency.shift <= 90000%", BO_INCONCLUSIVE, NULL, "unknown");
}

/* Nobody answered in some windows: the others may break the budget and cannot keep it. */
static void test_blind_windows(void **state)
{
	struct synth *s = *state;

	bo_rng_init(&s->rng, 5, 0);
	noisy(s, BO_PHASE_BASE, 20e6);
	noisy(s, BO_PHASE_FAULT, 60e6);
	expect(s, "latency.shift <= 900%", BO_PASS, NULL, NULL);
	for (size_t i = 0; i < s->run->requests.len; i++) {
		struct bo_req *req = &s->run->requests.items[i];

		if (req->intended_ns >= synth_end(s, BO_PHASE_FAULT) - 2 * SYNTH_S)
			*req = (struct bo_req){ .intended_ns = req->intended_ns,
						.end_ns = req->intended_ns + SYNTH_MS,
						.cls = BO_REQ_REFUSED };
	}
	expect(s, "latency.shift <= 20%", BO_FAIL, NULL, NULL);
	expect(s, "latency.shift <= 900%", BO_INCONCLUSIVE, NULL,
	       "in 4 windows nothing was answered");
}

/* Slow spells of seconds, a few more in fault than in base: to windows of 1 s that look independent this
 * would be plain. */
static void test_spells(void **state)
{
	struct synth *s = *state;

	synth_phase(s, BO_PHASE_BASE, 20 * SYNTH_S);
	synth_phase(s, BO_PHASE_FAULT, 20 * SYNTH_S);
	noisy(s, BO_PHASE_BASE, 20e6);
	noisy(s, BO_PHASE_FAULT, 20e6);
	expect(s, "latency.shift <= 10%", BO_PASS, NULL, NULL);
	bo_vec_foreach(req, &s->run->requests) {
		int64_t fault = synth_start(s, BO_PHASE_FAULT);
		bool slow = req->intended_ns < fault ? req->intended_ns > fault - 5 * SYNTH_S
						     : req->intended_ns > fault + 5 * SYNTH_S;

		if (slow)
			req->end_ns += req->end_ns - req->intended_ns;
	}
	expect(s, "latency.shift <= 0%", BO_INCONCLUSIVE, "p 0.0", NULL);
	expect(s, "latency.shift <= 150%", BO_INCONCLUSIVE, NULL, "they follow each other, as if ");
}

static void test_shape(void **state)
{
	static const struct {
		const char *text, *message;
	} refused[] = {
		{ "latency.shift <= 2 * base", "latency.shift cannot be compared with base" },
		{ "latency.shift <= 20% in base", "base is compared with itself" },
		{ "latency.shift <= 20% in base..fault", "base is compared with itself" },
		{ "latency.shift <= 20ms", "column 18" },
		{ "latency.shift == 20%", "'==' makes no sense" },
		{ "latency.shift <= 20% for 90% of 1s windows", "cannot be judged in windows" },
		{ "latency.shift{node=db} <= 20%", "has no {node=…}" },
		{ "latency.shft <= 20%", "did you mean 'latency.shift'" },
	};
	struct synth *s = *state;
	struct bo_budget *b = NULL;
	struct bo_err err = { 0 };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(bo_budget_parse(&b, refused[i].text, &err), -EINVAL);
		if (!strstr(err.msg, refused[i].message))
			fail_msg("'%s': %s", refused[i].text, err.msg);
	}
	assert_int_equal(bo_budget_parse(&b, "latency.shift <= 250%", &err), 0);
	assert_int_equal(bo_budget_check(b, s->plan, &err), 0);
	s->plan->phase_ns[BO_PHASE_BASE] = 0;
	assert_int_equal(bo_budget_check(b, s->plan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is compared with base, but phase 'base' lasts 0s"));
	bo_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_verdicts),
		SYNTH_TEST(test_few_windows),
		SYNTH_TEST(test_nothing_to_compare),
		SYNTH_TEST(test_timeouts),
		SYNTH_TEST(test_blind_windows),
		SYNTH_TEST(test_spells),
		SYNTH_TEST(test_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
