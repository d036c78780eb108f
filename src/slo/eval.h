/* SPDX-License-Identifier: Apache-2.0 */
/* slo/eval.h — from estimates to outcomes.
 *
 * Theory of operation.  A budget is a small tree of comparisons under and/or.  A comparison asks
 * its metric for an *estimate*: the value seen, and the bounds between which the truth lies given
 * what the run can tell (a confidence interval, a request that never ended, a gap in a series).
 * The comparison is PASS when the whole interval is within the limit, FAIL when the whole interval
 * is outside, else INCONCLUSIVE, so every kind of ignorance is handled in one place (slo_decide()).
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/units.h"
#include "brownout/model/run.h"
#include "metric.h"
#include "scope.h"
#include "syntax.h"

/** enum bo_outcome of one comparison and what to say of it; strings as in struct bo_budget_result
 */
struct slo_result {
	enum bo_outcome outcome;
	char measured[96];
	char limit[96];
	char excess[96];
	char reason[256];
	double measured_value;
	double limit_value;
	int64_t first_breach_ns;
	bool base_broken;
	char base_measured[96];
};

/** slo_decide() - an estimate against a limit that itself lies between @limit_lower and @limit_upper
 */
enum bo_outcome slo_decide(enum slo_op op, const struct slo_estimate *est, double limit_lower,
			   double limit_upper);
const char *slo_format(enum slo_unit unit, double value, char buf[BO_UNIT_BUF]);
enum slo_unit slo_cmp_unit(const struct slo_cmp *cmp);
/** slo_cmp_exact() - is this comparison about a fact of the run (none or all), not about a share
 * behind it? */
bool slo_cmp_exact(const struct slo_cmp *cmp);
/** slo_describe() - fill measured, limit, excess of @ret */
void slo_describe(const struct slo_cmp *cmp, const struct slo_estimate *est, double limit,
		  const char *node, struct slo_result *ret);
/** slo_say_needed() - append to @why that @need requests would do (0: nobody knows how many), and how
 * long that takes at the rate of @n in @total_ns; nothing when there are as many */
void slo_say_needed(char *why, size_t size, double need, size_t n, int64_t total_ns);
/** slo_eval() - a whole budget; and/or in Kleene's three-valued logic */
BO_NODISCARD int slo_eval(const struct slo_ctx *ctx, const struct slo_expr *expr,
			  struct slo_result *ret, struct bo_err *err);
/** slo_windowed() - @cmp as it was seen within @window, against ask->limit (eval.c) */
BO_NODISCARD int slo_windowed(const struct slo_ask *ask, struct slo_span window,
			      struct slo_estimate *est, enum bo_outcome *ret, struct bo_err *err);

/** slo_eval_sustained() - "… sustained for D": broken only when it is for D without interruption (sustain.c) */
BO_NODISCARD int slo_eval_sustained(const struct slo_ask *ask, const char *node,
				    struct slo_result *ret, struct bo_err *err);
/** slo_eval_must() - "must … within D" (must.c) */
BO_NODISCARD int slo_eval_must(const struct slo_ctx *ctx, const struct slo_expr *expr,
			       struct slo_result *ret, struct bo_err *err);
/** slo_fault_began() - when the first fault took hold (metric_recovery.c); false with @why when none did */
bool slo_fault_began(const struct slo_ctx *ctx, int64_t *ret_ns, char *why, size_t size);
/** slo_limit_bounds() - work the limit out; NAN with @why filled when it hangs on a base that cannot
 * be told */
BO_NODISCARD int slo_limit_bounds(const struct slo_ctx *ctx, const struct slo_cmp *cmp, int node,
				  double *ret_value, double *ret_lower, double *ret_upper,
				  char *why, size_t size, struct bo_err *err);

/* The run as a whole (runrules.c). */

/** slo_run_rules() - append to run->verdict.reasons whatever keeps the run from a PASS, budgets
 * aside */
BO_NODISCARD int slo_run_rules(struct bo_run *run, const struct slo_ctx *ctx,
			       double tightest_latency_ns, struct bo_err *err);
BO_NODISCARD int slo_reason(struct bo_run *run, struct bo_err *err, const char *fmt, ...)
	BO_PRINTF(3, 4);
