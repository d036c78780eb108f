/* SPDX-License-Identifier: Apache-2.0 */
/* slo/stats.c — exact binomial bounds, and how far requests are from independent.
 *
 * Every bound here is Clopper–Pearson's: it rests on the binomial distribution itself, through the
 * regularized incomplete beta function (DLMF 8.17), so it holds for few and for many requests alike
 * and takes fractions, which an effective sample size n/D needs.  When requests differ in their
 * chance of being slow (a fault that builds up, a stall in the middle), counts vary *less* than a
 * binomial of the mean chance (Hoeffding 1956), so such trends never make a bound too narrow; only
 * random bursts do, and the dispersion D is for those.  It is looked for at three lengths of
 * batches, since bursts may be of any: short batches are many and tell short bursts well, long ones
 * see long bursts whole.  docs/statistics.md says how well that works.
 *
 * Owns: the batches.  Threads: any.  Privilege: none. */
#include <math.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/vec.h"
#include "stats.h"

/* Continued fraction of I_x(a, b) by Lentz's method (DLMF 8.17.22); converges fast for x <
 * (a+1)/(a+b+2). */
static double beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	h = d;
	/* About sqrt(max(a, b)) rounds are needed: 20,000 is enough for 10^8 requests. */
	for (int m = 1; m <= 20000; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		h *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = d * c;
		h *= step;
		if (fabs(step - 1) < 1e-14)
			break;
	}
	return h;
}

/* I_x(a, b) for a, b > 0. */
static double incomplete_beta(double a, double b, double x)
{
	double front;
	int sign;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	/* lgamma_r, not lgamma: the latter writes a global. */
	front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) +
		    b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double slo_beta_side(double a, double b, double x, bool above)
{
	double part = above ? incomplete_beta(b, a, 1 - x) : incomplete_beta(a, b, x);
	int sign;

	return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign) + log(part);
}

double slo_binomial_cdf(double k, double n, double p)
{
	if (k < 0)
		return 0;
	if (k >= n || p <= 0)
		return 1;
	if (p >= 1)
		return 0;
	return incomplete_beta(n - k, k + 1, 1 - p);
}

void slo_quantile_ranks(double q, size_t n, double deff_lower, double deff_upper, size_t *ret_lower,
			size_t *ret_upper)
{
	size_t lo, hi;

	/* Upper: the most values K that may lie above it: P(Bin(n, 1-q) <= K) <= alpha. */
	*ret_upper = 0;
	if (n && slo_binomial_cdf(0, (double)n / deff_upper, 1 - q) <= SLO_ALPHA) {
		for (lo = 0, hi = n; hi - lo > 1;) {
			size_t mid = lo + (hi - lo) / 2;

			if (slo_binomial_cdf((double)mid / deff_upper, (double)n / deff_upper,
					     1 - q) <= SLO_ALPHA)
				lo = mid;
			else
				hi = mid;
		}
		*ret_upper = n - lo;
	}
	/* Lower: the same from the other end: P(Bin(n, q) <= l - 1) <= alpha. */
	*ret_lower = 0;
	if (n && slo_binomial_cdf(0, (double)n / deff_lower, q) <= SLO_ALPHA) {
		for (lo = 0, hi = n; hi - lo > 1;) {
			size_t mid = lo + (hi - lo) / 2;

			if (slo_binomial_cdf((double)mid / deff_lower, (double)n / deff_lower, q) <=
			    SLO_ALPHA)
				lo = mid;
			else
				hi = mid;
		}
		*ret_lower = lo + 1;
	}
}

