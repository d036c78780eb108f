/* SPDX-License-Identifier: Apache-2.0 */
/* slo/check_time.c — does a plan leave the time that "must" and recovery ask for?
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "check.h"
#include "metric.h"
#include "select.h"
#include "syntax.h"

static int must_be_seen(const struct slo_expr *expr, struct bo_err *err)
{
	const struct slo_cmp *cmp = &expr->cmp;
	int r;

	if (expr->kind != SLO_EXPR_CMP) {
		r = must_be_seen(expr->left, err);
		return r < 0 ? r : must_be_seen(expr->right, err);
	}
	if (!(cmp->metric->flags & SLO_M_WINDOWS))
		return slo_err_at(
			err, cmp->metric_col,
			"'must' cannot wait for %s: it is not told from one moment to the next",
			cmp->metric_text);
	return 0;
}

int slo_check_must(const struct slo_expr *expr, struct bo_err *err)
{
	if (expr->must.of == BO_PHASE_WARMUP)
		return slo_err_at(err, expr->must.of_col, "warmup is never judged");
	return must_be_seen(expr->left, err);
}

static int64_t first_fault(const struct bo_plan *plan)
{
	int64_t first = INT64_MAX;

	bo_vec_foreach(fault, &plan->faults) {
		int64_t from, to;

		bo_plan_fault_window(plan, fault, &from, &to);
		first = from < first ? from : first;
	}
	return plan->faults.len ? first : 0;
}

int64_t slo_must_origin(const struct slo_must *must, const struct bo_plan *plan)
{
	return must->of == BO_PHASE_COUNT ? first_fault(plan) : bo_plan_phase_start(plan, must->of);
}

int slo_check_must_plan(const struct slo_must *must, const struct bo_plan *plan, struct bo_err *err)
{
	int64_t left;
	char buf[BO_UNIT_BUF];

	if (must->of == BO_PHASE_COUNT && !plan->faults.len)
		return slo_err_at(
			err, must->within_col,
			"'within' is told from the first fault on, and the scenario has none; "
			"write 'within %s of PHASE'",
			must->within_text);
	if (must->of != BO_PHASE_COUNT && plan->phase_ns[must->of] <= 0)
		return slo_err_at(err, must->of_col,
				  "phase '%s' does not happen in this scenario (it lasts 0s)",
				  bo_phase_name(must->of));
	left = bo_plan_total(plan) - slo_must_origin(must, plan);
	if (must->within_ns + must->sustained_ns > left)
		return slo_err_at(err, must->within_col,
				  "the run ends %s after that, too early for 'within %s%s%s'",
				  bo_format_duration(left, buf), must->within_text,
				  must->sustained_ns ? " sustained for " : "",
				  must->sustained_ns ? must->sustained_text : "");
	return 0;
}

int64_t slo_load_after(const struct bo_plan *plan, const struct slo_cmp *cmp)
{
	int64_t last = 0, until = INT64_MAX, end = 0;

	bo_vec_foreach(fault, &plan->faults) {
		int64_t from, to;

		bo_plan_fault_window(plan, fault, &from, &to);
		if ((!cmp->fault || slo_name_matches(cmp->fault, fault->id)) && to > last)
			last = to;
	}
	bo_vec_foreach(fault, &plan->faults) {
		int64_t from, to;

		bo_plan_fault_window(plan, fault, &from, &to);
		if (cmp->fault && from >= last && from < until)
			until = from;
	}
	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		if (bo_phase_has_load((enum bo_phase)p) && plan->phase_ns[p] > 0)
			end = bo_plan_phase_start(plan, (enum bo_phase)p) + plan->phase_ns[p];
	}
	return (end < until ? end : until) - last;
}
