/* SPDX-License-Identifier: Apache-2.0 */
/* fault/expect.c — what an impairment does in the long run, and how far chance may be from that.
 *
 * Correlated draws and chains of losses have no handy formula for the share that they give, for how
 * much that share varies, or for the length of their runs, so they are played through: a million
 * packets, always with the same seed.  The variance of a share is that of the sums over blocks of 500
 * packets (batch means), against that of independent packets.  What was played last is remembered: the
 * directions of a link, and the parts of a verdict, ask for the same.
 *
 * What correlation is.  netem's u' = (1 - c) new + c u is an autoregression of order one, so Pearson's
 * lag-1 correlation of the draws is c exactly, and that of uniform delays, which are linear in them.
 * The draws are no longer uniform: their deviation is sqrt((1 - c) / (1 + c)) of what it was, around
 * the middle.  A delay of another distribution is a monotone function of its draw, so its own Pearson
 * correlation differs with the distribution, but the correlation of ranks (Spearman's) does not: it is
 * a little below c, for every distribution.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>

#include "brownout/base/rng.h"
#include "fault-internal.h"

#define TAIL 0.0005 /* of each side: 99.9 % in all, for all of a run together */
#define PACKETS 1000000
#define BLOCK 500
#define PACKETS_AGAIN 200000 /* with all their stations */
#define DELAY_BLOCKS 100

/* --- counts ----------------------------------------------------------------------------------- */

/** log_pmf() - logarithm of the probability of exactly @k of @n */
static double log_pmf(double k, double n, double p)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p);
}

/** tail() - probability of @k, and of all that lie farther from the mean, which is on the other side of it */
static double tail(uint64_t k, uint64_t n, double p, bool upward)
{
	double sum = 0, term;

	do {
		term = exp(log_pmf((double)k, (double)n, p));
		sum += term;
		/* Terms fall faster and faster. */
	} while (term > sum * 1e-9 && (upward ? k++ < n : k-- > 0));
	return sum;
}

/** share_of() - what one of so many may take of a chance (Bonferroni: together they err no more often than one would) */
static double share_of(unsigned alike)
{
	return TAIL / (alike ? alike : 1);
}

double bo_fault_interval(unsigned alike)
{
	return 100 * (1 - 2 * share_of(alike));
}

bool bo_fault_too_few(uint64_t k, uint64_t n, double p, unsigned alike)
{
	if (p >= 1 || p <= 0 || (double)k >= (double)n * p)
		return p >= 1 && k < n;
	return tail(k, n, p, false) < share_of(alike);
}

bool bo_fault_too_many(uint64_t k, uint64_t n, double p, unsigned alike)
{
	if (p >= 1 || p <= 0 || (double)k <= (double)n * p)
		return p <= 0 && k > 0;
	return tail(k, n, p, true) < share_of(alike);
}

bool bo_fault_binomial_fits(uint64_t k, uint64_t n, double p, unsigned alike)
{
	return k <= n && !bo_fault_too_few(k, n, p, alike) && !bo_fault_too_many(k, n, p, alike);
}

double bo_fault_needed(double p)
{
	return p >= 1 ? BO_PROBES_MIN : ceil(log(2 * TAIL) / log1p(-p));
}

/* --- chains ----------------------------------------------------------------------------------- */

/** struct chain - a model of losses (net/sched/sch_netem.c), or a chance as the random one, while it is played */
struct chain {
	struct bo_loss loss;
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
	const struct bo_chance *chance = &chain->loss.random;
	double rho = (double)chance->corr_ppm / BO_PPM_ALL;

	chain->last = bo_rng_unit(&chain->rng) * (1 - rho) + chain->last * rho;
	return chain->last * BO_PPM_ALL < (double)chance->ppm;
}

/** ge_next() - loss_gilb_ell() */
static bool ge_next(struct chain *chain)
{
	const struct bo_loss *loss = &chain->loss;
	bool bad = chain->state;

	if (hits(chain, bad ? loss->r_ppm : loss->p_ppm))
		chain->state = !bad;
	return hits(chain, bad ? loss->bad_loss_ppm : loss->good_loss_ppm);
}

