/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/slo/budget.h — the budget language and its three-valued verdict.
 * docs/budgets.md is the reference.  Owns: the parsed form.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"

struct bo_budget;

/**
 * bo_budget_parse() - parse one budget
 * @err: says the column, what was expected and what was found, and the nearest known word
 */
BO_NODISCARD int bo_budget_parse(struct bo_budget **ret, const char *text, struct bo_err *err);
void bo_budget_free(struct bo_budget *budget);
/** bo_budget_check() - does it fit the plan: phases that happen, nodes and loads that exist, a memory limit for "of limit" … */
BO_NODISCARD int bo_budget_check(const struct bo_budget *budget, const struct bo_plan *plan, struct bo_err *err);
/** bo_budget_lint() - true with a one-line warning when the budget is looser than the declared timeout */
bool bo_budget_lint(const struct bo_budget *budget, const struct bo_plan *plan, char *buf, size_t size);
/**
 * bo_slo_judge() - judge every budget of the plan and the run as a whole into run->verdict
 * FAIL if any budget FAILs; else INCONCLUSIVE if any budget or the run itself is (fault not confirmed, generator
 * late, base phase out of bounds, PROBLEM event); else PASS.  run->abort_reason makes it ABORTED whatever the rest.
 */
BO_NODISCARD int bo_slo_judge(struct bo_run *run, struct bo_err *err);
