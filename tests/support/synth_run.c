/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_run.c — see synth_run.h. */
#include "synth_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/slo/budget.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "synthetic run: %s\n", what);
	abort();
}

static void set_spans(struct synth *s)
{
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		struct bo_phase_span *span = &s->run->phases[i];

		span->start_ns = span->end_ns = INT64_MIN;
		if (s->plan->phase_ns[i] > 0) {
			span->start_ns = bo_plan_phase_start(s->plan, (enum bo_phase)i);
			span->end_ns = span->start_ns + s->plan->phase_ns[i];
		}
	}
	s->run->ended_ns = bo_plan_total(s->plan);
}

void synth_init(struct synth *s, uint64_t seed)
{
	static const int seconds[BO_PHASE_COUNT] = { 1, 5, 10, 4, 5, 5 };
	struct bo_plan *plan = bo_plan_new();

	must(plan != NULL, "plan");
	for (int i = 0; i < BO_PHASE_COUNT; i++)
		plan->phase_ns[i] = seconds[i] * SYNTH_S;
	must(bo_vec_push(&plan->nodes,
			 (struct bo_node_spec){ .name = "orders",
						.role = BO_ROLE_SUBJECT,
						.memory_bytes = 256 << 20,
						.probe = { .interval_ns = 100 * SYNTH_MS } }),
	     "node");
	must(bo_vec_push(&plan->nodes,
			 (struct bo_node_spec){ .name = "db",
						.role = BO_ROLE_DEPENDENCY,
						.probe = { .interval_ns = 100 * SYNTH_MS } }),
	     "node");
	must(bo_plan_link_add(plan, SYNTH_ORDERS, SYNTH_DB, (struct bo_src){ 0 }) == 0, "link");
	must(bo_vec_push(&plan->loads, (struct bo_load_spec){ .name = "checkout",
							      .kind = BO_LOAD_REQUESTS,
							      .node = SYNTH_ORDERS,
							      .rate_per_s = 200,
							      .timeout_ns = 5 * SYNTH_S,
							      .max_inflight = 1000 }),
	     "load");
	s->plan = plan;
	s->run = bo_run_new(plan);
	must(s->run != NULL, "run");
	set_spans(s);
	bo_rng_init(&s->rng, seed, 0);
}

void synth_done(struct synth *s)
{
	bo_run_free(s->run);
	bo_plan_free(s->plan);
}

void synth_phase(struct synth *s, enum bo_phase phase, int64_t length_ns)
{
	s->plan->phase_ns[phase] = length_ns;
	set_spans(s);
}

int64_t synth_start(const struct synth *s, enum bo_phase phase)
{
	return s->run->phases[phase].start_ns;
}

int64_t synth_end(const struct synth *s, enum bo_phase phase)
{
	return s->run->phases[phase].end_ns;
}

void synth_budget(struct synth *s, const char *text)
{
	must(bo_vec_push(&s->plan->budgets, (struct bo_budget_spec){ .text = text }), "budget");
}

/* The generator did its part, whatever the requests say. */
static void fill_loads(struct synth *s)
{
	struct bo_run *run = s->run;

	while (run->loads.len < s->plan->loads.len)
		must(bo_vec_push(&run->loads, (struct bo_load_record){ .lag_p99_ns = 20000 }),
		     "load record");
	for (size_t i = 0; i < run->loads.len; i++) {
		if (run->loads.items[i].offered)
			continue;
		bo_vec_foreach(req, &run->requests) {
			if (req->load != i)
				continue;
			run->loads.items[i].offered++;
			run->loads.items[i].sent += req->cls != BO_REQ_SHED;
			run->loads.items[i].shed += req->cls == BO_REQ_SHED;
		}
	}
}

const struct bo_budget_result *synth_judge(struct synth *s, const char *text)
{
	struct bo_err err = { 0 };

	if (text) {
		s->plan->budgets.len = 0;
		synth_budget(s, text);
	}
	fill_loads(s);
	if (bo_slo_judge(s->run, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		must(false, "judging");
	}
	return s->run->verdict.budgets.items;
}

void synth_req(struct synth *s, int64_t at_ns, int64_t latency_ns, enum bo_req_class cls)
{
	struct bo_req req = { .intended_ns = at_ns,
			      .sent_ns = at_ns,
			      .end_ns = at_ns + latency_ns,
			      .cls = (uint8_t)cls };

	if (cls == BO_REQ_OK)
		req.status = 200;
	must(bo_vec_push(&s->run->requests, req), "request");
}

void synth_steady(struct synth *s, int64_t from_ns, int64_t to_ns, double rate, int64_t latency_ns,
		  enum bo_req_class cls)
{
	int64_t gap = (int64_t)(1e9 / rate);

	for (int64_t t = from_ns; t < to_ns; t += gap)
		synth_req(s, t, latency_ns, cls);
}

void synth_quiet_load(struct synth *s, unsigned except)
{
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		enum bo_phase phase = (enum bo_phase)i;

		if (bo_phase_has_load(phase) && !(except & (1u << i)) && s->plan->phase_ns[i] > 0)
			synth_steady(s, synth_start(s, phase), synth_end(s, phase), 200,
				     20 * SYNTH_MS, BO_REQ_OK);
	}
}

static struct bo_series *series_of(struct synth *s, const char *name, int node)
{
	bo_vec_foreach(it, &s->run->series) {
		if ((*it)->node == node && strcmp((*it)->name, name) == 0)
			return *it;
	}
	return bo_run_series_add(s->run, name, "", "synthetic", node);
}

void synth_sample(struct synth *s, const char *series, int node, int64_t t_ns, double value)
{
	struct bo_series *to = series_of(s, series, node);

	must(to && bo_vec_push(&to->samples, (struct bo_sample){ t_ns, value }), "sample");
}

void synth_flat(struct synth *s, const char *series, int node, int64_t from_ns, int64_t to_ns,
		double value)
{
	for (int64_t t = from_ns; t < to_ns; t += 100 * SYNTH_MS)
		synth_sample(s, series, node, t, value);
}

void synth_gap(struct synth *s, const char *series, int node, int64_t from_ns, int64_t to_ns,
	       const char *reason)
{
	struct bo_series *to = series_of(s, series, node);

	must(to && bo_vec_push(&to->gaps, (struct bo_gap){ from_ns, to_ns, reason }), "gap");
}

void synth_fault(struct synth *s, enum bo_phase from, enum bo_phase to, enum bo_confirm confirm)
{
	struct bo_fault_record rec = { .confirm = confirm,
				       .applied_ns = synth_start(s, from),
				       .reverted_ns = synth_end(s, to) };

	snprintf(rec.requested, sizeof(rec.requested), "delay 1.50s");
	snprintf(rec.achieved, sizeof(rec.achieved),
		 confirm == BO_CONFIRM_OK ? "delay p50 1.50s" : "delay p50 0s");
	must(bo_vec_push(&s->plan->faults, (struct bo_fault_spec){ .id = "delay orders-db",
								   .kind = "delay",
								   .target = BO_TARGET_LINK,
								   .from = from,
								   .to = to }),
	     "fault");
	must(bo_vec_push(&s->run->faults, rec), "fault record");
}
