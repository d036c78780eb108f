/* SPDX-License-Identifier: Apache-2.0 */
/* harness/compare.h — two sets of runs side by side, and what `brownout compare` needs for one run a side as well.
 * Owns: the documents of a set.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "harness/console_table.h"

/** struct bo_compare_set - one side; @left_out: folders among a folder of runs that hold no run.json */
struct bo_compare_set {
	BO_VEC(json_t *) runs; /* [owned] parsed run.json, in the order of their folders */
	size_t left_out;
};

/**
 * bo_compare_set_add() - the run in @path, or all runs in the folders right below it (what `run --out @path` made)
 * Return: 0; a negative errno with @err filled, which names @path
 */
BO_NODISCARD int bo_compare_set_add(struct bo_compare_set *set, const char *path,
				    struct bo_err *err);
void bo_compare_set_done(struct bo_compare_set *set);

/** bo_compare_budget() - the @nth budget of that text, or NULL: a scenario may hold the same line twice */
const json_t *bo_compare_budget(const json_t *budgets, const char *text, size_t nth);
/** bo_compare_nth() - how many budgets before budgets[@i] have its text */
size_t bo_compare_nth(const json_t *budgets, size_t i);

/**
 * bo_compare_sets() - print what became of each budget on either side, then the medians of each phase and how far latency
 * moved: bo_repeat_judge() and bo_shift_compare() of brownout/slo/repeat.h, whose numbers docs/statistics.md explains
 * Return: 0; -EINVAL for more than 2,000 runs a side, -ENOMEM
 */
BO_NODISCARD int bo_compare_sets(const struct bo_console *con, const struct bo_compare_set *a,
				 const struct bo_compare_set *b, struct bo_err *err);
