/* SPDX-License-Identifier: Apache-2.0 */
/* slo/lint.c — budgets that are valid and yet cannot do their work.
 * A 12.8 s query once sat unnoticed under a 15 s alert: a limit far above the declared timeout
 * judges nothing.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "check.h"
#include "eval.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

static bool lint_windows(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			 size_t size)
{
	unsigned phases = slo_cmp_phases(cmp);
	int64_t n = 0;

	if (!cmp->window_ns || cmp->share >= 1)
		return false;
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		if (phases & SLO_PHASE_BIT(p))
			n += (plan->phase_ns[p] + cmp->window_ns / 2) / cmp->window_ns;
	}
	if (n < 1 || (1 - cmp->share) * (double)n >= 1 - 1e-9)
		return false;
	snprintf(buf, size, "there are only %lld windows of %s, so %s of them means all of them",
		 (long long)n, cmp->window_text, cmp->share_text);
	return true;
}

static bool lint_hold(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf, size_t size)
{
	char h[BO_UNIT_BUF], t[BO_UNIT_BUF];

	if (!cmp->at || cmp->to != BO_PHASE_HOLD || !(cmp->metric->flags & SLO_M_NEEDS_BASE) ||
	    plan->timeout_ns <= 0 || plan->phase_ns[BO_PHASE_HOLD] > plan->timeout_ns)
		return false;
	snprintf(
		buf, size,
		"phase 'hold' (%s) is no longer than the declared timeout %s: requests that still wait in "
		"earnest would be taken for leaked",
		bo_format_duration(plan->phase_ns[BO_PHASE_HOLD], h),
		bo_format_duration(plan->timeout_ns, t));
	return true;
}

static bool lint_recovery(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			  size_t size)
{
	int64_t after;
	double limit;
	char l[BO_UNIT_BUF], h[BO_UNIT_BUF];

	if (strcmp(cmp->metric->name, "recovery") != 0 || !slo_op_caps(cmp->op))
		return false;
	after = slo_load_after(plan, cmp);
	limit = slo_limit_fixed(cmp, plan);
	if (isnan(limit) || (double)after >= limit)
		return false;
	snprintf(
		buf, size,
		"load goes on for only %s after the last fault, less than the limit %s: a service that never "
		"recovers would be inconclusive, not failed",
		bo_format_duration(after > 0 ? after : 0, h),
		slo_format(SLO_UNIT_DURATION, limit, l));
	return true;
}

/* Only a look into the process tells groups, leaks and the runtime's own numbers. */
static bool lint_census(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			size_t size)
{
	if (!slo_needs_census(cmp))
		return false;
	bo_vec_foreach(spec, &plan->nodes) {
		if (cmp->node ? strcmp(spec->name, cmp->node) != 0 : spec->role != BO_ROLE_SUBJECT)
			continue;
		if (!spec->probe.off)
			continue;
		snprintf(
			buf, size,
			"only the goroutine census can judge this, and the probe of '%s' is off: it "
			"would be inconclusive",
			spec->name);
		return true;
	}
	return false;
}

/* Snapshots come about once a second, which bounds what they can tell. */
static bool lint_snapshots(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
			   size_t size)
{
	enum bo_phase last = cmp->to == BO_PHASE_COUNT ? BO_PHASE_SETTLE : cmp->to;
	int64_t until = bo_plan_phase_start(plan, last) + plan->phase_ns[last];
	char a[BO_UNIT_BUF];

	if (cmp->select && cmp->window_ns && cmp->window_ns < 2 * SLO_SNAPSHOT_INTERVAL_NS) {
		snprintf(buf, size,
			 "goroutines are looked at about once a second, too seldom for %s windows",
			 cmp->window_text);
		return true;
	}
	if (cmp->select && cmp->sustained_ns && cmp->sustained_ns < 2 * SLO_SNAPSHOT_INTERVAL_NS) {
		snprintf(buf, size,
			 "goroutines are looked at about once a second, too seldom to say what "
			 "lasts for %s",
			 cmp->sustained_text);
		return true;
	}
	if (cmp->select && cmp->select->older_ns > until) {
		snprintf(buf, size,
			 "the run has lasted %s by then: nobody can have been seen for %s",
			 bo_format_duration(until, a), cmp->select->older_text);
		return true;
	}
	if ((cmp->metric->flags & SLO_M_SNAPSHOTS) && plan->phase_ns[last] > 0 &&
	    plan->phase_ns[last] < SLO_STALE_INTERVALS * SLO_SNAPSHOT_INTERVAL_NS) {
		snprintf(buf, size,
			 "phase '%s' (%s) is too short for a leak to be told: that takes three "
			 "looks, a second apart",
			 bo_phase_name(last), bo_format_duration(plan->phase_ns[last], a));
		return true;
	}
	return false;
}

static bool lint_must(const struct slo_expr *expr, const struct slo_must *must,
		      const struct bo_plan *plan, char *buf, size_t size)
{
	if (expr->kind == SLO_EXPR_CMP)
		return slo_lint_must(must, &expr->cmp, plan, buf, size);
	return lint_must(expr->left, must, plan, buf, size) ||
	       lint_must(expr->right, must, plan, buf, size);
}

static bool lint_expr(const struct slo_expr *expr, const struct bo_plan *plan, char *buf,
		      size_t size)
{
	const struct slo_cmp *cmp = &expr->cmp;

	if (expr->kind == SLO_EXPR_MUST)
		return lint_must(expr->left, &expr->must, plan, buf, size);
	if (expr->kind != SLO_EXPR_CMP)
		return lint_expr(expr->left, plan, buf, size) ||
		       lint_expr(expr->right, plan, buf, size);
	return slo_lint_trivial(cmp, plan, buf, size) || slo_lint_load(cmp, plan, buf, size) ||
	       lint_windows(cmp, plan, buf, size) || lint_hold(cmp, plan, buf, size) ||
	       lint_recovery(cmp, plan, buf, size) || lint_census(cmp, plan, buf, size) ||
	       lint_snapshots(cmp, plan, buf, size);
}

bool bo_budget_lint(const struct bo_budget *budget, const struct bo_plan *plan, char *buf,
		    size_t size)
{
	return lint_expr(budget->root, plan, buf, size);
}
