/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/slo/repeat.h — several runs of one scenario: one verdict, how flaky it is, and two sets of
 * runs compared.  Pure functions; docs/statistics.md has the rules and the sources.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"

/**
 * struct bo_repeat - what became of one budget, or of the run as a whole, in several runs
 * @outcome: any FAIL is FAIL; else any ABORTED, ABORTED; else any INCONCLUSIVE, or no run,
 *           INCONCLUSIVE; else PASS
 * @count: runs per outcome, indexed by enum bo_outcome
 * @flaky: both PASS and FAIL were seen
 * @flake_ratio: share of the lesser of PASS and FAIL among the two together; NAN without any of them
 * @flake_lower, @flake_upper: two-sided 95 % interval of it (Clopper–Pearson)
 * @text: "4 of 5 PASS: flaky (20 %, 95 % CI 1–72 %)"
 */
struct bo_repeat {
	enum bo_outcome outcome;
	size_t runs;
	size_t count[BO_ABORTED + 1];
	bool flaky;
	double flake_ratio;
	double flake_lower;
	double flake_upper;
	char text[128];
};
/** bo_repeat_judge() - @outcomes of @n runs, in any order: of the run, or of one of its budgets */
void bo_repeat_judge(const enum bo_outcome *outcomes, size_t n, struct bo_repeat *ret);

/**
 * struct bo_shift - how much higher B is than A, as a ratio: 1.2 is 20 % higher
 * @ratio: Hodges–Lehmann: e to the median of all ln b - ln a; NAN when there is nothing to compare
 * @lower, @upper: two-sided 95 % interval of it (Mann–Whitney inverted); 0 and infinite when so few values
 *                 cannot bound it
 * @p: two-sided Mann–Whitney p, exact without ties and up to 50 values a side, else normal with tie and
 *     continuity correction
 * @superiority: chance that a value of B is above one of A, ties half: 0.5 is no difference
 * @text: "+20.1 % (95 % CI +12.0 to +29.3 %), p 0.008, n 5 and 5"
 */
struct bo_shift {
	double ratio;
	double lower;
	double upper;
	double p;
	double superiority;
	size_t na;
	size_t nb;
	char text[128];
};
/**
 * bo_shift_compare() - compare two sets of values, one value per run (its p99, say)
 * Values must be positive and finite; others are left out.  Up to 2,000 values a side.
 * Return: 0, -EINVAL for more, -ENOMEM
 */
BO_NODISCARD int bo_shift_compare(const double *a, size_t na, const double *b, size_t nb,
				  struct bo_shift *ret, struct bo_err *err);
