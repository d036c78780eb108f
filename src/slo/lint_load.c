/* SPDX-License-Identifier: Apache-2.0 */
/* slo/lint_load.c — budgets over requests that the plan's load cannot decide: it offers too few, gives up too early,
 * or no outcome is possible but one.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "brownout/model/rate.h"
#include "check.h"
#include "eval.h"
#include "metric.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

/* Fewer say nothing of a share or a percentile. */
#define FEW_REQUESTS 10

/* A timeout fires a little late and its answer takes a moment: a quarter more, and at least 100 ms,
 * is not loose. */
static double with_slack(int64_t timeout_ns)
{
	double slack = 0.25 * (double)timeout_ns;

	return (double)timeout_ns + (slack > 1e8 ? slack : 1e8);
}

static bool lint_latency(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			 size_t size)
{
	double limit = slo_limit_fixed(cmp, plan);
	char l[BO_UNIT_BUF], t[BO_UNIT_BUF];

	if (cmp->metric->unit != SLO_UNIT_DURATION || !(cmp->metric->flags & SLO_M_REQUESTS) ||
	    isnan(limit) || !slo_op_caps(cmp->op))
		return false;
	if (plan->timeout_ns > 0 && limit > with_slack(plan->timeout_ns)) {
		snprintf(
			buf, size,
			"the limit %s is looser than the declared timeout %s: the service may ignore its "
			"timeout and still pass",
			slo_format(SLO_UNIT_DURATION, limit, l),
			bo_format_duration(plan->timeout_ns, t));
		return true;
	}
	for (unsigned i = 0; i < plan->loads.len; i++) {
		const struct bo_load_spec *load = &plan->loads.items[i];

		if (cmp->load && strcmp(cmp->load, load->name) != 0)
			continue;
		if (load->timeout_ns > 0 && (double)load->timeout_ns <= limit) {
			snprintf(
				buf, size,
				"load '%s' gives up after %s, before the limit %s: slower answers are never "
				"seen, so this cannot fail",
				load->name, bo_format_duration(load->timeout_ns, t),
				slo_format(SLO_UNIT_DURATION, limit, l));
			return true;
		}
	}
	return false;
}

static int64_t planned_ns(const struct slo_cmp *cmp, const struct bo_plan *plan)
{
	unsigned phases = slo_cmp_phases(cmp);
	int64_t total = 0;

	for (int p = 0; p < BO_PHASE_COUNT; p++)
		total += phases & SLO_PHASE_BIT(p) ? plan->phase_ns[p] : 0;
	return total;
}

/* Of one load; a closed loop's rate is the service's own. */
static double rate_of(const struct slo_cmp *cmp, const struct bo_plan *plan,
		      const struct bo_load_spec *load)
{
	int64_t length = planned_ns(cmp, plan);
	double due = 0;

	if (load->arrivals == BO_ARRIVALS_CLOSED)
		return 0;
	if (load->kind != BO_LOAD_REQUESTS || length <= 0)
		return load->rate_per_s;
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		if (slo_cmp_phases(cmp) & SLO_PHASE_BIT(p))
			due += bo_rate_due_in_phase(plan, load, (enum bo_phase)p,
						    plan->phase_ns[p]);
	}
	return due / ((double)length / 1e9);
}

double slo_planned_rate(const struct slo_cmp *cmp, const struct bo_plan *plan)
{
	double rate = 0;

	for (unsigned i = 0; i < plan->loads.len; i++) {
		double share = slo_route_share(plan, cmp, i);

		if (share > 0 && plan->loads.items[i].arrivals == BO_ARRIVALS_CLOSED)
			return 0;
		rate += share > 0 ? rate_of(cmp, plan, &plan->loads.items[i]) * share : 0;
	}
	return rate;
}

static bool lint_samples(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			 size_t size)
{
	bo_auto(bo_strbuf_done) struct bo_strbuf text = { 0 };
	int64_t length = planned_ns(cmp, plan);
	double rate = slo_planned_rate(cmp, plan), have = rate * (double)length / 1e9, need = 0;
	char t[BO_UNIT_BUF];

	if (!isnan(cmp->quantile))
		need = (double)slo_min_samples(cmp->quantile);
	else if (cmp->metric->unit == SLO_UNIT_RATIO && cmp->limit_kind == SLO_LIMIT_ABSOLUTE &&
		 cmp->limit > 0 && cmp->limit < 1)
		need = (double)slo_min_samples(slo_op_caps(cmp->op) ? 1 - cmp->limit : cmp->limit);
	else if (slo_cmp_exact(cmp) || strcmp(cmp->metric->name, "latency.max") == 0)
		need = SLO_MIN_CENSUS;
	if (need <= 0 || have <= 0 || have >= need)
		return slo_lint_burn(cmp, plan, have, buf, size);
	slo_cmp_print(cmp, &text);
	snprintf(
		buf, size,
		"'%.120s' needs at least %.0f requests to pass, and the plan offers about %.0f there "
		"(%.4g/s for %s)",
		bo_strbuf_str(&text), need, have, rate, bo_format_duration(length, t));
	return true;
}

