/* SPDX-License-Identifier: Apache-2.0 */
/* slo/must.c — "must errors.ratio{class=5xx} >= 50% within 2s of fault": what has to happen, and by when.
 *
 * From the start of the phase (or of the first fault) on, time is cut into steps of at most 250 ms, of which the
 * deadline is a multiple; they are longer where a step would hold fewer than ten requests or two samples.  Each is
 * judged as it was seen, like a window.  It happened with the first step in which the comparisons hold (and go on
 * holding, with "sustained for").
 *
 *   PASS          that step lies before the deadline
 *   FAIL          no step before the deadline can have been it
 *   INCONCLUSIVE  one may have been: nobody looked, or what was seen does not tell
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "eval.h"
#include "metric.h"
#include "scope.h"
#include "steps.h"
#include "syntax.h"

#define STEP_NS (250 * BO_NSEC_PER_MSEC)

/**
 * struct wait - one "must" on one run
 * @step_ns: length of a step;  @n: how many there are until the end of the run
 * @closest: the value of a lone comparison that came closest to its limit before the deadline
 */
struct wait {
	const struct slo_ctx *ctx;
	const struct slo_must *must;
	int64_t origin_ns;
	int64_t step_ns;
	size_t n;
	double closest;
	char why[200];
};

static struct slo_span step_at(const struct wait *w, size_t i)
{
	int64_t from = w->origin_ns + (int64_t)i * w->step_ns;

	return (struct slo_span){ from, from + w->step_ns };
}

static bool before_deadline(const struct wait *w, size_t i)
{
	return (int64_t)i * w->step_ns + w->step_ns / 2 < w->must->within_ns;
}

static void note_closest(struct wait *w, const struct slo_cmp *cmp, double value)
{
	if (!isnan(value) &&
	    (isnan(w->closest) || (slo_op_caps(cmp->op) ? value < w->closest : value > w->closest)))
		w->closest = value;
}

/* One comparison at one node (or none), into the worse of what @truths already says. */
static int judge_steps(struct wait *w, const struct slo_cmp *cmp, int node, enum slo_truth *truths,
		       struct bo_err *err)
{
	struct slo_ask ask = {
		.ctx = w->ctx, .cmp = cmp, .phases = slo_cmp_phases(cmp), .node = node
	};
	double lower, upper;
	int r = slo_limit_bounds(w->ctx, cmp, node, &ask.limit, &lower, &upper, w->why,
				 sizeof(w->why), err);

	for (size_t i = 0; r == 0 && i < w->n; i++) {
		struct slo_span step = step_at(w, i);
		struct slo_estimate est;
		enum bo_outcome outcome;
		enum slo_truth truth;

		r = slo_windowed(&ask, step, &est, &outcome, err);
		if (r < 0)
			break;
		truth = outcome == BO_PASS   ? SLO_TRUE
			: outcome == BO_FAIL ? SLO_FALSE
					     : SLO_UNKNOWN;
		if (before_deadline(w, i))
			note_closest(w, cmp, est.value);
		if (truth == SLO_UNKNOWN && isnan(est.value) && slo_seen(&ask, step) &&
		    (cmp->metric->flags & SLO_M_REQUESTS) && !slo_any_due(&ask, step))
			truth = SLO_EMPTY;
		if (truth == SLO_UNKNOWN && before_deadline(w, i) && !w->why[0])
			snprintf(w->why, sizeof(w->why), "%.190s", est.why);
		truths[i] = slo_truth_and(truths[i], truth);
	}
	return r;
}

static int judge_cmp(struct wait *w, const struct slo_cmp *cmp, enum slo_truth *truths,
		     struct bo_err *err)
{
	const struct bo_plan *plan = w->ctx->plan;
	int r = 0;

	for (size_t i = 0; i < w->n; i++)
		truths[i] = SLO_TRUE;
	if (!(cmp->metric->flags & SLO_M_NODE))
		return judge_steps(w, cmp, -1, truths, err);
	for (size_t i = 0; r == 0 && i < plan->nodes.len; i++) {
		const struct bo_node_spec *spec = &plan->nodes.items[i];

		if (cmp->node ? strcmp(spec->name, cmp->node) == 0 : spec->role == BO_ROLE_SUBJECT)
			r = judge_steps(w, cmp, (int)i, truths, err);
	}
	return r;
}

static int judge_expr(struct wait *w, const struct slo_expr *expr, enum slo_truth *truths,
		      struct bo_err *err)
{
	enum slo_truth *right;
	int r;

	if (expr->kind == SLO_EXPR_CMP)
		return judge_cmp(w, &expr->cmp, truths, err);
	right = calloc(w->n + 1, sizeof(*right));
	if (!right)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	r = judge_expr(w, expr->left, truths, err);
	if (r == 0)
		r = judge_expr(w, expr->right, right, err);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		truths[i] = expr->kind == SLO_EXPR_AND ? slo_truth_and(truths[i], right[i])
						       : slo_truth_or(truths[i], right[i]);
	free(right);
	return r;
}

/* The longest step that one of the comparisons needs. */
static void fit_step(struct wait *w, const struct slo_expr *expr)
{
	struct slo_ask ask = { .ctx = w->ctx, .cmp = &expr->cmp };
	int64_t length;

	if (expr->kind != SLO_EXPR_CMP) {
		fit_step(w, expr->left);
		fit_step(w, expr->right);
		return;
	}
	for (size_t i = 0; i < w->ctx->plan->nodes.len; i++) {
		ask.node = (int)i;
		length = slo_step_length(&ask, w->must->within_ns, STEP_NS);
		w->step_ns = length > w->step_ns ? length : w->step_ns;
	}
}

