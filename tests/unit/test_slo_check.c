/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_check.c — budgets against a plan: what cannot be judged is refused before
 * anything runs, and what can never fail (or never pass) is warned of. */
#include "synth_test.h"

static void test_plan(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	expect_plan(&s, "latency.p99 <= 2 * base in fault..heal", NULL);
	expect_plan(&s, "latency.p99{load=\"checkout\"} <= 1s", NULL);
	expect_plan(&s, "goroutines.delta{node=\"db\"} <= 5 at hold", NULL);
	expect_plan(&s, "memory.usage <= 85% of limit and oom.kills == 0", NULL);
	expect_plan(&s, "latency.p99{load=\"chekout\"} <= 1s",
		    "column 12: unknown load 'chekout'; did you mean 'checkout'?");
	expect_plan(&s, "goroutines.delta{node=\"orders2\"} <= 5",
		    "unknown node 'orders2'; did you mean 'orders'?");
	expect_plan(&s, "rss{node=\"client\"} < 1GB", "the client is not sampled");
	expect_plan(&s, "memory.usage{node=\"db\"} <= 85% of limit", "'db' has no memory limit");
	expect_plan(&s, "errors.ratio <= 1% in fault for 95% of 20s windows",
		    "no phase that is judged lasts for one 20s window");
	expect_plan(&s, "recovery <= 3s", "needs a fault, and the scenario has none");
	s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	expect_plan(&s, "cpu < 1 or goroutines.count < 5",
		    "column 12: goroutines of 'orders' are not sampled: its probe is off");
	synth_phase(&s, BO_PHASE_HOLD, 0);
	expect_plan(&s, "rss < 1GB at hold",
		    "column 11: phase 'hold' does not happen in this scenario");
	expect_plan(&s, "rss < 1GB in fault..settle", NULL);
	synth_phase(&s, BO_PHASE_BASE, 0);
	expect_plan(&s, "latency.p99 <= 2 * base in fault", "phase 'base' lasts 0s");
	expect_plan(&s, "goroutines.delta{node=db} <= 5 at settle", "phase 'base' lasts 0s");
	s.plan->loads.len = 0;
	expect_plan(&s, "availability >= 99%", "needs a load, and the scenario has none");
	s.plan->nodes.len = 1;
	expect_plan(&s, "rss < 1GB", "needs a subject, and the scenario has none");
	synth_done(&s);
}

static void test_memory_fault_gives_a_limit(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	assert_true(bo_vec_push(&s.plan->faults, (struct bo_fault_spec){ .id = "m",
									 .kind = "memory",
									 .target = BO_TARGET_NODE,
									 .index = SYNTH_DB }));
	expect_plan(&s, "memory.usage{node=\"db\"} <= 85% of limit", NULL);
	synth_done(&s);
}

