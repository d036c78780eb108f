/* SPDX-License-Identifier: Apache-2.0 */
/* fault/expect.c — what an impairment does in the long run, and how far chance may be from that.
 *
 * Correlated draws and chains of losses have no handy formula for the share that they give, for how
 * much that share varies, or for the length of their runs, so they are played through: a million
 * packets, always with the same seed.  The variance of a share is that of the sums over blocks of 500
 * packets (batch means), against that of independent packets.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>

#include "brownout/base/rng.h"
#include "fault-internal.h"

#define TAIL 0.0005 /* of each side: 99.9 % in all */
#define PACKETS 1000000
#define BLOCK 500

/* --- counts ----------------------------------------------------------------------------------- */

/** log_pmf() - logarithm of the probability of exactly @k of @n */
static double log_pmf(double k, double n, double p)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p);
}

/** tail() - probability of @from … @to of @n */
static double tail(uint64_t from, uint64_t to, uint64_t n, double p)
{
	double sum = 0;

	for (uint64_t i = from; i <= to; i++)
		sum += exp(log_pmf((double)i, (double)n, p));
	return sum;
}

bool bo_fault_too_few(uint64_t k, uint64_t n, double p)
{
	return p >= 1 ? k < n : p > 0 && tail(0, k, n, p) < TAIL;
}

bool bo_fault_too_many(uint64_t k, uint64_t n, double p)
{
	return p <= 0 ? k > 0 : p < 1 && tail(k, n, n, p) < TAIL;
}

bool bo_fault_binomial_fits(uint64_t k, uint64_t n, double p)
{
	return k <= n && !bo_fault_too_few(k, n, p) && !bo_fault_too_many(k, n, p);
}

double bo_fault_needed(double p)
{
	return p >= 1 ? BO_PROBES_MIN : ceil(log(2 * TAIL) / log1p(-p));
}

/* --- chains ----------------------------------------------------------------------------------- */

/** struct chain - a model of losses (net/sched/sch_netem.c) or a correlated chance, while it is played */
struct chain {
	const struct bo_loss *loss;
	const struct bo_chance *chance;
	struct bo_rng rng;
	double last;
	int state;
};

static bool hits(struct chain *chain, int64_t ppm)
{
	return bo_rng_unit(&chain->rng) * BO_PPM_ALL < (double)ppm;
}

/** chance_next() - get_crandom() */
static bool chance_next(struct chain *chain)
{
	double rho = (double)chain->chance->corr_ppm / BO_PPM_ALL;

	chain->last = bo_rng_unit(&chain->rng) * (1 - rho) + chain->last * rho;
	return chain->last * BO_PPM_ALL < (double)chain->chance->ppm;
}

/** ge_next() - loss_gilb_ell() */
static bool ge_next(struct chain *chain)
{
	const struct bo_loss *loss = chain->loss;
	bool bad = chain->state;

	if (hits(chain, bad ? loss->r_ppm : loss->p_ppm))
		chain->state = !bad;
	return hits(chain, bad ? loss->bad_loss_ppm : loss->good_loss_ppm);
}

/** state_next() - loss_4state(); states count from 0 */
static bool state_next(struct chain *chain)
{
	const struct bo_loss *loss = chain->loss;
	double u = bo_rng_unit(&chain->rng) * BO_PPM_ALL;

	switch (chain->state) {
	case 0: /* received within a gap */
		if (u < (double)loss->p14_ppm)
			chain->state = 3;
		else if (u < (double)(loss->p14_ppm + loss->p13_ppm))
			chain->state = 2;
		return chain->state != 0;
	case 1: /* received within a burst */
		if (u < (double)loss->p23_ppm)
			chain->state = 2;
		return chain->state == 2;
	case 2: /* lost within a burst */
		if (u < (double)loss->p32_ppm)
			chain->state = 1;
		else if (u < (double)(loss->p32_ppm + loss->p31_ppm))
			chain->state = 0;
		return chain->state == 2;
	default: /* lost on its own */
		chain->state = 0;
		return false;
	}
}