static bool find_origin(struct wait *w, char *why, size_t size)
{
	const struct bo_run *run = w->ctx->run;
	enum bo_phase of = w->must->of;

	if (of == BO_PHASE_COUNT)
		return slo_fault_began(w->ctx, &w->origin_ns, why, size);
	if (slo_phase_happened(run, of)) {
		w->origin_ns = run->phases[of].start_ns;
		return true;
	}
	snprintf(why, size, "phase '%s' did not happen", bo_phase_name(of));
	return false;
}

static int64_t end_of(const struct bo_run *run)
{
	int64_t end = SLO_NEVER;

	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		if (slo_phase_happened(run, (enum bo_phase)i) && run->phases[i].end_ns > end)
			end = run->phases[i].end_ns;
	}
	return end;
}

static const char *since(const struct slo_must *must)
{
	return must->of == BO_PHASE_COUNT ? "the first fault" : bo_phase_name(must->of);
}

static void describe_limit(const struct slo_must *must, struct slo_result *ret)
{
	char d[BO_UNIT_BUF];

	ret->limit_value = (double)must->within_ns;
	snprintf(ret->limit, sizeof(ret->limit), "within %s of %s%s%.20s",
		 bo_format_duration(must->within_ns, d), since(must),
		 must->sustained_ns ? " sustained for " : "",
		 must->sustained_ns ? must->sustained_text : "");
}

static void say_never(const struct wait *w, const struct slo_expr *expr, int64_t seen_ns,
		      struct slo_result *ret)
{
	const struct slo_expr *lone = expr->left;
	char t[BO_UNIT_BUF], v[BO_UNIT_BUF];

	ret->measured_value = (double)seen_ns;
	snprintf(ret->measured, sizeof(ret->measured), "not within %s",
		 bo_format_duration(seen_ns, t));
	if (lone->kind == SLO_EXPR_CMP && !isnan(w->closest))
		snprintf(ret->measured + strlen(ret->measured),
			 sizeof(ret->measured) - strlen(ret->measured), "; closest %s %s",
			 slo_op_caps(lone->cmp.op) ? "was down to" : "was up to",
			 slo_format(slo_cmp_unit(&lone->cmp), w->closest, v));
}

static void conclude(const struct wait *w, const struct slo_expr *expr,
		     const enum slo_truth *truths, int64_t end_ns, struct slo_result *ret)
{
	const struct slo_must *must = w->must;
	int64_t deadline = w->origin_ns + must->within_ns, unseen, took;
	struct slo_steps steps;
	bool any = false;
	char t[BO_UNIT_BUF];

	slo_steps_init(&steps, must->sustained_ns);
	for (size_t i = 0; i < w->n; i++) {
		struct slo_span s = step_at(w, i);

		any |= truths[i] != SLO_EMPTY && before_deadline(w, i);
		slo_steps_add(&steps, s.from_ns, s.to_ns, truths[i]);
	}
	/* What comes after the end nobody knows; it matters when the end came before the deadline, or before it had
	 * lasted for long enough. */
	unseen = w->origin_ns + (int64_t)w->n * w->step_ns;
	slo_steps_add(&steps, unseen, INT64_MAX / 2, SLO_UNKNOWN);
	if (steps.found_ns == SLO_NEVER) {
		say_never(w, expr, end_ns - w->origin_ns, ret);
	} else {
		took = steps.found_ns - w->origin_ns;
		ret->measured_value = (double)took;
		snprintf(ret->measured, sizeof(ret->measured), "held from %s after %s on",
			 bo_format_duration(took, t), since(must));
		if (took >= must->within_ns)
			snprintf(ret->excess, sizeof(ret->excess), "by %s (%.0f%%)",
				 bo_format_duration(took - must->within_ns, t),
				 100 * (double)(took - must->within_ns) / (double)must->within_ns);
	}
	if (steps.found_ns != SLO_NEVER && steps.found_ns < deadline) {
		ret->outcome = BO_PASS;
	} else if (!any || steps.possible_ns < deadline) {
		ret->excess[0] = '\0';
		if (!any)
			snprintf(ret->reason, sizeof(ret->reason), "no requests in that time");
		else if (steps.possible_ns >= unseen || !w->why[0])
			snprintf(ret->reason, sizeof(ret->reason),
				 "nobody looked for long enough to tell");
		else
			snprintf(ret->reason, sizeof(ret->reason),
				 "it may have happened %s after %s: %.150s",
				 bo_format_duration(steps.possible_ns - w->origin_ns, t),
				 since(must), w->why);
	} else {
		ret->outcome = BO_FAIL;
		ret->first_breach_ns = deadline;
	}
}

int slo_eval_must(const struct slo_ctx *ctx, const struct slo_expr *expr, struct slo_result *ret,
		  struct bo_err *err)
{
	struct wait w = { .ctx = ctx, .must = &expr->must, .closest = NAN };
	enum slo_truth *truths;
	int64_t end_ns;
	int r;

	*ret = (struct slo_result){ .outcome = BO_INCONCLUSIVE,
				    .measured_value = NAN,
				    .first_breach_ns = SLO_NEVER };
	describe_limit(&expr->must, ret);
	snprintf(ret->measured, sizeof(ret->measured), "not measured");
	if (!find_origin(&w, ret->reason, sizeof(ret->reason)))
		return 0;
	fit_step(&w, expr->left);
	end_ns = end_of(ctx->run);
	w.n = end_ns > w.origin_ns ? (size_t)((end_ns - w.origin_ns) / w.step_ns) : 0;
	truths = calloc(w.n + 1, sizeof(*truths));
	if (!truths)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	r = judge_expr(&w, expr->left, truths, err);
	if (r == 0)
		conclude(&w, expr, truths, end_ns, ret);
	free(truths);
	return r;
}
