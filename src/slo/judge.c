/* SPDX-License-Identifier: Apache-2.0 */
/* slo/judge.c — every budget of a plan, then the run as a whole.
 * Owns: the parsed budgets while it works.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/vec.h"
#include "eval.h"
#include "metric.h"
#include "scope.h"
#include "syntax.h"

struct judge {
	struct slo_ctx ctx;
	struct bo_budget **budgets;
	size_t nbudgets;
	double tightest_ns;
};

static void judge_done(struct judge *j)
{
	for (size_t i = 0; j->budgets && i < j->nbudgets; i++)
		bo_budget_free(j->budgets[i]);
	free(j->budgets);
	slo_ctx_done(&j->ctx);
}

static int parse_all(struct judge *j, const struct bo_plan *plan, struct bo_err *err)
{
	j->budgets = calloc(plan->budgets.len + 1, sizeof(*j->budgets));
	if (!j->budgets)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	j->nbudgets = plan->budgets.len;
	for (size_t i = 0; i < j->nbudgets; i++) {
		int r = bo_budget_parse(&j->budgets[i], plan->budgets.items[i].text, err);

		if (r < 0)
			return bo_err_wrap(err, "budget '%s'", plan->budgets.items[i].text);
	}
	return 0;
}

/* An errors budget that must hold (not one arm of an "or") answers for failed requests of its
 * phases and load. */
static int note_errors(struct judge *j, const struct slo_cmp *cmp, struct bo_err *err)
{
	const struct bo_plan *plan = j->ctx.plan;

	if (!(cmp->metric->flags & SLO_M_ERRORS) || cmp->cls)
		return 0;
	if (cmp->route)
		return bo_vec_push(&j->ctx.judged_routes, cmp)
			       ? 0
			       : bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	if (!cmp->load)
		j->ctx.judged_errors[plan->loads.len] |= slo_cmp_phases(cmp);
	for (size_t i = 0; cmp->load && i < plan->loads.len; i++) {
		if (strcmp(plan->loads.items[i].name, cmp->load) == 0)
			j->ctx.judged_errors[i] |= slo_cmp_phases(cmp);
	}
	return 0;
}

static int note_reference(struct judge *j, const struct slo_cmp *cmp, struct bo_err *err)
{
	double limit, lower, upper;
	char why[256];
	int r;

	if (!slo_is_reference(cmp))
		return 0;
	r = slo_limit_bounds(&j->ctx, cmp, -1, &limit, &lower, &upper, why, sizeof(why), err);
	if (r < 0 || isnan(limit))
		return r;
	if (cmp->metric->unit == SLO_UNIT_DURATION &&
	    (isnan(j->tightest_ns) || limit < j->tightest_ns))
		j->tightest_ns = limit;
	if (!bo_vec_push(&j->ctx.refs, (struct slo_ref){ .cmp = cmp, .limit = limit }))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	return 0;
}

/* Two rounds: limits relative to base need to know which failures are judged elsewhere. */
static int note(struct judge *j, const struct slo_expr *expr, bool references, struct bo_err *err)
{
	int r;

	if (expr->kind == SLO_EXPR_AND) {
		r = note(j, expr->left, references, err);
		return r < 0 ? r : note(j, expr->right, references, err);
	}
	if (expr->kind != SLO_EXPR_CMP)
		return 0;
	if (references)
		return note_reference(j, &expr->cmp, err);
	return note_errors(j, &expr->cmp, err);
}

static int prepare(struct judge *j, const struct bo_run *run, struct bo_err *err)
{
	int r = slo_ctx_init(&j->ctx, run, err);

	if (r == 0)
		r = parse_all(j, run->plan, err);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; r == 0 && i < j->nbudgets; i++)
			r = j->budgets[i]->warn ? 0 : note(j, j->budgets[i]->root, round == 1, err);
	}
	return r;
}

static int judge_budget(struct judge *j, struct bo_run *run, size_t index, struct bo_err *err)
{
	const struct bo_budget_spec *spec = &run->plan->budgets.items[index];
	struct bo_budget_result out = { .text = spec->text,
					.src = spec->src,
					.warn = j->budgets[index]->warn };
	struct slo_result res;
	int r = slo_eval(&j->ctx, j->budgets[index]->root, &res, err);

	if (r < 0)
		return bo_err_wrap(err, "budget '%s'", spec->text);
	out.outcome = res.outcome;
	memcpy(out.measured, res.measured, sizeof(out.measured));
	memcpy(out.limit, res.limit, sizeof(out.limit));
	memcpy(out.excess, res.excess, sizeof(out.excess));
	memcpy(out.reason, res.reason, sizeof(out.reason));
	out.measured_value = res.measured_value;
	out.limit_value = res.limit_value;
	out.first_breach_ns = res.first_breach_ns;
	if (!bo_vec_push(&run->verdict.budgets, out))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	if (res.base_broken && !out.warn)
		return slo_reason(
			run, err,
			"the base phase already breaks '%s' (%s): nothing to judge the fault by",
			spec->text, res.base_measured);
	return 0;
}

static enum bo_outcome overall(const struct bo_run *run)
{
	bool open = run->verdict.reasons.len > 0;

	if (run->abort_reason)
		return BO_ABORTED;
	if (run->failure)
		return BO_FAIL;
	bo_vec_foreach(b, &run->verdict.budgets) {
		if (b->warn)
			continue;
		if (b->outcome == BO_FAIL)
			return BO_FAIL;
		open |= b->outcome != BO_PASS;
	}
	return open ? BO_INCONCLUSIVE : BO_PASS;
}

int bo_slo_judge(struct bo_run *run, struct bo_err *err)
{
	struct judge j = { .tightest_ns = NAN };
	int r;

	bo_vec_done(&run->verdict.budgets);
	bo_vec_done(&run->verdict.reasons);
	run->verdict.outcome = BO_INCONCLUSIVE;
	r = prepare(&j, run, err);
	if (r == 0 && run->abort_reason)
		r = slo_reason(run, err, "%s", run->abort_reason);
	if (r == 0 && run->failure)
		r = slo_reason(run, err, "%s", run->failure);
	for (size_t i = 0; r == 0 && i < j.nbudgets; i++)
		r = judge_budget(&j, run, i, err);
	if (r == 0)
		r = slo_run_rules(run, &j.ctx, j.tightest_ns, err);
	if (r == 0)
		run->verdict.outcome = overall(run);
	judge_done(&j);
	return r;
}