/** state_next() - loss_4state(); states count from 0 */
static bool state_next(struct chain *chain)
{
	const struct bo_loss *loss = &chain->loss;
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

static void chain_begin(struct chain *chain, const struct bo_loss *loss, uint64_t stream)
{
	*chain = (struct chain){ .loss = *loss, .last = 0.5 };
	bo_rng_init(&chain->rng, 1, stream);
}

static bool chain_next(struct chain *chain)
{
	switch (chain->loss.model) {
	case BO_LOSS_GE:
		return ge_next(chain);
	case BO_LOSS_STATE:
		return state_next(chain);
	default:
		return chance_next(chain);
	}
}

/** play() - a million packets of a chain */
static struct bo_expect play(const struct bo_loss *loss)
{
	struct chain chain;
	double sum = 0, squares = 0, blocks = PACKETS / BLOCK, runs = 0, run_squares = 0;
	double p, mean, variance;
	struct bo_expect e = { .inflation = 1 };
	int64_t run = 0;

	chain_begin(&chain, loss, 1);
	for (int64_t b = 0; b < PACKETS / BLOCK; b++) {
		int64_t k = 0;

		for (int i = 0; i < BLOCK; i++) {
			bool hit = chain_next(&chain);

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

static bool same_loss(const struct bo_loss *a, const struct bo_loss *b)
{
	return bo_impair_equal(&(struct bo_impair){ .loss = *a },
			       &(struct bo_impair){ .loss = *b });
}

struct bo_expect bo_expect_loss(const struct bo_loss *loss)
{
	static _Thread_local struct {
		struct bo_loss loss;
		struct bo_expect e;
	} played;
	const struct bo_chance *chance = &loss->random;

	if (loss->model == BO_LOSS_RANDOM && (!chance->corr_ppm || chance->ppm >= BO_PPM_ALL))
		return (struct bo_expect){ .share = (double)chance->ppm / BO_PPM_ALL,
					   .inflation = 1 };
	if (!played.e.inflation || !same_loss(&played.loss, loss)) {
		played.loss = *loss;
		played.e = play(loss);
	}
	return played.e;
}

struct bo_expect bo_expect_chance(const struct bo_chance *chance)
{
	return bo_expect_loss(&(struct bo_loss){ .random = *chance });
}

double bo_expect_ahead(const struct bo_impair *im)
{
	double p = bo_expect_chance(&im->reorder).share;

	/* Cycles of gap - 1 packets that are no candidates, and then 1 / p that are. */
	return im->reorder_gap > 1 && p > 0 ? 1 / ((double)im->reorder_gap - 1 + 1 / p) : p;
}

/* --- one behind the other --------------------------------------------------------------------- */

/** struct player - all stations with a memory, as a packet meets them (lab/wire_fate.c has the order) */
struct player {
	const struct bo_impair *im;
	struct chain duplicate, loss, corrupt, reorder;
	int64_t since;
};

static bool happens(struct chain *chain)
{
	return chain->loss.random.ppm && chance_next(chain);
}

static bool player_lost(struct player *p)
{
	return !bo_loss_is_none(&p->im->loss) && chain_next(&p->loss);
}

static bool player_ahead(struct player *p)
{
	if (!p->im->reorder.ppm)
		return false;
	if (++p->since >= p->im->reorder_gap && happens(&p->reorder)) {
		p->since = 0;
		return true;
	}
	return false;
}

/** player_next() - what becomes of a packet: a bit for each enum bo_hit */
static unsigned int player_next(struct player *p)
{
	bool twice = happens(&p->duplicate), lost = player_lost(p), damaged, ahead = false;

	if (lost && !twice)
		return 1u << BO_HIT_LOST | 1u << BO_HIT_DAMAGED;
	damaged = happens(&p->corrupt);
	twice = twice && !lost && !player_lost(p);
	if (twice) {
		damaged = happens(&p->corrupt) || damaged;
		ahead = player_ahead(p);
	}
	ahead = player_ahead(p) || ahead;
	return (unsigned int)twice << BO_HIT_TWICE | (unsigned int)damaged << BO_HIT_DAMAGED |
	       (unsigned int)ahead << BO_HIT_AHEAD;
}

/** struct tally - of one event: how often, and how often behind itself, in the block and in all;  @squares, @cross:
 * sums over blocks, for the variance of their ratio */
struct tally {
	bool before;
	double n, again;
	double all, all_again;
	double squares_n, squares_again, cross;
};

static void tally(struct tally *t, bool hit)
{
	t->n += t->before;
	t->again += t->before && hit;
	t->before = hit;
}

static void tally_block(struct tally *t)
{
	t->all += t->n;
	t->all_again += t->again;
	t->squares_n += t->n * t->n;
	t->squares_again += t->again * t->again;
	t->cross += t->n * t->again;
	t->n = t->again = 0;
}

static struct bo_again again_of(const struct tally *t, double packets)
{
	double c = t->all > 0 ? t->all_again / t->all : 0;
	/* Of the sum over blocks of (again - c n), which is zero in the mean. */
	double variance = t->squares_again - 2 * c * t->cross + c * c * t->squares_n;
	double independent = t->all * c * (1 - c);

	return (struct bo_again){
		.share = t->all / packets,
		.again = c,
		.inflation = independent > 0 ? fmax(variance / independent, 1) : 1,
		.seen = t->all,
	};
}

static void play_again(const struct bo_impair *im, struct bo_again ret[BO_HIT_COUNT])
{
	struct player p = { .im = im };
	struct tally tallies[BO_HIT_COUNT] = { 0 };
	double packets[BO_HIT_COUNT] = { 0 };

	chain_begin(&p.duplicate, &(struct bo_loss){ .random = im->duplicate }, 1);
	chain_begin(&p.loss, &im->loss, 2);
	chain_begin(&p.corrupt, &(struct bo_loss){ .random = im->corrupt }, 3);
	chain_begin(&p.reorder, &(struct bo_loss){ .random = im->reorder }, 4);
	for (int i = 0; i < PACKETS_AGAIN; i++) {
		unsigned int events = player_next(&p);

		for (int e = 0; e < BO_HIT_COUNT; e++) {
			/* Who was ahead is asked of those that came. */
			if (e == BO_HIT_AHEAD && events & 1u << BO_HIT_LOST)
				continue;
			packets[e]++;
			tally(&tallies[e], events & 1u << e);
		}
		if (i % BLOCK == BLOCK - 1)
			for (int e = 0; e < BO_HIT_COUNT; e++)
				tally_block(&tallies[e]);
	}
	for (int e = 0; e < BO_HIT_COUNT; e++)
		ret[e] = again_of(&tallies[e], fmax(packets[e], 1));
}

struct bo_again bo_expect_again(const struct bo_impair *im, enum bo_hit event)
{
	static _Thread_local struct {
		bool valid;
		struct bo_impair im;
		struct bo_again of[BO_HIT_COUNT];
	} played;
	const struct bo_impair now = { .loss = im->loss,
				       .duplicate = im->duplicate,
				       .corrupt = im->corrupt,
				       .reorder = im->reorder,
				       .reorder_gap = im->reorder_gap };

	if (!played.valid || !bo_impair_equal(&played.im, &now)) {
		played.im = now;
		play_again(&now, played.of);
		played.valid = true;
	}
	return played.of[event];
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

/** delays_of() - what decides on delays, and nothing else */
static struct bo_impair delays_of(const struct bo_impair *im)
{
	return (struct bo_impair){ .delay_ns = im->delay_ns,
				   .jitter_ns = im->jitter_ns,
				   .delay_corr_ppm = im->delay_corr_ppm,
				   .dist = im->dist,
				   .table = im->table };
}

/** struct ranked - a value, and where it is to be found */
struct ranked {
	int64_t value;
	size_t at;
};

static int compare_ranked(const void *a, const void *b)
{
	int64_t x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

/** rank() - of one side of the pairs, less the mean rank; equals share theirs.  Return: the sum of squares */
static double rank(const int64_t (*pairs)[2], size_t n, int side, struct ranked *order, double *ret)
{
	double mean = ((double)n - 1) / 2, squares = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct ranked){ .value = pairs[i][side], .at = i };
	qsort(order, n, sizeof(*order), compare_ranked);
	for (size_t i = 0, j; i < n; i = j) {
		double r;

		for (j = i; j < n && order[j].value == order[i].value; j++)
			;
		r = (double)(i + j - 1) / 2 - mean;
		squares += (double)(j - i) * r * r;
		for (size_t k = i; k < j; k++)
			ret[order[k].at] = r;
	}
	return squares;
}

double bo_rank_correlation(const int64_t (*pairs)[2], size_t n)
{
	struct ranked *order = calloc(n + 1, sizeof(*order));
	double *ranks = calloc(2 * n + 1, sizeof(*ranks));
	double r = NAN;

	if (order && ranks) {
		double squares = rank(pairs, n, 0, order, ranks) *
				 rank(pairs, n, 1, order, ranks + n);
		double product = 0;

		for (size_t i = 0; i < n; i++)
			product += ranks[i] * ranks[n + i];
		if (squares > 0)
			r = product / sqrt(squares);
	}
	free(order);
	free(ranks);
	return r;
}

/** quick_spread() - spread_at() by the table, for many of them */
static double quick_spread(const struct bo_impair *im, const struct bo_dist_table *table, double u)
{
	int64_t i = (int64_t)(u * BO_DIST_TABLE_LEN);

	return table ? (double)table->at[i < BO_DIST_TABLE_LEN ? i : BO_DIST_TABLE_LEN - 1] /
			       BO_DIST_SCALE
		     : spread_at(im, u);
}

static void play_ranks(const struct bo_impair *im, int64_t bin_ns, double *ret_mean,
		       double *ret_sigma)
{
	const struct bo_dist_table *table = im->dist == BO_DIST_TABLE ? im->table
								      : bo_dist_standard(im->dist);
	double rho = (double)im->delay_corr_ppm / BO_PPM_ALL, u = 0.5, sum = 0, squares = 0;
	int64_t pairs[BLOCK][2], last = 0;
	struct bo_rng rng;
	int blocks = 0;

	bo_rng_init(&rng, 1, 1);
	for (int b = 0; b < DELAY_BLOCKS; b++) {
		double r;

		for (int i = 0; i < BLOCK; i++) {
			double delay;

			u = bo_rng_unit(&rng) * (1 - rho) + u * rho;
			delay = (double)im->delay_ns +
				quick_spread(im, table, u) * (double)im->jitter_ns;
			pairs[i][0] = last;
			pairs[i][1] = last = (int64_t)(fmax(delay, 0) / (double)bin_ns);
		}
		r = bo_rank_correlation((const int64_t(*)[2])pairs, BLOCK);
		if (isnan(r))
			continue;
		blocks++;
		sum += r;
		squares += r * r;
	}
	*ret_mean = blocks ? sum / blocks : NAN;
	*ret_sigma = blocks ? sqrt(fmax(squares / blocks - *ret_mean * *ret_mean, 0) * BLOCK) : 0;
}

double bo_expect_rank_correlation(const struct bo_impair *im, int64_t bin_ns, double *ret_sigma)
{
	static _Thread_local struct {
		bool valid;
		struct bo_impair im;
		int64_t bin_ns;
		double mean, sigma;
	} played;
	const struct bo_impair now = delays_of(im);

	if (!played.valid || played.bin_ns != bin_ns || !bo_impair_equal(&played.im, &now)) {
		played.im = now;
		played.bin_ns = bin_ns;
		play_ranks(im, bin_ns, &played.mean, &played.sigma);
		played.valid = true;
	}
	*ret_sigma = played.sigma;
	return played.mean;
}

#define DRAWS 4096

/** draw_at() - quantile @p of draws that correlate */
static double draw_at(double rho, double p)
{
	static _Thread_local struct {
		double rho;
		double at[DRAWS];
	} played;
	double *draws, last = 0.5;
	struct bo_rng rng;

	if (played.rho != rho && (draws = calloc(PACKETS / 10, sizeof(*draws)))) {
		bo_rng_init(&rng, 1, 1);
		for (size_t i = 0; i < PACKETS / 10; i++)
			draws[i] = last = bo_rng_unit(&rng) * (1 - rho) + last * rho;
		qsort(draws, PACKETS / 10, sizeof(*draws), compare_double);
		for (size_t i = 0; i < DRAWS; i++)
			played.at[i] = draws[(2 * i + 1) * (PACKETS / 10) / (2 * DRAWS)];
		played.rho = rho;
		free(draws);
	}
	return played.at[(size_t)(p * DRAWS)];
}

void bo_expect_delays(const struct bo_impair *im, bool correlated, int64_t *ret, size_t n)
{
	double rho = correlated ? (double)im->delay_corr_ppm / BO_PPM_ALL : 0;

	for (size_t i = 0; i < n; i++) {
		double u = ((double)i + 0.5) / (double)n;
		double delay;

		if (rho > 0)
			u = draw_at(rho, u);
		delay = (double)im->delay_ns + spread_at(im, u) * (double)im->jitter_ns;
		ret[i] = delay > 0 ? (int64_t)delay : 0;
	}
}
