/* SPDX-License-Identifier: Apache-2.0 */
/* slo/stats.h — the statistics of verdicts: exact bounds of shares and quantiles, requests that are not independent.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"

/* One-sided error probability of every confidence bound: a verdict is wrong in at most one of a
 * hundred runs even where the truth is at the limit itself. */
#define SLO_ALPHA 0.01
#define SLO_CONFIDENCE "99%%" /* in a format */
/* "No request did X" says nothing when there were hardly any: with 30, at most 14 % do, at 99 %
 * confidence. */
#define SLO_MIN_CENSUS 30

/** slo_binomial_cdf() - P(X <= k) for X ~ Bin(n, p); n and k may be fractions (an effective sample
 * size) */
double slo_binomial_cdf(double k, double n, double p);
/** slo_beta_side() - ln ∫ t^(a-1) (1-t)^(b-1) dt over (@x, 1) when @above, else over (0, @x) */
double slo_beta_side(double a, double b, double x, bool above);
/**
 * slo_quantile_ranks() - distribution-free one-sided 99 % bounds of the @q-quantile of @n values
 * @deff_lower, @deff_upper: variance inflation (>= 1) of each side: n/deff values count
 * @ret_lower, @ret_upper: [out] 1-based ranks among the sorted values; 0 when there is no such bound
 */
void slo_quantile_ranks(double q, size_t n, double deff_lower, double deff_upper, size_t *ret_lower,
			size_t *ret_upper);
/** slo_share_bounds() - Clopper–Pearson one-sided 99 % bounds of the share behind @k of @n */
void slo_share_bounds(double k, double n, double deff_lower, double deff_upper, double *ret_lower,
		      double *ret_upper);
/** slo_share_interval() - Clopper–Pearson, each bound wrong with chance @alpha */
void slo_share_interval(double k, double n, double alpha, double *ret_lower, double *ret_upper);
/** slo_min_samples() - fewest values that can show with 99 % confidence that the @q-quantile is in
 * bounds */
size_t slo_min_samples(double q);
/** slo_samples_needed() - how many would decide whether a share is above or below @limit, were it
 * @share; 0: no number */
size_t slo_samples_needed(double share, double limit);
/** slo_t_quantile() - the value that Student's t with @df degrees of freedom exceeds with chance @alpha < 1/2 */
double slo_t_quantile(double df, double alpha);
/** slo_normal_quantile() - the same of the normal distribution */
double slo_normal_quantile(double alpha);

/* Fine batches in one of the usual length. */
#define SLO_FINE 10
/** struct slo_batch - one short stretch of time: @n requests, @k of them out of bounds, @sum of
 * their latencies */
struct slo_batch {
	int64_t index;
	double n;
	double k;
	double sum;
};
struct slo_batches {
	BO_VEC(struct slo_batch) v;
	int64_t length_ns;
};
/** slo_batches_init() - batches of 0.1 s, or shorter when @total_ns would give fewer than a hundred */
void slo_batches_init(struct slo_batches *b, int64_t total_ns);
/** slo_batches_add() - in order of @t_ns */
BO_NODISCARD int slo_batches_add(struct slo_batches *b, int64_t t_ns, bool out, double value,
				 struct bo_err *err);
void slo_batches_done(struct slo_batches *b);
/** slo_batches_next() - batches with requests, @scale of them in one; *@at begins at 0; false: no more */
bool slo_batches_next(const struct slo_batches *b, int64_t scale, size_t *at,
		      struct slo_batch *ret);
/** slo_dispersion() - by how much a promise must divide the number of requests: how much more the
 * share varies between batches than independent requests would, and how little is known of that; 1
 * when not significantly more */
double slo_dispersion(const struct slo_batches *b);