/* Largest share p with P(Bin(n, p) >= k) <= alpha, by bisection on a monotone function. */
static double share_lower(double k, double n, double alpha)
{
	double lo = 0, hi = k / n;

	if (k <= 0)
		return 0;
	for (int i = 0; i < 60; i++) {
		double mid = (lo + hi) / 2;

		/* P(X >= k) = I_p(k, n-k+1), which also takes a fractional k */
		if (incomplete_beta(k, n - k + 1, mid) <= alpha)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static double share_upper(double k, double n, double alpha)
{
	double lo = k / n, hi = 1;

	if (k >= n)
		return 1;
	for (int i = 0; i < 60; i++) {
		double mid = (lo + hi) / 2;

		if (slo_binomial_cdf(k, n, mid) <= alpha)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

void slo_share_interval(double k, double n, double alpha, double *ret_lower, double *ret_upper)
{
	*ret_lower = share_lower(k, n, alpha);
	*ret_upper = share_upper(k, n, alpha);
}

void slo_share_bounds(double k, double n, double deff_lower, double deff_upper, double *ret_lower,
		      double *ret_upper)
{
	*ret_lower = share_lower(k / deff_lower, n / deff_lower, SLO_ALPHA);
	*ret_upper = share_upper(k / deff_upper, n / deff_upper, SLO_ALPHA);
}

size_t slo_min_samples(double q)
{
	double n = ceil(log(SLO_ALPHA) / log(q) - 1e-9);

	/* So close to 1 that log(q) is 0: more than anyone will ever send. */
	return n > 0 && n < 1e15 ? (size_t)n : (size_t)1e15;
}

static bool decided(double share, double limit, double n)
{
	double k = floor(share * n + 0.5);

	if (share < limit)
		return slo_binomial_cdf(k, n, limit) <= SLO_ALPHA;
	return 1 - slo_binomial_cdf(k - 1, n, limit) <= SLO_ALPHA;
}

size_t slo_samples_needed(double share, double limit)
{
	double lo = 1, hi = 1;

	while (!decided(share, limit, hi)) {
		lo = hi;
		hi *= 2;
		/* So close to the limit that nobody waits for the answer. */
		if (hi > 1e7)
			return 0;
	}
	while (hi - lo > 1 && hi - lo > hi / 1000) {
		double mid = floor((lo + hi) / 2);

		if (decided(share, limit, mid))
			hi = mid;
		else
			lo = mid;
	}
	return (size_t)hi;
}

double slo_t_quantile(double df, double alpha)
{
	double lo = 0, hi = 1000;

	for (int i = 0; i < 80; i++) {
		double t = (lo + hi) / 2;

		/* P(T > t) = I_{df/(df+t²)}(df/2, 1/2) / 2 */
		if (incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2 > alpha)
			lo = t;
		else
			hi = t;
	}
	return hi;
}

double slo_normal_quantile(double alpha)
{
	double lo = 0, hi = 40;

	for (int i = 0; i < 80; i++) {
		double z = (lo + hi) / 2;

		if (erfc(z / sqrt(2)) / 2 > alpha)
			lo = z;
		else
			hi = z;
	}
	return hi;
}

void slo_batches_init(struct slo_batches *b, int64_t total_ns)
{
	memset(b, 0, sizeof(*b));
	b->length_ns = BO_NSEC_PER_SEC;
	if (total_ns < 10 * b->length_ns)
		b->length_ns = total_ns / 10;
	if (b->length_ns < 100 * BO_NSEC_PER_MSEC)
		b->length_ns = 100 * BO_NSEC_PER_MSEC;
	b->length_ns /= SLO_FINE;
}

int slo_batches_add(struct slo_batches *b, int64_t t_ns, bool out, double value, struct bo_err *err)
{
	int64_t index = t_ns / b->length_ns;
	struct slo_batch *batch;

	if ((!b->v.len || index != b->v.items[b->v.len - 1].index) &&
	    !bo_vec_push(&b->v, (struct slo_batch){ .index = index }))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	batch = &b->v.items[b->v.len - 1];
	batch->n++;
	batch->k += out;
	batch->sum += value;
	return 0;
}

void slo_batches_done(struct slo_batches *b)
{
	bo_vec_done(&b->v);
}

bool slo_batches_next(const struct slo_batches *b, int64_t scale, size_t *at, struct slo_batch *ret)
{
	if (*at >= b->v.len)
		return false;
	*ret = b->v.items[(*at)++];
	ret->index /= scale;
	for (; *at < b->v.len && b->v.items[*at].index / scale == ret->index; (*at)++) {
		ret->n += b->v.items[*at].n;
		ret->k += b->v.items[*at].k;
		ret->sum += b->v.items[*at].sum;
	}
	return true;
}

/* D at one length of batches, with what is not known of D itself in it; 1 when independence
 * explains it. */
static double dispersion_at(const struct slo_batches *b, int64_t scale, double p)
{
	double count = 0, sum = 0, d, df, t;
	struct slo_batch batch;

	for (size_t at = 0; slo_batches_next(b, scale, &at, &batch); count++) {
		double off = batch.k - batch.n * p;

		sum += off * off / batch.n;
	}
	if (count < 5)
		return 1;
	df = count - 1;
	d = sum / (df * p * (1 - p));
	/* One standard deviation of chi²/df: less may well be chance. */
	if (d <= 1 + sqrt(2 / df))
		return 1;
	t = slo_t_quantile(df, SLO_ALPHA) / slo_normal_quantile(SLO_ALPHA);
	return d * t * t;
}

double slo_dispersion(const struct slo_batches *b)
{
	static const int64_t scales[] = { 1, SLO_FINE, 2 * SLO_FINE };
	double n = 0, k = 0, worst = 1;

	bo_vec_foreach(batch, &b->v) {
		n += batch->n;
		k += batch->k;
	}
	if (k <= 0 || k >= n)
		return 1;
	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		double d = dispersion_at(b, scales[i], k / n);

		worst = d > worst ? d : worst;
	}
	return worst;
}
