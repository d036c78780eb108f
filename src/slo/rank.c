/* SPDX-License-Identifier: Apache-2.0 */
/* slo/rank.c — Mann–Whitney's test and the Hodges–Lehmann shift with its interval.
 *
 * U is the number of pairs with b > a (ties half).  Its distribution under "no difference" rests on
 * ranks alone, so p and the interval hold whatever the latencies' distribution is.  The interval
 * inverts the test: the shifts that it would not reject end at the K-th smallest and the K-th largest
 * difference b - a.  A value that is only known to be "at least so long" enters each bound at the end
 * that makes the bound wider.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rank.h"
#include "stats.h"

#define EXACT_MAX 50

/* Number of ways to each U, all divided by C(m+n, m): @ret[u] = P(U <= u).  f(m, n, u) = f(m-1, n, u-n) +
 * f(m, n-1, u): only sums of positive numbers, so nothing cancels. */
static int u_cdf(size_t m, size_t n, double **ret, struct bo_err *err)
{
	size_t width = m * n + 1, rows = n + 1;
	double *was = calloc(rows * width, sizeof(*was)), *is = calloc(rows * width, sizeof(*is));
	double total = 0, *cdf = malloc(width * sizeof(*cdf));

	if (!was || !is || !cdf) {
		free(was);
		free(is);
		free(cdf);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	}
	for (size_t j = 0; j <= n; j++)
		was[j * width] = 1;
	for (size_t i = 1; i <= m; i++) {
		double *swap = was;

		memset(is, 0, rows * width * sizeof(*is));
		is[0] = 1;
		for (size_t j = 1; j <= n; j++) {
			for (size_t u = 0; u <= i * j; u++)
				is[j * width + u] = is[(j - 1) * width + u] +
						    (u >= j ? was[j * width + u - j] : 0);
		}
		was = is;
		is = swap;
	}
	for (size_t u = 0; u < width; u++)
		total += was[n * width + u];
	for (size_t u = 0; u < width; u++)
		cdf[u] = (u ? cdf[u - 1] : 0) + was[n * width + u] / total;
	free(was);
	free(is);
	*ret = cdf;
	return 0;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* All b - a, sorted. */
static void differences(const double *a, size_t na, const double *b, size_t nb, double *ret)
{
	for (size_t i = 0; i < na; i++) {
		for (size_t j = 0; j < nb; j++)
			ret[i * nb + j] = b[j] - a[i];
	}
	qsort(ret, na * nb, sizeof(*ret), order);
}

/* Sum of t³ - t over the groups of equal values of both sets together. */
static double ties(const struct slo_sample *a, const struct slo_sample *b, double *scratch)
{
	size_t n = a->n + b->n;
	double sum = 0;

	memcpy(scratch, a->lo, a->n * sizeof(*scratch));
	memcpy(scratch + a->n, b->lo, b->n * sizeof(*scratch));
	qsort(scratch, n, sizeof(*scratch), order);
	for (size_t i = 0, t; i < n; i += t) {
		for (t = 1; i + t < n && scratch[i + t] <= scratch[i]; t++)
			;
		sum += (double)t * (double)t * (double)t - (double)t;
	}
	return sum;
}

/* struct null - U when there is no difference; @cdf: exact, NULL for the normal one */
struct null {
	double *cdf;
	double mean;
	double sigma;
	double pairs;
};

static double p_value(const struct null *null, double u)
{
	double less = u < null->pairs - u ? u : null->pairs - u, p;

	if (null->cdf)
		p = 2 * null->cdf[(size_t)less];
	else if (null->sigma <= 0) /* all values are the same */
		p = 1;
	else
		p = erfc((null->mean - less - 0.5) / null->sigma / sqrt(2));
	return p < 1 ? p : 1;
}

/* K: the bounds are the K-th difference from either end; 0: there is none. */
static size_t bound_rank(const struct null *null, double alpha, double inflate, double df)
{
	double k;

	if (null->cdf && inflate <= 1) {
		size_t u = 0;

		while (u <= (size_t)null->pairs && null->cdf[u] <= alpha)
			u++;
		return u;
	}
	k = null->mean + 0.5 -
	    (inflate > 1 ? slo_t_quantile(df, alpha) : slo_normal_quantile(alpha)) * null->sigma *
		    sqrt(inflate);
	return k >= 1 ? (size_t)k : 0;
}

static int compare(const struct slo_sample *a, const struct slo_sample *b, double alpha,
		   double inflate_lower, double inflate_upper, double *diff, struct slo_rank *ret,
		   struct bo_err *err)
{
	size_t pairs = a->n * b->n, k;
	double n = (double)(a->n + b->n), u = 0, tied = ties(a, b, diff);
	struct null null = { .pairs = (double)pairs, .mean = (double)pairs / 2 };
	double plain = sqrt((double)pairs * (n + 1) / 12);

	null.sigma = n > 1 ? sqrt((double)pairs / 12 * (n + 1 - tied / (n * (n - 1)))) : 0;
	if (tied <= 0 && a->n <= EXACT_MAX && b->n <= EXACT_MAX) {
		int r = u_cdf(a->n, b->n, &null.cdf, err);

		if (r < 0)
			return r;
	}
	differences(a->lo, a->n, b->lo, b->n, diff);
	for (size_t i = 0; i < pairs; i++)
		u += diff[i] > 0 ? 1 : diff[i] < 0 ? 0 : 0.5;
	ret->superiority = u / (double)pairs;
	ret->shift = (diff[(pairs - 1) / 2] + diff[pairs / 2]) / 2;
	ret->p = p_value(&null, u);
	/* Ties make U vary less; the interval does not lean on that. */
	null.sigma = plain;
	k = bound_rank(&null, alpha, inflate_lower, n - 2);
	if (a->hi)
		differences(a->hi, a->n, b->lo, b->n, diff);
	ret->lower = k ? diff[k - 1] : -INFINITY;
	k = bound_rank(&null, alpha, inflate_upper, n - 2);
	if (a->hi || b->hi)
		differences(a->lo, a->n, b->hi ? b->hi : b->lo, b->n, diff);
	ret->upper = k ? diff[pairs - k] : INFINITY;
	free(null.cdf);
	return 0;
}

int slo_rank(const struct slo_sample *a, const struct slo_sample *b, double alpha,
	     double inflate_lower, double inflate_upper, struct slo_rank *ret, struct bo_err *err)
{
	size_t room = a->n * b->n + a->n + b->n;
	double *diff;
	int r;

	if (!a->n || !b->n || a->n > SLO_RANK_MAX || b->n > SLO_RANK_MAX)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SLO,
				  "expected 1 to %d values a side, found %zu and %zu", SLO_RANK_MAX,
				  a->n, b->n);
	diff = malloc(room * sizeof(*diff));
	if (!diff)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	r = compare(a, b, alpha, inflate_lower, inflate_upper, diff, ret, err);
	free(diff);
	return r;
}

double slo_serial_inflation(const double *v, size_t n)
{
	double mean = 0, var = 0, cov = 0, r;

	if (n < 5)
		return 1;
	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		var += (v[i] - mean) * (v[i] - mean);
		cov += i ? (v[i] - mean) * (v[i - 1] - mean) : 0;
	}
	/* All the same, but for rounding. */
	if (var <= 1e-20 * (double)n * (1 + mean * mean))
		return 1;
	r = cov / var;
	r += (1 + 3 * r) / (double)n;
	if (r < 1 / sqrt((double)n))
		return 1;
	r = r < 0.9 ? r : 0.9;
	return (1 + r) / (1 - r);
}
