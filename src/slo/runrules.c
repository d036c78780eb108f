/* SPDX-License-Identifier: Apache-2.0 */
/* slo/runrules.c — what keeps a run from a PASS whatever its budgets say: a fault that was not
 * confirmed, a generator that did not keep its schedule, phases without load, problems reported
 * while it ran.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "brownout/model/rate.h"
#include "eval.h"
#include "scope.h"
#include "syntax.h"

#define MAX_PROBLEMS 8

int slo_reason(struct bo_run *run, struct bo_err *err, const char *fmt, ...)
{
	char buf[900];
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	bo_vec_foreach(seen, &run->verdict.reasons) {
		if (strcmp(*seen, buf) == 0)
			return 0;
	}
	text = bo_arena_strdup(&run->arena, buf);
	if (!text || !bo_vec_push(&run->verdict.reasons, text))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	return 0;
}

/* The run ended before the fault's time came, and says so itself. */
static bool never_came(const struct bo_run *run, const struct bo_fault_record *f)
{
	return (run->abort_reason || run->failure || run->stopped_early) &&
	       f->confirm == BO_CONFIRM_PENDING && f->applied_ns == INT64_MIN && !*f->reason;
}

static int rule_faults(struct bo_run *run, struct bo_err *err)
{
	const struct bo_plan *plan = run->plan;

	for (size_t i = 0; i < plan->faults.len; i++) {
		const struct bo_fault_record *f = i < run->faults.len ? &run->faults.items[i]
								      : NULL;
		const char *id = plan->faults.items[i].id;
		int r;

		if (f && (f->confirm == BO_CONFIRM_OK || never_came(run, f)))
			continue;
		if (!f)
			r = slo_reason(run, err, "fault '%s' left no record", id);
		else if (f->confirm == BO_CONFIRM_PENDING)
			r = slo_reason(run, err, "fault '%s' was never confirmed%s%s", id,
				       *f->reason ? ": " : "", f->reason);
		else
			r = slo_reason(run, err, "fault '%s' %s: requested %s, achieved %s%s%s", id,
				       f->confirm == BO_CONFIRM_OFF ? "did not take effect as asked"
								    : "could not be measured",
				       *f->requested ? f->requested : "nothing",
				       *f->achieved ? f->achieved : "nothing",
				       *f->reason ? ": " : "", f->reason);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What became of the requests of one load. */
struct load_tally {
	uint64_t recorded;
	uint64_t local; /* the generator could not even try */
	uint64_t in_phase[BO_PHASE_COUNT];
};

static void tally_load(const struct bo_run *run, unsigned index, struct load_tally *t)
{
	*t = (struct load_tally){ 0 };
	bo_vec_foreach(req, &run->requests) {
		if (req->load != index)
			continue;
		t->recorded++;
		t->local += req->cls == BO_REQ_OTHER;
		for (int i = 0; i < BO_PHASE_COUNT; i++)
			t->in_phase[i] += slo_phase_happened(run, (enum bo_phase)i) &&
					  req->intended_ns >= run->phases[i].start_ns &&
					  req->intended_ns < run->phases[i].end_ns;
	}
}

/* Did the generator offer what the plan says?  A Poisson stream may miss its mean by chance. */
static int rule_offered(struct bo_run *run, unsigned index, const struct load_tally *t,
			struct bo_err *err)
{
	const struct bo_load_spec *spec = &run->plan->loads.items[index];
	double due = 0, slack;

	/* A closed loop owes no rate: its answers set the pace. */
	if (spec->arrivals == BO_ARRIVALS_CLOSED)
		return 0;
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		double expected;

		if (!bo_phase_has_load((enum bo_phase)i) ||
		    !slo_phase_happened(run, (enum bo_phase)i))
			continue;
		expected = bo_rate_due_in_phase(run->plan, spec, (enum bo_phase)i,
						run->phases[i].end_ns - run->phases[i].start_ns);
		due += expected;
		/* Fewer than five: that none came may be chance. */
		if (t->in_phase[i] == 0 && expected >= 5) {
			int r = slo_reason(run, err, "load '%s' sent nothing in phase '%s'",
					   spec->name, bo_phase_name((enum bo_phase)i));
			if (r < 0)
				return r;
		}
	}
	slack = spec->arrivals == BO_ARRIVALS_POISSON ? 4 * sqrt(due) : 2;
	if (spec->arrivals == BO_ARRIVALS_BURST)
		slack = (double)spec->burst_count; /* the last one may lie on the edge */
	if (due > 0 && (double)t->recorded > 0 && (double)t->recorded < 0.99 * due - slack)
		return slo_reason(
			run, err,
			"load '%s' offered only %llu of %.0f requests (%.1f%%): the generator did "
			"not keep its rate",
			spec->name, (unsigned long long)t->recorded, due,
			100 * (double)t->recorded / due);
	return 0;
}

static int rule_load(struct bo_run *run, unsigned index, double tightest_ns, struct bo_err *err)
{
	const struct bo_load_spec *spec = &run->plan->loads.items[index];
	const struct bo_load_record *rec = index < run->loads.len ? &run->loads.items[index] : NULL;
	char lag[BO_UNIT_BUF], limit[BO_UNIT_BUF];
	struct load_tally t;
	int r;

	if (!rec)
		return slo_reason(run, err, "load '%s' left no record", spec->name);
	if (!isnan(tightest_ns) && (double)rec->lag_p99_ns > 0.1 * tightest_ns) {
		r = slo_reason(
			run, err,
			"load '%s' was late itself: lag p99 %s is more than a tenth of the tightest "
			"latency limit %s; the machine was busy: run it again on a quieter one",
			spec->name, bo_format_duration(rec->lag_p99_ns, lag),
			slo_format(SLO_UNIT_DURATION, tightest_ns, limit));
		if (r < 0)
			return r;
	}
	if (spec->kind != BO_LOAD_REQUESTS)
		return 0;
	tally_load(run, index, &t);
	if (rec->offered && (double)(t.recorded - t.local) < 0.99 * (double)rec->offered) {
		r = slo_reason(
			run, err,
			"load '%s' achieved %llu of %llu offered requests; the rest failed in the "
			"generator",
			spec->name, (unsigned long long)(t.recorded - t.local),
			(unsigned long long)rec->offered);
		if (r < 0)
			return r;
	}
	/* Not the generator's failing, but the service was not under the load that the plan says.
	 */
	if (rec->offered && (double)rec->shed > 0.01 * (double)rec->offered) {
		r = slo_reason(
			run, err,
			"load '%s' shed %llu of %llu requests: %lld in flight is its max_inflight, and "
			"the service did not keep up",
			spec->name, (unsigned long long)rec->shed, (unsigned long long)rec->offered,
			(long long)spec->max_inflight);
		if (r < 0)
			return r;
	}
	return rule_offered(run, index, &t, err);
}

static int rule_problems(struct bo_run *run, struct bo_err *err)
{
	size_t n = 0;

	bo_vec_foreach(event, &run->events) {
		const char *node = "";
		int r;

		if (event->kind != BO_EVENT_PROBLEM || n++ >= MAX_PROBLEMS)
			continue;
		if (event->node > 0 && (size_t)event->node < run->plan->nodes.len)
			node = run->plan->nodes.items[event->node].name;
		/* Many a text names its node itself. */
		if (event->text && strncmp(event->text, node, strlen(node)) == 0)
			node = "";
		r = slo_reason(run, err, "%s%s%s", node, *node ? ": " : "",
			       event->text ? event->text : "a problem");
		if (r < 0)
			return r;
	}
	if (n > MAX_PROBLEMS)
		return slo_reason(run, err, "and %zu more problems", n - MAX_PROBLEMS);
	return 0;
}

static bool has_begun(const struct bo_run *run)
{
	for (int p = 0; p < BO_PHASE_COUNT; p++)
		if (run->phases[p].start_ns != INT64_MIN)
			return true;
	return false;
}

int slo_run_rules(struct bo_run *run, const struct slo_ctx *ctx, double tightest_latency_ns,
		  struct bo_err *err)
{
	/* what went wrong explains the rest, so it comes first */
	int r = rule_problems(run, err);
	bool judged = false;

	(void)ctx;
	/* a run that never began has nothing else to say than why */
	if (r == 0 && run->verdict.reasons.len && !has_begun(run))
		return 0;
	if (r == 0)
		r = rule_faults(run, err);
	for (unsigned i = 0; r == 0 && i < run->plan->loads.len; i++)
		r = rule_load(run, i, tightest_latency_ns, err);
	bo_vec_foreach(b, &run->verdict.budgets)
		judged |= !b->warn;
	if (r == 0 && !judged)
		r = slo_reason(run, err,
			       run->plan->budgets.len
				       ? "every budget only warns: nothing was judged"
				       : "the scenario has no budget: nothing was judged");
	return r;
}
