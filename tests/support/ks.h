/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/ks.h — the Kolmogorov–Smirnov test of many samples against quantiles.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define KS_QUANTILES 4000

static inline int ks_ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** ks_distance() - the largest between @n samples, which it sorts, and @quantile, in the samples' unit; NAN: nothing to
 * compare at that one */
static inline double ks_distance(double *samples, size_t n,
				 double (*quantile)(const void *arg, double p), const void *arg)
{
	double most = 0;
	size_t at = 0;

	qsort(samples, n, sizeof(*samples), ks_ascending);
	for (int k = 1; k < KS_QUANTILES; k++) {
		double p = (double)k / KS_QUANTILES, q = quantile(arg, p);

		if (isnan(q))
			continue;
		while (at < n && samples[at] <= q)
			at++;
		most = fmax(most, fabs((double)at / (double)n - p));
	}
	return most;
}

/** ks_p() - probability that @n samples are at least @d away from where they come from (Kolmogorov's distribution) */
static inline double ks_p(double d, size_t n)
{
	double x = d * sqrt((double)n), p = 0;

	for (int k = 1; k < 100; k++)
		p += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * x * x);
	return fmin(fmax(p, 0), 1);
}
