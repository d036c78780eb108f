/* SPDX-License-Identifier: Apache-2.0 */
/* slo/eval.c — comparisons and their combinations on one run.
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "check.h"
#include "eval.h"
#include "metric.h"
#include "scope.h"
#include "syntax.h"

static const struct slo_span ALWAYS = { INT64_MIN, INT64_MAX };

int slo_limit_bounds(const struct slo_ctx *ctx, const struct slo_cmp *cmp, int node,
		     double *ret_value, double *ret_lower, double *ret_upper, char *why,
		     size_t size, struct bo_err *err)
{
	bool factor = cmp->limit_kind == SLO_LIMIT_FACTOR;
	struct slo_ask ask = { .ctx = ctx,
			       .cmp = cmp,
			       .phases = SLO_PHASE_BIT(BO_PHASE_BASE),
			       .clip = ALWAYS,
			       .limit = NAN,
			       .base = true,
			       .node = node };
	struct slo_estimate base;
	char lo[BO_UNIT_BUF], hi[BO_UNIT_BUF];
	int r;

	*ret_value = *ret_lower = *ret_upper = cmp->limit;
	if (cmp->limit_kind == SLO_LIMIT_OF_LIMIT)
		return 0;
	if (!slo_limit_of_base(cmp)) {
		*ret_value = *ret_lower = *ret_upper = slo_limit_fixed(cmp, ctx->plan);
		return 0;
	}
	slo_estimate_none(&base);
	r = slo_measure(&ask, &base, err);
	if (r < 0)
		return r;
	if (isnan(base.value)) {
		snprintf(why, size, "base cannot be told: %.180s", base.why);
		*ret_value = *ret_lower = *ret_upper = NAN;
		return 0;
	}
	*ret_value = factor ? cmp->limit * base.value : base.value + cmp->limit;
	*ret_lower = factor ? cmp->limit * base.lower : base.lower + cmp->limit;
	*ret_upper = factor ? cmp->limit * base.upper : base.upper + cmp->limit;
	if (isnan(*ret_lower)) /* 0 × an open bound */
		*ret_lower = -INFINITY;
	if (isnan(*ret_upper))
		*ret_upper = INFINITY;
	if (base.lower < base.upper)
		snprintf(why, size, "base itself is only known to be %s to %s",
			 slo_format(cmp->metric->unit, base.lower, lo),
			 slo_format(cmp->metric->unit, base.upper, hi));
	return 0;
}

static void append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);

	if (*text && used + 3 < size)
		snprintf(buf + used, size - used, "%s%s", used ? "; " : "", text);
}

/* ---- windows ---- */

struct tally {
	size_t good, bad, unknown;
	double worst;
	bool at_least;
	int64_t breach_ns;
	char why[400];
};

int slo_windowed(const struct slo_ask *ask, struct slo_span window, struct slo_estimate *est,
		 enum bo_outcome *ret, struct bo_err *err)
{
	struct slo_ask in = *ask;
	int r;

	in.clip = window;
	in.census = true;
	slo_estimate_none(est);
	r = slo_measure(&in, est, err);
	if (r == 0)
		*ret = slo_decide(ask->cmp->op, est, ask->limit, ask->limit);
	return r;
}

static int judge_window(const struct slo_ask *ask, struct slo_span window, struct tally *t,
			struct bo_err *err)
{
	struct slo_estimate est;
	enum bo_outcome outcome;
	int r = slo_windowed(ask, window, &est, &outcome, err);

	if (r < 0)
		return r;
	t->good += outcome == BO_PASS;
	t->bad += outcome == BO_FAIL;
	t->unknown += outcome == BO_INCONCLUSIVE;
	if (outcome == BO_FAIL && t->breach_ns == SLO_NEVER)
		t->breach_ns = window.from_ns;
	if (outcome == BO_INCONCLUSIVE && !t->why[0])
		snprintf(t->why, sizeof(t->why), "%s", est.why);
	if (!isnan(est.value) &&
	    (isnan(t->worst) ||
	     (slo_op_caps(ask->cmp->op) ? est.value > t->worst : est.value < t->worst))) {
		t->worst = est.value;
		t->at_least = est.at_least;
	}
	return 0;
}

/* Windows do not straddle phases; the rest at the end of a phase counts when it is at least half a
 * window. */
