/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_sustained.c — a breach counts when it lasts, without interruption. */
#include "synth_groups.h"
#include "synth_test.h"

/* Good load in all phases but for [@from, @to) of fault, which is slow. */
static void slow_between(struct synth *s, int64_t from_ns, int64_t to_ns)
{
	int64_t fault = synth_start(s, BO_PHASE_FAULT), end = synth_end(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	synth_steady(s, fault, fault + from_ns, 200, 20 * SYNTH_MS, BO_REQ_OK);
	synth_steady(s, fault + from_ns, fault + to_ns, 200, SYNTH_S, BO_REQ_OK);
	synth_steady(s, fault + to_ns, end, 200, 20 * SYNTH_MS, BO_REQ_OK);
}

static void test_lasts(void **state)
{
	struct synth *s = *state;
	const struct bo_budget_result *r;

	slow_between(s, 3 * SYNTH_S, 5 * SYNTH_S);
	r = synth_judge(s, "latency.p99 <= 250ms in fault sustained for 2s");
	assert_int_equal(r->outcome, BO_FAIL);
	assert_string_equal(r->measured, "p99 1.00s (worst; broken for 2.00s in a row)");
	assert_string_equal(r->limit, "<= 250ms sustained for 2s");
	assert_int_equal(r->first_breach_ns, synth_start(s, BO_PHASE_FAULT) + 3 * SYNTH_S);
	expect(s, "latency.p99 <= 250ms in fault sustained for 2.5s", BO_PASS,
	       "broken for 2.00s in a row", NULL);
	/* Base is good, so the default phases judge, too; the relative limit is resolved first. */
	expect(s, "latency.p99 <= 250ms sustained for 1s", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= 3 * base in fault sustained for 2s", BO_FAIL, NULL, NULL);
	expect(s, "latency.p99 <= 60 * base in fault sustained for 2s", BO_PASS, "(worst)", NULL);
}

static void test_interrupted(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	for (int i = 0; i < 10; i++) {
		synth_steady(s, fault + i * SYNTH_S, fault + i * SYNTH_S + 600 * SYNTH_MS, 200,
			     SYNTH_MS, BO_REQ_RESET);
		synth_steady(s, fault + i * SYNTH_S + 600 * SYNTH_MS, fault + (i + 1) * SYNTH_S,
			     200, SYNTH_MS, BO_REQ_OK);
	}
	expect(s, "errors.ratio <= 5% in fault sustained for 2s", BO_PASS,
	       "broken for 600ms in a row", NULL);
	expect(s, "errors.ratio <= 5% in fault sustained for 500ms", BO_FAIL, NULL, NULL);
	expect(s, "availability >= 95% in fault sustained for 500ms", BO_FAIL, NULL, NULL);
	expect(s, "errors.rate <= 10/s in fault sustained for 2s", BO_PASS, NULL, NULL);
}

/* A step in which nothing was due is no end of a breach. */
static void test_thin_load(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_quiet_load(s, 1u << BO_PHASE_FAULT);
	for (int i = 0; i < 10; i++)
		synth_req(s, fault + i * SYNTH_S, SYNTH_S, BO_REQ_OK);
	expect(s, "latency.max <= 250ms in fault sustained for 4s", BO_FAIL, NULL, NULL);
}

static void test_nothing(void **state)
{
	struct synth *s = *state;

	expect(s, "latency.max <= 250ms in fault sustained for 4s", BO_INCONCLUSIVE, NULL,
	       "no requests");
	expect(s, "cpu <= 1 in fault sustained for 4s", BO_INCONCLUSIVE, NULL, "no samples");
}

/* Of a sampled value every sample must be out of bounds. */
static void test_samples(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_flat(s, BO_SERIES_CPU, SYNTH_ORDERS, 0, fault, 0.5);
	for (int64_t t = 0; t < 10 * SYNTH_S; t += 100 * SYNTH_MS)
		synth_sample(s, BO_SERIES_CPU, SYNTH_ORDERS, fault + t,
			     t < 5 * SYNTH_S   ? (t / (100 * SYNTH_MS) % 2 ? 3 : 0.5)
			     : t < 8 * SYNTH_S ? 3
					       : 0.5);
	expect(s, "cpu <= 2 in fault", BO_FAIL, NULL, NULL);
	expect(s, "cpu <= 2 in fault sustained for 2s", BO_FAIL, "cpu 3 (worst; broken for", NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].first_breach_ns, fault + 5 * SYNTH_S);
	expect(s, "cpu <= 2 in fault sustained for 4s", BO_PASS, NULL, NULL);
	expect(s, "cpu >= 2 in fault sustained for 3s", BO_PASS, NULL, NULL);
	expect(s, "cpu >= 2 in base sustained for 2s", BO_FAIL, NULL, NULL);
}

/* A hole may hide a breach of its own length, and no longer one. */
static void test_hole(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_flat(s, BO_SERIES_CPU, SYNTH_ORDERS, fault, fault + 4 * SYNTH_S, 0.5);
	synth_flat(s, BO_SERIES_CPU, SYNTH_ORDERS, fault + 6 * SYNTH_S, fault + 10 * SYNTH_S, 0.5);
	expect(s, "cpu <= 2 in fault sustained for 1s", BO_INCONCLUSIVE, NULL,
	       "it may have been broken for so long from");
	expect(s, "cpu <= 2 in fault sustained for 4s", BO_PASS, NULL, NULL);
}

/* Before and after a hole: that it was broken in between, too, nobody can say. */
static void test_hole_within(void **state)
{
	struct synth *s = *state;
	int64_t fault = synth_start(s, BO_PHASE_FAULT);

	synth_flat(s, BO_SERIES_CPU, SYNTH_ORDERS, fault, fault + 4 * SYNTH_S, 3);
	synth_flat(s, BO_SERIES_CPU, SYNTH_ORDERS, fault + 6 * SYNTH_S, fault + 10 * SYNTH_S, 3);
	expect(s, "cpu <= 2 in fault sustained for 3s", BO_FAIL, NULL, NULL);
	expect(s, "cpu <= 2 in fault sustained for 5s", BO_INCONCLUSIVE, NULL, "it may have been");
}

static void two_groups(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	(void)arg;
	synth_group(s, snap, "main.a|select|", 50, 0, 1);
	synth_group(s, snap, "main.b|select|", snap->t_ns / SYNTH_S % 2 ? 5 : 1, 0, 1);
}

/* Each selector has its own series. */
static void test_groups(void **state)
{
	struct synth *s = *state;

	synth_watch(s, 0, 30 * SYNTH_S, two_groups, NULL);
	s->plan->budgets.len = 0;
	synth_budget(s, "goroutines{site=main.a} <= 10 in fault sustained for 5s");
	synth_budget(s, "goroutines{site=main.b} <= 2 in fault sustained for 5s");
	synth_judge(s, NULL);
	assert_int_equal(s->run->verdict.budgets.items[0].outcome, BO_FAIL);
	assert_int_equal(s->run->verdict.budgets.items[1].outcome, BO_PASS);
	assert_string_equal(s->run->verdict.budgets.items[1].measured, "goroutines 5 (worst)");
}

/* Two breaches with a phase between them that is not judged are not one. */
static void test_phases_apart(void **state)
{
	struct synth *s = *state;

	slow_between(s, 9 * SYNTH_S, 10 * SYNTH_S);
	s->run->requests.len = 0;
	synth_quiet_load(s, 1u << BO_PHASE_FAULT | 1u << BO_PHASE_HEAL);
	synth_steady(s, synth_start(s, BO_PHASE_FAULT), synth_end(s, BO_PHASE_FAULT) - SYNTH_S, 200,
		     SYNTH_MS, BO_REQ_OK);
	synth_steady(s, synth_end(s, BO_PHASE_FAULT) - SYNTH_S, synth_end(s, BO_PHASE_FAULT), 200,
		     SYNTH_S, BO_REQ_OK);
	synth_steady(s, synth_start(s, BO_PHASE_HEAL), synth_start(s, BO_PHASE_HEAL) + SYNTH_S, 200,
		     SYNTH_S, BO_REQ_OK);
	synth_steady(s, synth_start(s, BO_PHASE_HEAL) + SYNTH_S, synth_end(s, BO_PHASE_HEAL), 200,
		     SYNTH_MS, BO_REQ_OK);
	expect(s, "latency.p99 <= 250ms in fault..heal sustained for 1.5s", BO_PASS, NULL, NULL);
	expect(s, "latency.p99 <= 250ms in fault..heal sustained for 1s", BO_FAIL, NULL, NULL);
}

static void test_base_must_be_sound(void **state)
{
	struct synth *s = *state;

	synth_steady(s, synth_start(s, BO_PHASE_BASE), synth_end(s, BO_PHASE_FAULT), 200, SYNTH_S,
		     BO_REQ_OK);
	expect(s, "latency.p99 <= 250ms in fault sustained for 2s", BO_INCONCLUSIVE, NULL,
	       "base already breaks it");
	expect(s, "latency.p99 <= 250ms in base sustained for 2s", BO_FAIL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SYNTH_TEST(test_lasts),        SYNTH_TEST(test_interrupted),
		SYNTH_TEST(test_thin_load),    SYNTH_TEST(test_nothing),
		SYNTH_TEST(test_samples),      SYNTH_TEST(test_hole),
		SYNTH_TEST(test_hole_within),  SYNTH_TEST(test_groups),
		SYNTH_TEST(test_phases_apart), SYNTH_TEST(test_base_must_be_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