static bool chain_next(struct chain *chain)
{
	if (chain->chance)
		return chance_next(chain);
	return chain->loss->model == BO_LOSS_GE ? ge_next(chain) : state_next(chain);
}

/** play() - a million packets of a chain */
static struct bo_expect play(struct chain *chain)
{
	double sum = 0, squares = 0, blocks = PACKETS / BLOCK, runs = 0, run_squares = 0;
	double p, mean, variance;
	struct bo_expect e = { .inflation = 1 };
	int64_t run = 0;

	bo_rng_init(&chain->rng, 1, 1);
	chain->last = 0.5;
	for (int64_t b = 0; b < PACKETS / BLOCK; b++) {
		int64_t k = 0;

		for (int i = 0; i < BLOCK; i++) {
			bool hit = chain_next(chain);

			k += hit;
			if (!hit && run) {
				runs++;
				run_squares += (double)(run * run);
			}
			run = hit ? run + 1 : 0;
		}
		sum += (double)k;
		squares += (double)(k * k);
	}
	p = e.share = sum / PACKETS;
	mean = sum / blocks;
	variance = squares / blocks - mean * mean;
	if (p > 0 && p < 1 && variance > BLOCK * p * (1 - p))
		e.inflation = variance / (BLOCK * p * (1 - p));
	if (runs > 0) {
		e.run = sum / runs;
		e.run_sigma = sqrt(fmax(run_squares / runs - e.run * e.run, 0));
	}
	return e;
}

struct bo_expect bo_expect_chance(const struct bo_chance *chance)
{
	struct chain chain = { .chance = chance };

	if (chance->corr_ppm && chance->ppm < BO_PPM_ALL)
		return play(&chain);
	return (struct bo_expect){ .share = (double)chance->ppm / BO_PPM_ALL, .inflation = 1 };
}

struct bo_expect bo_expect_loss(const struct bo_loss *loss)
{
	struct chain chain = { .loss = loss };

	return loss->model == BO_LOSS_RANDOM ? bo_expect_chance(&loss->random) : play(&chain);
}

double bo_expect_ahead(const struct bo_impair *im)
{
	double p = bo_expect_chance(&im->reorder).share;

	/* Cycles of gap - 1 packets that are no candidates, and then 1 / p that are. */
	return im->reorder_gap > 1 && p > 0 ? 1 / ((double)im->reorder_gap - 1 + 1 / p) : p;
}

/* --- delays ----------------------------------------------------------------------------------- */

static double spread_at(const struct bo_impair *im, double u)
{
	if (im->dist == BO_DIST_TABLE && im->table) {
		int64_t i = (int64_t)(u * BO_DIST_TABLE_LEN);

		return (double)im->table->at[i < BO_DIST_TABLE_LEN ? i : BO_DIST_TABLE_LEN - 1] /
		       BO_DIST_SCALE;
	}
	return bo_dist_quantile(im->dist, u);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bo_expect_delays(const struct bo_impair *im, bool correlated, int64_t *ret, size_t n)
{
	double rho = correlated ? (double)im->delay_corr_ppm / BO_PPM_ALL : 0, last = 0.5;
	double *draws = rho > 0 ? calloc(PACKETS / 10, sizeof(*draws)) : NULL;
	struct bo_rng rng;

	bo_rng_init(&rng, 1, 1);
	for (size_t i = 0; draws && i < PACKETS / 10; i++)
		draws[i] = last = bo_rng_unit(&rng) * (1 - rho) + last * rho;
	if (draws)
		qsort(draws, PACKETS / 10, sizeof(*draws), compare_double);
	for (size_t i = 0; i < n; i++) {
		double u = ((double)i + 0.5) / (double)n;
		double delay;

		if (draws)
			u = draws[(size_t)(u * (PACKETS / 10))];
		delay = (double)im->delay_ns + spread_at(im, u) * (double)im->jitter_ns;
		ret[i] = delay > 0 ? (int64_t)delay : 0;
	}
	free(draws);
}
