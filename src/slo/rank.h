/* SPDX-License-Identifier: Apache-2.0 */
/* slo/rank.h — two sets of values compared by their ranks: no distribution is assumed.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"

#define SLO_RANK_MAX 2000

/**
 * struct slo_sample - a set of values of which each lies between lo[i] and hi[i]; @hi NULL: they are known
 * @hi may be infinite, @lo not
 */
struct slo_sample {
	const double *lo;
	const double *hi;
	size_t n;
};

/**
 * struct slo_rank - how B compares with A
 * @shift: Hodges–Lehmann: the median of all b - a, of the lower ends
 * @lower, @upper: the shift lies between them, each wrong with chance alpha; infinite when so few values
 *                 cannot bound it
 * @p: two-sided Mann–Whitney, of the lower ends;  @superiority: P(b > a) + P(b = a) / 2
 */
struct slo_rank {
	double shift;
	double lower;
	double upper;
	double p;
	double superiority;
};

/**
 * slo_rank() - compare; up to SLO_RANK_MAX values a side, at least one
 * @inflate_lower, @inflate_upper: variance inflation (>= 1) of each bound, for values that are not independent
 * Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed., ch. 4 (the exact
 * distribution up to 50 values a side without ties, else the normal one, tie-corrected)
 */
BO_NODISCARD int slo_rank(const struct slo_sample *a, const struct slo_sample *b, double alpha,
			  double inflate_lower, double inflate_upper, struct slo_rank *ret,
			  struct bo_err *err);
/** slo_serial_inflation() - by how much the variance of a mean of @n successive values exceeds that of
 * independent ones: (1 + r) / (1 - r) of their lag-1 correlation r, where it is more than chance; 1 else.
 * Source: Bartlett 1946; r is corrected for its bias of (1 + 3r) / n (Kendall 1954) */
double slo_serial_inflation(const double *v, size_t n);
