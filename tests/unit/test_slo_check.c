/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_slo_check.c — budgets against a plan: what cannot be judged is refused before
 * anything runs, and what can never fail (or never pass) is warned of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slo/internal.h"
#include "synth_run.h"

static int check(struct synth *s, const char *text, struct bo_err *err)
{
	struct bo_budget *b = NULL;
	int r;

	assert_int_equal(bo_budget_parse(&b, text, err), 0);
	r = bo_budget_check(b, s->plan, err);
	bo_budget_free(b);
	return r;
}

static void good(struct synth *s, const char *text)
{
	struct bo_err err = { 0 };

	if (check(s, text, &err) < 0)
		fail_msg("'%s' refused: %s", text, err.msg);
}

static void bad(struct synth *s, const char *text, const char *message)
{
	struct bo_err err = { 0 };

	if (check(s, text, &err) != -EINVAL || !strstr(err.msg, message))
		fail_msg("'%s'\n  says     %s\n  expected %s", text, err.msg, message);
}

static void test_plan(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	good(&s, "latency.p99 <= 2 * base in fault..heal");
	good(&s, "latency.p99{load=\"checkout\"} <= 1s");
	good(&s, "goroutines.delta{node=\"db\"} <= 5 at hold");
	good(&s, "memory.usage <= 85% of limit and oom.kills == 0");
	bad(&s, "latency.p99{load=\"chekout\"} <= 1s",
	    "column 12: unknown load 'chekout'; did you mean 'checkout'?");
	bad(&s, "goroutines.delta{node=\"orders2\"} <= 5",
	    "unknown node 'orders2'; did you mean 'orders'?");
	bad(&s, "rss{node=\"client\"} < 1GB", "the client is not sampled");
	bad(&s, "memory.usage{node=\"db\"} <= 85% of limit", "'db' has no memory limit");
	bad(&s, "errors.ratio <= 1% in fault for 95% of 20s windows",
	    "no phase that is judged lasts for one 20s window");
	bad(&s, "recovery <= 3s", "needs a fault, and the scenario has none");
	s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	bad(&s, "cpu < 1 or goroutines.count < 5",
	    "column 12: goroutines of 'orders' are not sampled: its probe is off");
	synth_phase(&s, BO_PHASE_HOLD, 0);
	bad(&s, "rss < 1GB at hold", "column 11: phase 'hold' does not happen in this scenario");
	good(&s, "rss < 1GB in fault..settle");
	synth_phase(&s, BO_PHASE_BASE, 0);
	bad(&s, "latency.p99 <= 2 * base in fault", "phase 'base' lasts 0s");
	bad(&s, "goroutines.delta{node=db} <= 5 at settle", "phase 'base' lasts 0s");
	s.plan->loads.len = 0;
	bad(&s, "availability >= 99%", "needs a load, and the scenario has none");
	s.plan->nodes.len = 1;
	bad(&s, "rss < 1GB", "needs a subject, and the scenario has none");
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
	good(&s, "memory.usage{node=\"db\"} <= 85% of limit");
	synth_done(&s);
}