static void test_recovery(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	synth_fault(&s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_budget(&s, "recovery <= 3s");
	expect_plan(&s, "recovery <= 3s", "needs a latency or errors budget beside it");
	synth_budget(&s, "latency.max <= 1.2s in fault or cpu < 1");
	/* One arm of an "or" need not hold, so it is no reference. */
	expect_plan(&s, "recovery <= 3s", "needs a latency or errors budget beside it");
	synth_budget(&s, "latency.max <= 1.2s in fault and cpu < 1");
	expect_plan(&s, "recovery <= 3s", NULL);
	expect_plan(&s, "detect <= 3s", NULL);
	synth_phase(&s, BO_PHASE_HEAL, 0);
	expect_plan(&s, "recovery <= 3s",
		    "needs load after the last fault: give phase 'heal' a duration");
	expect_plan(&s, "detect <= 3s", NULL);
	synth_done(&s);
}

static void test_lint(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	expect_lint(&s, "latency.max <= 4s in fault", NULL);
	expect_lint(&s, "latency.max <= 5s in fault",
		    "gives up after 5.00s, before the limit 5.00s");
	s.plan->timeout_ns = SYNTH_S;
	expect_lint(&s, "latency.max <= 1.2s in fault", NULL);
	expect_lint(&s, "latency.p50 <= 1.3s in fault", "looser than the declared timeout 1.00s");
	expect_lint(&s, "cpu < 9 and latency.max <= 4s in fault",
		    "looser than the declared timeout");
	expect_lint(&s, "latency.p99 <= 900ms in base", NULL);
	expect_lint(&s, "latency.p99.9 <= 900ms in base",
		    "needs at least 4603 requests to pass, and the plan offers about 1000");
	expect_lint(&s, "errors.ratio <= 0.1% in base", "needs at least 4603 requests");
	expect_lint(&s, "availability >= 99.9% in base", "needs at least 4603 requests");
	expect_lint(&s, "errors.ratio <= 1% in fault for 95% of 1s windows",
		    "only 10 windows of 1s, so 95% of them means all");
	expect_lint(&s, "errors.ratio <= 1% in fault for 90% of 1s windows", NULL);
	expect_lint(&s, "latency.shift <= 20%", NULL);
	expect_lint(&s, "latency.shift.p99 <= 20%", NULL);
	expect_lint(&s, "latency.shift.p99.9 <= 20%",
		    "compares windows of base, at least five; the plan offers 1 of them");
	expect_lint(&s, "goroutines.delta <= 5 at hold", NULL);
	s.plan->timeout_ns = 4 * SYNTH_S;
	expect_lint(&s, "goroutines.delta <= 5 at hold",
		    "no longer than the declared timeout 4.00s");
	synth_fault(&s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	expect_lint(&s, "recovery <= 3s", NULL);
	expect_lint(&s, "recovery <= 6s", "load goes on for only 5.00s after the last fault");
	synth_done(&s);
}

/* What no run could show, or none could break. */
static void test_lint_one_outcome(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	expect_lint(&s, "errors.ratio <= 100% in fault",
		    "cannot fail: errors.ratio is never above 100%");
	expect_lint(&s, "errors.ratio < 100% in fault", NULL);
	expect_lint(&s, "availability >= 0% in fault",
		    "cannot fail: availability is never below 0");
	expect_lint(&s, "availability > 100% in fault",
		    "cannot pass: availability is never above 100%");
	expect_lint(&s, "availability >= 100% in fault", NULL);
	expect_lint(&s, "errors.count < 0", "cannot pass: errors.count is never below 0");
	expect_lint(&s, "errors.count <= 0", NULL);
	expect_lint(&s, "goroutines >= 0 at settle", "cannot fail");
	expect_lint(&s, "goroutines > 0 at settle", NULL);
	expect_lint(&s, "cpu <= -1", "cannot pass");
	expect_lint(&s, "goroutines.delta <= -1 at hold", NULL);
	expect_lint(&s, "goroutines.delta >= 0 at hold", NULL);
	expect_lint(&s, "goroutines.slope < 0/s", NULL);
	expect_lint(&s, "throughput >= 201/s in base",
		    "cannot pass: the plan offers no more than 200/s");
	expect_lint(&s, "throughput >= 200/s in base", NULL);
	expect_lint(&s, "throughput <= 300/s in base", NULL);
	expect_lint(&s, "throughput >= 2 * base in heal", NULL);
	synth_done(&s);
}

/* Too few requests: in all, in a window, in the time that a breach has to last. */
static void test_lint_few_requests(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	expect_lint(
		&s, "latency.p99.9 <= 900ms in base",
		"'latency.p99.9 <= 900ms in base' needs at least 4603 requests to pass, and the plan "
		"offers about 1000 there (200/s for 5.00s)");
	expect_lint(&s, "latency.p99 <= 1s in fault for 100% of 500ms windows", NULL);
	expect_lint(
		&s, "latency.p99 <= 1s in fault for 100% of 499ms windows",
		"a window of 499ms holds about 100 requests (200/s), too few for latency.p99: it is that "
		"of the slowest of them; that takes 100");
	expect_lint(&s, "errors.ratio <= 1% in fault for 100% of 400ms windows",
		    "one failed request breaks it; that takes 100");
	expect_lint(&s, "availability >= 99% in fault for 100% of 400ms windows",
		    "one failed request");
	expect_lint(&s, "errors.ratio == 0 in fault for 90% of 100ms windows", NULL);
	expect_lint(&s, "throughput >= 100/s in fault for 90% of 100ms windows", NULL);
	expect_lint(&s, "latency.p99 <= 1s in fault sustained for 50ms", NULL);
	expect_lint(&s, "latency.p99 <= 1s in fault sustained for 40ms",
		    "in 40ms there are only about 8 requests (200/s)");
	s.plan->loads.items[0].rate_per_s = 2;
	expect_lint(&s, "latency.max <= 1s in fault", "needs at least 30 requests to pass");
	expect_lint(&s, "errors.ratio == 0 in fault", "needs at least 30 requests to pass");
	expect_lint(&s, "errors.count == 0 in fault", NULL);
	expect_lint(&s, "goroutines{site=x} <= 5 in fault sustained for 1s",
		    "too seldom to say what lasts");
	expect_lint(&s, "goroutines{site=x} <= 5 in fault sustained for 2s", NULL);
	synth_done(&s);
}

/* The load is more patient than the run is long. */
static void test_lint_load(void **state)
{
	struct synth s;
	char buf[400] = "";

	(void)state;
	synth_init(&s, 1);
	synth_phase(&s, BO_PHASE_SETTLE, 3 * SYNTH_S);
	/* No budget over requests: nothing hangs on how they end. */
	synth_budget(&s, "cpu < 1 and must errors.ratio <= 1% within 1s of heal");
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	synth_budget(&s, "cpu < 1 or errors.ratio <= 1% in fault");
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	synth_budget(&s, "cpu < 1 or errors.ratio <= 1% in heal");
	assert_true(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	assert_non_null(strstr(buf,
			       "load 'checkout' waits up to 5.00s for an answer, and the run ends "
			       "3.00s after the last request that a budget judges"));
	/* A service that keeps its timeout has answered. */
	s.plan->timeout_ns = 2 * SYNTH_S;
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	s.plan->timeout_ns = 3 * SYNTH_S;
	assert_true(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	s.plan->loads.items[0].timeout_ns = 3 * SYNTH_S;
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	synth_done(&s);
}

/* A load that the fault cannot reach. */
static void test_lint_socket(void **state)
{
	struct bo_fault_spec fault = { .id = "delay orders-client #1", .target = BO_TARGET_LINK };
	struct synth s;
	char buf[400] = "";

	(void)state;
	synth_init(&s, 1);
	fault.index = bo_plan_link_add(s.plan, BO_NODE_CLIENT, s.plan->loads.items[0].node,
				       s.plan->loads.items[0].src);
	assert_true(bo_vec_push(&s.plan->faults, fault));
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	s.plan->loads.items[0].socket = "/tmp/orders.sock";
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf))); /* nobody judges it */
	synth_budget(&s, "errors.ratio <= 1% in fault");
	assert_true(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	assert_string_equal(
		buf, "load 'checkout' goes over a unix socket, which crosses no link: 'delay "
		     "orders-client #1' does not touch it, and a budget judges it all the same");
	s.plan->faults.items[0].target = BO_TARGET_NODE;
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	s.plan->faults.items[0].target = BO_TARGET_LINK;
	s.plan->faults.items[0].index++;
	assert_false(bo_slo_lint_load(s.plan, 0, buf, sizeof(buf)));
	synth_done(&s);
}

static void test_sustained(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	expect_plan(&s, "latency.p99 <= 1s in fault sustained for 10s", NULL);
	expect_plan(&s, "latency.p99 <= 1s in fault sustained for 11s",
		    "what is judged does not last for 11s, so this cannot fail");
	expect_plan(&s, "latency.p99 <= 1s in base..fault sustained for 11s", NULL);
	synth_done(&s);
}

static void test_lint_census(void **state)
{
	static const char *const budgets[] = {
		"goroutines{stuck=true} == 0", "goroutines.leaked == 0",
		"gc.pause.max <= 5ms",         "heap.live <= 1GiB",
		"sched.runq <= 100",           "goroutines.created <= 5/s",
	};
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		expect_lint(&s, budgets[i], NULL);
		s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
		expect_plan(&s, budgets[i], NULL);
		expect_lint(&s, budgets[i], "the probe of 'orders' is off");
		s.plan->nodes.items[SYNTH_ORDERS].probe.off = false;
	}
	s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	expect_lint(&s, "goroutines{node=db, stuck=true} == 0", NULL);
	expect_lint(&s, "goroutines{node=db, site=a} <= 5 for 90% of 1s windows",
		    "too seldom for 1s windows");
	expect_lint(&s, "goroutines{node=db, site=a} <= 5 for 50% of 2s windows", NULL);
	expect_lint(&s, "goroutines{node=db, older=20s} == 0 at hold", NULL);
	expect_lint(&s, "goroutines{node=db, older=21s} == 0 at hold",
		    "the run has lasted 20.0s by then");
	expect_lint(&s, "goroutines.leaked{node=db} == 0 at hold", NULL);
	s.plan->timeout_ns = 4 * SYNTH_S;
	expect_lint(&s, "goroutines.leaked{node=db} == 0 at hold",
		    "no longer than the declared timeout");
	s.plan->timeout_ns = 0;
	synth_phase(&s, BO_PHASE_HOLD, 2 * SYNTH_S);
	expect_lint(&s, "goroutines.leaked{node=db} == 0 at hold",
		    "too short for a leak to be told");
	synth_phase(&s, BO_PHASE_HOLD, 0);
	expect_plan(&s, "goroutines.leaked{node=db} == 0 at hold", "phase 'hold' does not happen");
	expect_plan(&s, "goroutines.leaked{node=db} == 0", NULL);
	synth_phase(&s, BO_PHASE_SETTLE, 0);
	expect_plan(&s, "goroutines.leaked{node=db} == 0",
		    "none of the phases that goroutines.leaked is judged in");
	synth_phase(&s, BO_PHASE_SETTLE, 5 * SYNTH_S);
	synth_phase(&s, BO_PHASE_BASE, 0);
	expect_plan(&s, "goroutines.leaked{node=db} == 0", "phase 'base' lasts 0s");
	synth_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_memory_fault_gives_a_limit),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_lint),
		cmocka_unit_test(test_lint_one_outcome),
		cmocka_unit_test(test_lint_few_requests),
		cmocka_unit_test(test_lint_load),
		cmocka_unit_test(test_lint_socket),
		cmocka_unit_test(test_sustained),
		cmocka_unit_test(test_lint_census),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