static int judge_windows(const struct slo_ask *ask, struct tally *t, struct bo_err *err)
{
	int64_t length = ask->cmp->window_ns;

	*t = (struct tally){ .worst = NAN, .breach_ns = SLO_NEVER };
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		struct slo_span span[BO_PHASE_COUNT];

		if (!(ask->phases & SLO_PHASE_BIT(i)) ||
		    !slo_spans(ask->ctx->run, SLO_PHASE_BIT(i), span))
			continue;
		for (int64_t at = span[0].from_ns; span[0].to_ns - at >= (length + 1) / 2;
		     at += length) {
			int64_t end = span[0].to_ns - at < length ? span[0].to_ns : at + length;
			int r = judge_window(ask, (struct slo_span){ at, end }, t, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int eval_windows(const struct slo_ask *ask, const char *node, struct slo_result *ret,
			struct bo_err *err)
{
	const struct slo_cmp *cmp = ask->cmp;
	struct slo_estimate est;
	struct tally t;
	double total;
	int r = judge_windows(ask, &t, err);

	if (r < 0)
		return r;
	slo_estimate_none(&est);
	total = (double)(t.good + t.bad + t.unknown);
	est.value = t.worst;
	est.at_least = t.at_least;
	est.breach_ns = t.breach_ns;
	snprintf(est.detail, sizeof(est.detail), "worst; %zu of %.0f windows hold", t.good, total);
	/* Rounding must not turn 19 of 20 into less than 95 %. */
	if (total > 0 && (double)t.good >= cmp->share * total - 1e-9) {
		ret->outcome = BO_PASS;
	} else if (total > 0 && (double)(t.good + t.unknown) < cmp->share * total - 1e-9) {
		ret->outcome = BO_FAIL;
	} else {
		ret->outcome = BO_INCONCLUSIVE;
		if (total > 0)
			snprintf(ret->reason, sizeof(ret->reason),
				 "%zu of %.0f windows cannot be told: %.180s", t.unknown, total,
				 t.why);
		else
			snprintf(ret->reason, sizeof(ret->reason), "there was no whole window");
	}
	slo_describe(cmp, &est, ask->limit, node, ret);
	return 0;
}

/* ---- one comparison ---- */

static int eval_at_node(const struct slo_ctx *ctx, const struct slo_cmp *cmp, unsigned phases,
			int node, const char *name, struct slo_result *ret, struct bo_err *err)
{
	struct slo_ask ask = {
		.ctx = ctx, .cmp = cmp, .phases = phases, .clip = ALWAYS, .node = node
	};
	struct slo_estimate est;
	double lower, upper;
	char why[256] = "";
	int r;

	*ret = (struct slo_result){ .outcome = BO_INCONCLUSIVE };
	slo_estimate_none(&est);
	r = slo_limit_bounds(ctx, cmp, node, &ask.limit, &lower, &upper, why, sizeof(why), err);
	if (r < 0)
		return r;
	if (cmp->window_ns && !isnan(ask.limit)) {
		r = eval_windows(&ask, name, ret, err);
	} else if (cmp->sustained_ns && !isnan(ask.limit)) {
		r = slo_eval_sustained(&ask, name, ret, err);
	} else {
		r = slo_measure(&ask, &est, err);
		slo_describe(cmp, &est, ask.limit, name, ret);
		ret->outcome = slo_decide(cmp->op, &est, lower, upper);
		if (ret->outcome == BO_INCONCLUSIVE) {
			append(ret->reason, sizeof(ret->reason), est.why);
			append(ret->reason, sizeof(ret->reason), why);
		}
		append(ret->reason, sizeof(ret->reason), est.remark);
	}
	if (ret->outcome != BO_FAIL) {
		ret->first_breach_ns = SLO_NEVER;
		if (ret->outcome == BO_PASS)
			ret->excess[0] = '\0';
	}
	return r;
}

static int severity(enum bo_outcome outcome)
{
	return outcome == BO_FAIL ? 2 : outcome == BO_INCONCLUSIVE ? 1 : 0;
}

/* Every subject must hold, unless one node was named. */
static int eval_nodes(const struct slo_ctx *ctx, const struct slo_cmp *cmp, unsigned phases,
		      struct slo_result *ret, struct bo_err *err)
{
	const struct bo_plan *plan = ctx->plan;
	size_t subjects = 0, seen = 0;

	bo_vec_foreach(spec, &plan->nodes)
		subjects += spec->role == BO_ROLE_SUBJECT;
	for (size_t i = 0; i < plan->nodes.len; i++) {
		const struct bo_node_spec *spec = &plan->nodes.items[i];
		struct slo_result one;
		int r;

		if (cmp->node ? strcmp(spec->name, cmp->node) != 0 : spec->role != BO_ROLE_SUBJECT)
			continue;
		r = eval_at_node(ctx, cmp, phases, (int)i,
				 cmp->node || subjects > 1 ? spec->name : NULL, &one, err);
		if (r < 0)
			return r;
		if (!seen++ || severity(one.outcome) > severity(ret->outcome))
			*ret = one;
	}
	if (!seen) {
		*ret = (struct slo_result){ .outcome = BO_INCONCLUSIVE,
					    .first_breach_ns = SLO_NEVER,
					    .measured_value = NAN,
					    .limit_value = NAN };
		snprintf(ret->measured, sizeof(ret->measured), "not measured");
		snprintf(ret->reason, sizeof(ret->reason), "no such node");
	}
	return 0;
}

static int eval_in(const struct slo_ctx *ctx, const struct slo_cmp *cmp, unsigned phases,
		   struct slo_result *ret, struct bo_err *err)
{
	if (cmp->metric->flags & SLO_M_NODE)
		return eval_nodes(ctx, cmp, phases, ret, err);
	return eval_at_node(ctx, cmp, phases, -1, NULL, ret, err);
}

/* A phase that should have been judged and never came leaves the question open. */
static bool missing_phase(const struct slo_ctx *ctx, const struct slo_cmp *cmp, unsigned phases,
			  struct slo_result *ret)
{
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		enum bo_phase phase = (enum bo_phase)i;

		if (!(phases & SLO_PHASE_BIT(i)) || slo_phase_happened(ctx->run, phase))
			continue;
		/* Without a scope of its own a budget asks for what the plan has. */
		if (cmp->to == BO_PHASE_COUNT && ctx->plan->phase_ns[i] <= 0)
			continue;
		if (cmp->to != BO_PHASE_COUNT && ctx->plan->phase_ns[i] <= 0 &&
		    phase != cmp->from && phase != cmp->to)
			continue;
		if (ret->outcome != BO_FAIL) {
			ret->outcome = BO_INCONCLUSIVE;
			ret->reason[0] = '\0';
		}
		if (ret->outcome == BO_INCONCLUSIVE)
			snprintf(ret->reason, sizeof(ret->reason), "phase '%s' did not happen",
				 bo_phase_name(phase));
		return true;
	}
	return false;
}

static int eval_cmp(const struct slo_ctx *ctx, const struct slo_cmp *cmp, struct slo_result *ret,
		    struct bo_err *err)
{
	const unsigned base = SLO_PHASE_BIT(BO_PHASE_BASE);
	unsigned phases = slo_cmp_phases(cmp);
	struct slo_result before;
	int r = eval_in(ctx, cmp, phases, ret, err);

	if (r < 0 || missing_phase(ctx, cmp, phases, ret))
		return r;
	/* What base already breaks cannot be blamed on a fault; a budget for base alone is judged
	 * as it stands, and so is a floor, which base is not meant to reach. */
	if (!(cmp->metric->flags & SLO_M_STEADY) || !slo_this_good(cmp) ||
	    isnan(slo_limit_fixed(cmp, ctx->plan)) || !(phases & ~base) ||
	    !slo_phase_happened(ctx->run, BO_PHASE_BASE))
		return 0;
	r = eval_in(ctx, cmp, base, &before, err);
	if (r < 0 || before.outcome != BO_FAIL)
		return r;
	ret->base_broken = true;
	snprintf(ret->base_measured, sizeof(ret->base_measured), "%s", before.measured);
	if (ret->outcome != BO_PASS) {
		ret->outcome = BO_INCONCLUSIVE;
		ret->first_breach_ns = SLO_NEVER;
		snprintf(ret->reason, sizeof(ret->reason),
			 "base already breaks it (%s), so it cannot be blamed on the fault",
			 before.measured);
	}
	return 0;
}

/* ---- and / or ---- */

static void decided_by(const struct slo_expr *expr, struct slo_result *ret)
{
	bo_auto(bo_strbuf_done) struct bo_strbuf text = { 0 };
	char old[256];

	if (expr->kind != SLO_EXPR_CMP && expr->kind != SLO_EXPR_MUST)
		return;
	slo_expr_print(expr, false, &text);
	snprintf(old, sizeof(old), "%s", ret->reason);
	snprintf(ret->reason, sizeof(ret->reason), "decided by '%.90s'%s%.140s",
		 bo_strbuf_str(&text), *old ? ": " : "", old);
}

int slo_eval(const struct slo_ctx *ctx, const struct slo_expr *expr, struct slo_result *ret,
	     struct bo_err *err)
{
	bool and = expr->kind == SLO_EXPR_AND, take_right;
	struct slo_result left, right;
	int r;

	if (expr->kind == SLO_EXPR_CMP)
		return eval_cmp(ctx, &expr->cmp, ret, err);
	if (expr->kind == SLO_EXPR_MUST)
		return slo_eval_must(ctx, expr, ret, err);
	r = slo_eval(ctx, expr->left, &left, err);
	if (r == 0)
		r = slo_eval(ctx, expr->right, &right, err);
	if (r < 0)
		return r;
	/* Kleene: "and" takes the worse of the two, "or" the better. */
	if (and)
		take_right = severity(right.outcome) > severity(left.outcome);
	else
		take_right = severity(right.outcome) < severity(left.outcome);
	*ret = take_right ? right : left;
	decided_by(take_right ? expr->right : expr->left, ret);
	ret->base_broken = left.base_broken || right.base_broken;
	if (ret->base_broken)
		memcpy(ret->base_measured,
		       left.base_broken ? left.base_measured : right.base_measured,
		       sizeof(ret->base_measured));
	return 0;
}
