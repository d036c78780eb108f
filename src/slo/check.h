/* SPDX-License-Identifier: Apache-2.0 */
/* slo/check.h — what can be said of a budget before the run: does it fit the plan, can the load decide it?
 * slo_check_*() return 0 or -EINVAL with a message that begins with the column (slo_err_at()).
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "syntax.h"

/** slo_check_shape() - everything about a comparison that needs no plan */
BO_NODISCARD int slo_check_shape(const struct slo_cmp *cmp, struct bo_err *err);
/** slo_check_burn() - does burn(…) fit the plan: is there a target? */
BO_NODISCARD int slo_check_burn(const struct slo_cmp *cmp, const struct bo_plan *plan,
				struct bo_err *err);
/** slo_check_must() - the same of a "must" */
BO_NODISCARD int slo_check_must(const struct slo_expr *expr, struct bo_err *err);
/** slo_check_must_plan() - does a "must" fit the plan?  What is within it is checked apart */
BO_NODISCARD int slo_check_must_plan(const struct slo_must *must, const struct bo_plan *plan,
				     struct bo_err *err);

/** slo_check_target() - are the load, node or memory limit that @cmp is about in @plan? */
BO_NODISCARD int slo_check_target(const struct slo_cmp *cmp, const struct bo_plan *plan,
				  struct bo_err *err);
/** slo_check_timeout() - a limit that is told by the timeout wants the scenario to have one */
BO_NODISCARD int slo_check_timeout(const struct slo_cmp *cmp, const struct bo_plan *plan,
				   struct bo_err *err);

/** slo_needs_census() - can only a look into the process answer @cmp? */
bool slo_needs_census(const struct slo_cmp *cmp);

/* The plan's numbers, of which warnings are made. */

/** slo_planned_rate() - requests per second, on average, that the plan offers of those that @cmp asks about; 0 where
 * a closed loop is among them, whose rate is the service's own */
double slo_planned_rate(const struct slo_cmp *cmp, const struct bo_plan *plan);
/** slo_must_origin() - when the time of a "must" is planned to begin */
int64_t slo_must_origin(const struct slo_must *must, const struct bo_plan *plan);

/** slo_load_after() - for how long load is planned to go on after the last of the faults that @cmp asks about, and
 * before the next */
int64_t slo_load_after(const struct bo_plan *plan, const struct slo_cmp *cmp);
/** slo_limit_fixed() - the limit in the metric's base unit when the plan alone says it; NAN for one that hangs on
 * the run (base, memory limit) */
double slo_limit_fixed(const struct slo_cmp *cmp, const struct bo_plan *plan);

/** slo_shift_least() - how many requests a window of latency.shift wants */
size_t slo_shift_least(const struct slo_cmp *cmp);

/* Each is true with a warning in @buf: no outcome but one is possible; the load cannot decide it; the load cannot
 * decide a "must" (lint_load.c). */
bool slo_lint_trivial(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf,
		      size_t size);
bool slo_lint_load(const struct slo_cmp *cmp, const struct bo_plan *plan, char *buf, size_t size);
bool slo_lint_must(const struct slo_must *must, const struct slo_cmp *cmp,
		   const struct bo_plan *plan, char *buf, size_t size);
/** slo_lint_burn() - true with a warning when burn(…) can never fail, or the @planned requests can never show that
 * it passes */
bool slo_lint_burn(const struct slo_cmp *cmp, const struct bo_plan *plan, double planned, char *buf,
		   size_t size);