/* Ranks need five windows a side, and a window ten requests or more (metric_shift.c). */
static bool lint_shift(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
		       size_t size)
{
	double seconds = (double)plan->phase_ns[BO_PHASE_BASE] / 1e9;
	double rate = slo_planned_rate(cmp, plan), window = fmax(fmin(seconds / 10, 1), 0.1);

	if (rate > 0)
		window = fmax(window, (double)slo_shift_least(cmp) / rate);
	if (seconds >= 5 * window)
		return false;
	snprintf(
		buf, size,
		"'%s' compares windows of base, at least five; the plan offers %.0f of them: a longer base, "
		"or more load",
		cmp->metric_text, floor(seconds / window + 1e-9));
	return true;
}

/* How many requests a window wants, so that its percentile is not just its slowest, and one failed request does not
 * break its share. */
static double window_wants(const struct slo_cmp *cmp)
{
	double share = slo_op_caps(cmp->op) ? cmp->limit : 1 - cmp->limit;

	if (!isnan(cmp->quantile))
		return 1 / (1 - cmp->quantile);
	if (cmp->metric->unit == SLO_UNIT_RATIO && cmp->limit_kind == SLO_LIMIT_ABSOLUTE &&
	    share > 0 && share < 1)
		return 1 / share;
	return 1;
}

static bool lint_windows(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			 size_t size)
{
	double want = window_wants(cmp), rate = slo_planned_rate(cmp, plan);
	double have = rate * (double)cmp->window_ns / 1e9;

	if (rate <= 0 || have >= want * (1 - 1e-9))
		return false;
	snprintf(
		buf, size,
		"a window of %s holds about %.0f requests (%.4g/s), too few for %s: %s; that takes "
		"%.0f",
		cmp->window_text, have, rate, cmp->metric_text,
		isnan(cmp->quantile) ? "one failed request breaks it"
				     : "it is that of the slowest of them",
		ceil(want - 1e-9));
	return true;
}

static bool lint_sustained(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			   size_t size)
{
	double rate = slo_planned_rate(cmp, plan);
	double have = rate * (double)cmp->sustained_ns / 1e9;

	if (rate <= 0 || have >= FEW_REQUESTS)
		return false;
	snprintf(buf, size,
		 "in %s there are only about %.0f requests (%.4g/s), too few to say what lasts",
		 cmp->sustained_text, have, rate);
	return true;
}

/* ---- one outcome only ---- */

static bool can_fall_below_zero(const struct slo_metric *metric)
{
	return strcmp(metric->name, "goroutines.delta") == 0 ||
	       strcmp(metric->name, "goroutines.slope") == 0;
}

bool slo_lint_trivial(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf, size_t size)
{
	bool caps = slo_op_caps(cmp->op), strict = cmp->op == SLO_LT || cmp->op == SLO_GT;
	bool share = cmp->metric->unit == SLO_UNIT_RATIO && (cmp->metric->flags & SLO_M_REQUESTS);
	double rate;

	if (cmp->limit_kind != SLO_LIMIT_ABSOLUTE || cmp->op == SLO_EQ)
		return false;
	rate = slo_planned_rate(cmp, plan);
	if (cmp->limit <= 0 && !can_fall_below_zero(cmp->metric) && caps &&
	    (strict || cmp->limit < 0))
		snprintf(buf, size, "this cannot pass: %s is never below 0", cmp->metric_text);
	else if (cmp->limit <= 0 && !can_fall_below_zero(cmp->metric) && !caps &&
		 (!strict || cmp->limit < 0))
		snprintf(buf, size, "this cannot fail: %s is never below 0", cmp->metric_text);
	else if (share && cmp->limit >= 1 && caps && !strict)
		snprintf(buf, size, "this cannot fail: %s is never above 100%%", cmp->metric_text);
	else if (share && cmp->limit >= 1 && !caps && strict)
		snprintf(buf, size, "this cannot pass: %s is never above 100%%", cmp->metric_text);
	else if (strcmp(cmp->metric->name, "throughput") == 0 && !caps && rate > 0 &&
		 cmp->limit > rate)
		snprintf(buf, size, "this cannot pass: the plan offers no more than %.4g/s", rate);
	else
		return false;
	return true;
}

bool slo_lint_load(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf, size_t size)
{
	if (!(cmp->metric->flags & SLO_M_REQUESTS))
		return false;
	if (cmp->metric->flags & SLO_M_NEEDS_BASE)
		return lint_shift(cmp, plan, buf, size);
	if (lint_latency(cmp, plan, buf, size))
		return true;
	if (cmp->window_ns)
		return lint_windows(cmp, plan, buf, size);
	if (cmp->sustained_ns)
		return lint_sustained(cmp, plan, buf, size);
	return lint_samples(cmp, plan, buf, size);
}

/* ---- must ---- */

