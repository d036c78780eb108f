/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_budget.c — any text as a budget, and as a guard: it is refused with a message, or it
 * prints to a text that means the same, and can be checked, linted and judged on a run without crashing.
 * Owns: one plan and run for the life of the process.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/slo/budget.h"
#include "brownout/slo/guard.h"
#include "brownout/slo/sequential.h"
#include "synth_groups.h"
#include "synth_run.h"

static void some_groups(struct synth *s, struct bo_group_snapshot *snap, void *arg)
{
	(void)arg;
	synth_group(s, snap, "a/b.(*S).q|chan send|b.w", 20, 20, 7)->labels = "\"r\":\"/p\"";
	synth_group(s, snap, "main.pool|select|main.worker", 4, 0, 300);
	synth_group(s, snap, "main.x|sleep|", 1, 1, 1)->leaked = true;
	synth_group(s, snap, BO_GROUPS_OTHER "||", 9, 3, 2);
}

static const struct bo_route_spec routes[] = { { .name = "pay", .weight = 1 },
					       { .name = "list", .weight = 3 } };

/* Some of everything, and some of it missing. */
static void fill(struct synth *s)
{
	synth_init(s, 1);
	s->plan->timeout_ns = SYNTH_S;
	s->plan->slo_target = 0.999;
	s->plan->loads.items[0].routes = routes;
	s->plan->loads.items[0].nroutes = 2;
	synth_fault(s, BO_PHASE_FAULT, BO_PHASE_HOLD, BO_CONFIRM_OK);
	synth_steady(s, synth_start(s, BO_PHASE_WARMUP), synth_end(s, BO_PHASE_FAULT), 10,
		     20 * SYNTH_MS, BO_REQ_OK);
	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
		synth_req(s, synth_start(s, BO_PHASE_FAULT) + c * SYNTH_MS, 2 * SYNTH_S,
			  (enum bo_req_class)c);
	synth_steady(s, synth_start(s, BO_PHASE_HEAL), synth_end(s, BO_PHASE_HEAL), 10,
		     20 * SYNTH_MS, BO_REQ_OK);
	bo_vec_foreach(req, &s->run->requests)
		req->route = (uint16_t)(req->intended_ns / SYNTH_MS % 3); /* 2: there is none */
	synth_flat(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, 0, 20 * SYNTH_S, 20);
	synth_gap(s, BO_SERIES_GOROUTINES, SYNTH_ORDERS, 20 * SYNTH_S, 30 * SYNTH_S, "down");
	synth_flat(s, BO_SERIES_MEMORY, SYNTH_ORDERS, 0, 30 * SYNTH_S, 1 << 20);
	synth_flat(s, BO_SERIES_OOM_KILLS, SYNTH_ORDERS, 0, 30 * SYNTH_S, 0);
	synth_flat(s, BO_SERIES_CPU, SYNTH_DB, 0, 30 * SYNTH_S, 0.5);
	synth_watch(s, 0, 9 * SYNTH_S, some_groups, NULL);
	synth_watch(s, 15 * SYNTH_S, 30 * SYNTH_S, some_groups, NULL);
	synth_flat(s, BO_SERIES_GC_CYCLES, SYNTH_ORDERS, 0, 30 * SYNTH_S, 7);
	synth_flat(s, BO_SERIES_GC_PAUSE, SYNTH_ORDERS, 0, 9 * SYNTH_S, 1e6);
	synth_flat(s, BO_SERIES_HEAP_LIVE, SYNTH_ORDERS, 0, 30 * SYNTH_S, 1 << 20);
	synth_flat(s, BO_SERIES_SCHED_RUNQ, SYNTH_ORDERS, 9 * SYNTH_S, 20 * SYNTH_S, 3);
	synth_flat(s, BO_SERIES_CREATED, SYNTH_ORDERS, 0, 30 * SYNTH_S, 16);
	synth_budget(s, "latency.max <= 1s in fault");
	synth_budget(s, "");
}

static void require(bool ok)
{
	if (!ok)
		abort();
}

static char *printed(const struct bo_budget *b)
{
	struct bo_strbuf out = { 0 };

	bo_budget_print(b, &out);
	require(bo_strbuf_ok(&out) && out.len > 0);
	return out.buf;
}