static void test_recovery(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	synth_fault(&s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_budget(&s, "recovery <= 3s");
	bad(&s, "recovery <= 3s", "needs a latency or errors budget beside it");
	synth_budget(&s, "latency.max <= 1.2s in fault or cpu < 1");
	/* One arm of an "or" need not hold, so it is no reference. */
	bad(&s, "recovery <= 3s", "needs a latency or errors budget beside it");
	synth_budget(&s, "latency.max <= 1.2s in fault and cpu < 1");
	good(&s, "recovery <= 3s");
	good(&s, "detect <= 3s");
	synth_phase(&s, BO_PHASE_HEAL, 0);
	bad(&s, "recovery <= 3s", "needs load after the last fault: give phase 'heal' a duration");
	good(&s, "detect <= 3s");
	synth_done(&s);
}

static void lint(struct synth *s, const char *text, const char *message)
{
	struct bo_budget *b = NULL;
	char buf[256] = "";
	bool warned;

	assert_int_equal(bo_budget_parse(&b, text, NULL), 0);
	warned = bo_budget_lint(b, s->plan, buf, sizeof(buf));
	bo_budget_free(b);
	if (warned != (message != NULL) || (message && !strstr(buf, message)))
		fail_msg("'%s'\n  warns    %s\n  expected %s", text, buf,
			 message ? message : "nothing");
}

static void test_lint(void **state)
{
	struct synth s;

	(void)state;
	synth_init(&s, 1);
	lint(&s, "latency.max <= 4s in fault", NULL);
	lint(&s, "latency.max <= 5s in fault", "gives up after 5.00s, before the limit 5.00s");
	s.plan->timeout_ns = SYNTH_S;
	lint(&s, "latency.max <= 1.2s in fault", NULL);
	lint(&s, "latency.p50 <= 1.3s in fault", "looser than the declared timeout 1.00s");
	lint(&s, "cpu < 9 and latency.max <= 4s in fault", "looser than the declared timeout");
	lint(&s, "latency.p99 <= 900ms in base", NULL);
	lint(&s, "latency.p99.9 <= 900ms in base",
	     "needs at least 4603 requests to pass, and the plan offers about 1000");
	lint(&s, "errors.ratio <= 0.1% in base", "needs at least 4603 requests");
	lint(&s, "availability >= 99.9% in base", "needs at least 4603 requests");
	lint(&s, "errors.ratio <= 1% in fault for 95% of 1s windows",
	     "only 10 windows of 1s, so 95% of them means all");
	lint(&s, "errors.ratio <= 1% in fault for 90% of 1s windows", NULL);
	lint(&s, "latency.shift <= 20%", NULL);
	lint(&s, "latency.shift.p99 <= 20%", NULL);
	lint(&s, "latency.shift.p99.9 <= 20%",
	     "compares windows of base, at least five; the plan offers 1 of them");
	lint(&s, "goroutines.delta <= 5 at hold", NULL);
	s.plan->timeout_ns = 4 * SYNTH_S;
	lint(&s, "goroutines.delta <= 5 at hold", "no longer than the declared timeout 4.00s");
	synth_fault(&s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	lint(&s, "recovery <= 3s", NULL);
	lint(&s, "recovery <= 6s", "load goes on for only 5.00s after the last fault");
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
		lint(&s, budgets[i], NULL);
		s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
		good(&s, budgets[i]);
		lint(&s, budgets[i], "the probe of 'orders' is off");
		s.plan->nodes.items[SYNTH_ORDERS].probe.off = false;
	}
	s.plan->nodes.items[SYNTH_ORDERS].probe.off = true;
	lint(&s, "goroutines{node=db, stuck=true} == 0", NULL);
	lint(&s, "goroutines{node=db, site=a} <= 5 for 90% of 1s windows",
	     "too seldom for 1s windows");
	lint(&s, "goroutines{node=db, site=a} <= 5 for 50% of 2s windows", NULL);
	lint(&s, "goroutines{node=db, older=20s} == 0 at hold", NULL);
	lint(&s, "goroutines{node=db, older=21s} == 0 at hold", "the run has lasted 20.0s by then");
	lint(&s, "goroutines.leaked{node=db} == 0 at hold", NULL);
	s.plan->timeout_ns = 4 * SYNTH_S;
	lint(&s, "goroutines.leaked{node=db} == 0 at hold", "no longer than the declared timeout");
	s.plan->timeout_ns = 0;
	synth_phase(&s, BO_PHASE_HOLD, 2 * SYNTH_S);
	lint(&s, "goroutines.leaked{node=db} == 0 at hold", "too short for a leak to be told");
	synth_phase(&s, BO_PHASE_HOLD, 0);
	bad(&s, "goroutines.leaked{node=db} == 0 at hold", "phase 'hold' does not happen");
	good(&s, "goroutines.leaked{node=db} == 0");
	synth_phase(&s, BO_PHASE_SETTLE, 0);
	bad(&s, "goroutines.leaked{node=db} == 0",
	    "none of the phases that goroutines.leaked is judged in");
	synth_phase(&s, BO_PHASE_SETTLE, 5 * SYNTH_S);
	synth_phase(&s, BO_PHASE_BASE, 0);
	bad(&s, "goroutines.leaked{node=db} == 0", "phase 'base' lasts 0s");
	synth_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_memory_fault_gives_a_limit),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_lint),
		cmocka_unit_test(test_lint_census),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