/* For how long load is planned to run in [@from_ns, @from_ns + @length_ns). */
static int64_t loaded_ns(const struct bo_plan *plan, int64_t from_ns, int64_t length_ns)
{
	int64_t total = 0;

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		int64_t start = bo_plan_phase_start(plan, (enum bo_phase)p),
			end = start + plan->phase_ns[p], to = from_ns + length_ns;

		if (!bo_phase_has_load((enum bo_phase)p))
			continue;
		start = start > from_ns ? start : from_ns;
		end = end < to ? end : to;
		total += end > start ? end - start : 0;
	}
	return total;
}

bool slo_lint_must(const struct slo_must *must, const struct slo_cmp *cmp,
		   const struct bo_plan *plan, char *buf, size_t size)
{
	int64_t wanted = must->within_ns + must->sustained_ns, have;
	double rate = slo_planned_rate(cmp, plan);
	char t[BO_UNIT_BUF];

	if (slo_lint_trivial(cmp, plan, buf, size))
		return true;
	if (!(cmp->metric->flags & SLO_M_REQUESTS))
		return false;
	have = loaded_ns(plan, slo_must_origin(must, plan), wanted);
	if (have < wanted) {
		snprintf(buf, size,
			 "load runs for only %s of the time that 'within %s%s%s' looks at: without "
			 "requests it would be inconclusive",
			 bo_format_duration(have, t), must->within_text,
			 must->sustained_ns ? " sustained for " : "",
			 must->sustained_ns ? must->sustained_text : "");
		return true;
	}
	if (rate <= 0 || rate * (double)must->within_ns / 1e9 >= FEW_REQUESTS)
		return false;
	snprintf(buf, size,
		 "within %s there are only about %.0f requests (%.4g/s), too few to tell",
		 must->within_text, rate * (double)must->within_ns / 1e9, rate);
	return true;
}

/* ---- a load as such ---- */

/* The end of the last phase in which @expr judges requests of load @index; 0 for none. */
static int64_t judged_until(const struct slo_expr *expr, const struct bo_plan *plan, unsigned index)
{
	int64_t until = 0, right;

	if (expr->kind == SLO_EXPR_MUST)
		return 0;
	if (expr->kind != SLO_EXPR_CMP) {
		until = judged_until(expr->left, plan, index);
		right = judged_until(expr->right, plan, index);
		return until > right ? until : right;
	}
	if (!(expr->cmp.metric->flags & SLO_M_REQUESTS) ||
	    !slo_load_counts(plan, &expr->cmp, index))
		return 0;
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		if ((slo_cmp_phases(&expr->cmp) & SLO_PHASE_BIT(p)) && plan->phase_ns[p] > 0)
			until = bo_plan_phase_start(plan, (enum bo_phase)p) + plan->phase_ns[p];
	}
	return until;
}

/* The first fault on the link between the client and @node, NULL for none. */
static const struct bo_fault_spec *link_fault(const struct bo_plan *plan, int node)
{
	int link = bo_plan_link(plan, BO_NODE_CLIENT, node);

	bo_vec_foreach(fault, &plan->faults) {
		if (fault->target == BO_TARGET_LINK && fault->index == link)
			return fault;
	}
	return NULL;
}

static bool lint_socket(const struct bo_plan *plan, const struct bo_load_spec *load, char *buf,
			size_t size)
{
	const struct bo_fault_spec *fault = load->socket ? link_fault(plan, load->node) : NULL;

	if (!fault)
		return false;
	snprintf(
		buf, size,
		"load '%s' goes over a unix socket, which crosses no link: '%s' does not touch it, and a "
		"budget judges it all the same",
		load->name, fault->id);
	return true;
}

bool bo_slo_lint_load(const struct bo_plan *plan, size_t index, char *buf, size_t size)
{
	const struct bo_load_spec *load = &plan->loads.items[index];
	int64_t end = 0, left;
	char t[BO_UNIT_BUF], l[BO_UNIT_BUF];

	bo_vec_foreach(spec, &plan->budgets) {
		struct bo_budget *budget = NULL;
		int64_t until;

		if (bo_budget_parse(&budget, spec->text, NULL) < 0)
			continue;
		until = judged_until(budget->root, plan, (unsigned)index);
		end = until > end ? until : end;
		bo_budget_free(budget);
	}
	if (end && lint_socket(plan, load, buf, size))
		return true;
	left = bo_plan_total(plan) - end;
	if (load->kind != BO_LOAD_REQUESTS || load->timeout_ns <= left || end == 0)
		return false;
	/* A service that keeps its own timeout has answered by then. */
	if (plan->timeout_ns > 0 && with_slack(plan->timeout_ns) <= (double)left)
		return false;
	snprintf(
		buf, size,
		"load '%s' waits up to %s for an answer, and the run ends %s after the last request that a "
		"budget judges: what is in flight then is neither good nor bad; give phase 'settle' "
		"more time",
		load->name, bo_format_duration(load->timeout_ns, t), bo_format_duration(left, l));
	return true;
}
