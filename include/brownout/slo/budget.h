/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/slo/budget.h — the budget language and its three-valued verdict.
 * docs/budgets.md is the reference.  Owns: the parsed form.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/strbuf.h"
#include "brownout/model/run.h"

struct bo_budget;

/**
 * bo_budget_parse() - parse one budget
 * @ret: [out, owned] free with bo_budget_free(); untouched on failure
 * @err: says the column, what was expected and what was found, and the nearest known word
 * Return: 0, -EINVAL for a budget that is none, -ENOMEM
 */
BO_NODISCARD int bo_budget_parse(struct bo_budget **ret, const char *text, struct bo_err *err);
void bo_budget_free(struct bo_budget *budget);
/** bo_budget_print() - append the budget in canonical spelling; parsing that gives the same budget
 */
void bo_budget_print(const struct bo_budget *budget, struct bo_strbuf *out);
/** bo_budget_print_subject() - append what the budget is about: metric, selector and phase, without
 * limit, over and for; two budgets of one subject are a stricter and a looser form of the same */
void bo_budget_print_subject(const struct bo_budget *budget, struct bo_strbuf *out);
/** bo_budget_check() - does it fit the plan: phases that happen, nodes and loads that exist, a
 * memory limit for "of limit" … */
BO_NODISCARD int bo_budget_check(const struct bo_budget *budget, const struct bo_plan *plan,
				 struct bo_err *err);
/**
 * bo_budget_lint() - true with a one-line warning when the budget is valid but cannot do its work:
 * looser than the declared timeout, out of reach of the load's own timeout, more samples wanted
 * than the plan offers …
 */
bool bo_budget_lint(const struct bo_budget *budget, const struct bo_plan *plan, char *buf,
		    size_t size);
/** bo_slo_lint_load() - true with a one-line warning when the run ends before plan->loads[index] has given up the last of the
 * requests, so that nobody knows how they would have ended */
bool bo_slo_lint_load(const struct bo_plan *plan, size_t index, char *buf, size_t size);
/**
 * bo_slo_judge() - judge every budget of the plan and the run as a whole into run->verdict FAIL if
 * any budget FAILs; else INCONCLUSIVE if any budget or the run itself is (fault not confirmed,
 * generator late, base phase out of bounds, PROBLEM event); else PASS.  run->abort_reason makes it
 * ABORTED whatever the rest. A latency or errors budget that the base phase already breaks is
 * INCONCLUSIVE and never FAIL: what was broken before the fault cannot be blamed on it.  A plan
 * without budgets is INCONCLUSIVE. May be called again; the verdict is then made anew.
 */
BO_NODISCARD int bo_slo_judge(struct bo_run *run, struct bo_err *err);