static double anything(void *arg, const char *series, int node)
{
	(void)arg;
	return (double)strlen(series) * node;
}

static void try_guard(const struct bo_plan *plan, const char *text)
{
	struct bo_strbuf first = { 0 }, second = { 0 };
	struct bo_guard *g = NULL, *again = NULL;
	struct bo_load_live load = { .offered_per_s = 9,
				     .ended_per_s[BO_REQ_OK] = 9,
				     .latencies[9] = 9 };
	struct bo_err err = { 0 };
	char buf[128] = "";

	if (bo_guard_parse(&g, text, &err) < 0) {
		require(err.code > 0 && err.msg[0] && !strchr(err.msg, '\n') && !g);
		return;
	}
	bo_guard_print(g, &first);
	if (strlen(bo_strbuf_str(&first)) <= 1000) {
		require(bo_guard_parse(&again, bo_strbuf_str(&first), NULL) == 0);
		bo_guard_print(again, &second);
		require(strcmp(bo_strbuf_str(&first), bo_strbuf_str(&second)) == 0);
	}
	if (bo_guard_check(g, plan, &err) == 0) {
		for (int t = 0; t < 40; t++) {
			struct bo_live_state now = { .t_ns = t * SYNTH_S / 4,
						     .phase = t < 20 ? BO_PHASE_BASE
								     : BO_PHASE_FAULT,
						     .loads = &load,
						     .nloads = 1,
						     .value = anything };

			require(!bo_guard_feed(g, plan, &now, buf, sizeof(buf)) || buf[0]);
		}
	}
	bo_guard_free(again);
	bo_guard_free(g);
	bo_strbuf_done(&first);
	bo_strbuf_done(&second);
}

static void try_stop(const struct bo_plan *plan)
{
	struct bo_stop *stop = NULL;
	char buf[128] = "";

	require(bo_stop_new(&stop, plan, NULL) == 0);
	for (int t = 0; t < 8; t++) {
		for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
			bo_stop_add(stop,
				    &(struct bo_req){ .end_ns = t * SYNTH_S, .cls = (uint8_t)c },
				    BO_PHASE_FAULT);
		require(bo_stop_ask(stop, BO_PHASE_FAULT, (size_t)t, buf, sizeof(buf)) ==
				BO_SEQ_OPEN ||
			buf[0]);
	}
	bo_stop_free(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct synth s;
	static unsigned runs;
	struct bo_budget *b = NULL, *again = NULL;
	struct bo_err err = { 0 };
	char lint[128], *text, *first, *second;

	/* Every verdict leaves its reasons in the run's arena: begin anew before that adds up. */
	if (s.plan && runs++ % 4096 == 4095) {
		synth_done(&s);
		s.plan = NULL;
	}
	if (!s.plan)
		fill(&s);
	text = malloc(size + 1);
	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	try_guard(s.plan, text);
	if (bo_budget_parse(&b, text, &err) < 0) {
		require(err.code > 0 && err.msg[0] && !strchr(err.msg, '\n') && !b);
		free(text);
		return 0;
	}
	first = printed(b);
	/* What was written close to the bound may print longer, with its blanks and quotes. */
	if (strlen(first) <= 1000) {
		require(bo_budget_parse(&again, first, NULL) == 0);
		second = printed(again);
		require(strcmp(first, second) == 0);
		free(second);
	}
	bo_budget_free(again);
	if (bo_budget_lint(b, s.plan, lint, sizeof(lint)))
		require(lint[0] != '\0');
	s.plan->budgets.items[1].text = text;
	if (bo_budget_check(b, s.plan, &err) == 0) {
		const struct bo_budget_result *r;

		try_stop(s.plan);
		synth_judge(&s, NULL);
		r = &s.run->verdict.budgets.items[1];
		require(r->measured[0] && r->limit[0]);
		require(r->outcome != BO_INCONCLUSIVE || r->reason[0]);
		require(r->outcome == BO_FAIL || r->first_breach_ns == INT64_MIN);
		require(r->outcome != BO_FAIL || isfinite(r->measured_value));
	}
	s.plan->budgets.items[1].text = "";
	bo_budget_free(b);
	free(first);
	free(text);
	return 0;
}
