/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/chance_bench.c — is what the wire draws what was asked for?  Kolmogorov–Smirnov over 100,000 delays of
 * every distribution, the parameters of chains of losses as they are recovered, shares in their 99 % interval,
 * correlations, and the same fates from the same seed.  No I/O.  Exits 1 when a figure is outside its bounds.
 *   chance_bench [SEED]     7 by default */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "fault-internal.h"
#include "ks.h"
#include "wire_draws.h"

#define MS BO_NSEC_PER_MSEC
#define N 100000
#define SPACE (10000 * MS) /* between packets: nobody overtakes */
#define DELAY (100 * MS)
#define JITTER (10 * MS)

static uint64_t seed = 7;
static int wrong;

/** verdict() - "yes", or "NO" and count it */
static const char *verdict(bool right)
{
	wrong += !right;
	return right ? "yes" : "NO";
}

static double *delays_of(const struct bo_impair *im)
{
	struct bo_wire_line line = line_with(im, seed);
	double *delays = calloc(N, sizeof(*delays));

	if (!delays)
		exit(1);
	for (int i = 0; i < N; i++)
		delays[i] = (double)(next(&line, i * SPACE).due_ns - i * SPACE);
	return delays;
}

/* --- distributions ---------------------------------------------------------------------------- */

/** struct asked - a distribution by its formula, or the table that was made of a file */
struct asked {
	enum bo_dist dist;
	const struct bo_dist_table *table;
};

static double quantile(const void *arg, double p)
{
	const struct asked *asked = arg;
	double q = asked->table
			   ? (double)asked->table->at[(int)(p * BO_DIST_TABLE_LEN)] / BO_DIST_SCALE
			   : bo_dist_quantile(asked->dist, p);

	/* At the ends, where everything further out gathers, there is nothing to compare. */
	return fabs(q) >= 3.999 ? NAN : (double)DELAY + q * (double)JITTER;
}

/** ks_of() - what @drawn draws against @asked */
static double ks_of(const struct asked *drawn, const struct asked *asked, double *ret_d)
{
	const struct bo_impair im = {
		.delay_ns = DELAY, .jitter_ns = JITTER, .dist = drawn->dist, .table = drawn->table
	};
	double *delays = delays_of(&im);

	*ret_d = ks_distance(delays, N, quantile, asked);
	free(delays);
	return ks_p(*ret_d, N);
}

static void distributions(void)
{
	static struct bo_dist_table humps;

	/* Two of them, at -1 … -0.5 and 0.5 … 1. */
	for (int i = 0; i < BO_DIST_TABLE_LEN; i++) {
		double p = (i + 0.5) / BO_DIST_TABLE_LEN;

		humps.at[i] = (int16_t)rint((p < 0.5 ? p - 1 : p) * BO_DIST_SCALE);
	}
	printf("Kolmogorov-Smirnov, %d delays of %d ms, jitter %d ms: p > 0.01\n%-16s %10s %10s  %-5s %s\n",
	       N, (int)(DELAY / MS), (int)(JITTER / MS), "distribution", "D", "p", "",
	       "p as uniform");
	for (int dist = 0; dist < BO_DIST_COUNT; dist++) {
		const struct asked asked = { (enum bo_dist)dist,
					     dist == BO_DIST_TABLE ? &humps : NULL };
		double d, p = ks_of(&asked, &asked, &d), other_d, other = 0;

		if (dist != BO_DIST_UNIFORM)
			other = ks_of(&asked, &(struct asked){ .dist = BO_DIST_UNIFORM }, &other_d);
		printf("%-16s %10.5f %10.3f  %-5s %.3g\n", bo_dist_name(asked.dist), d, p,
		       verdict(p > 0.01 && other < 1e-6), other);
	}
}

/* --- chains ----------------------------------------------------------------------------------- */

static void recovered(const char *model, const char *name, double asked, double found)
{
	printf("%-16s %-10s %10.4f %10.4f %+9.2f%%  %s\n", model, name, asked, found,
	       (found / asked - 1) * 100, verdict(fabs(found - asked) <= 0.05 * asked));
}

static void chains(void)
{
	const struct bo_loss ge = { .model = BO_LOSS_GE,
				    .p_ppm = 20000,
				    .r_ppm = 150000,
				    .bad_loss_ppm = 700000,
				    .good_loss_ppm = 10000 };
	const struct bo_loss states = { .model = BO_LOSS_STATE,
					.p13_ppm = 20000,
					.p31_ppm = 200000,
					.p32_ppm = 100000,
					.p23_ppm = 300000,
					.p14_ppm = 15000 };
	const struct bo_impair gilbert = { .loss = { .model = BO_LOSS_GE,
						     .p_ppm = 10000,
						     .r_ppm = 250000,
						     .bad_loss_ppm = BO_PPM_ALL } };
	struct bo_wire_line line = line_with(&gilbert, seed);
	double lost = 0, bursts = 0;
	bool before = false;
	struct walk w;

	printf("\nchains of losses, %d packets: within 5 %%\n%-16s %-10s %10s %10s\n", 10 * N,
	       "model", "parameter", "asked", "found");
	walk(&ge, bo_mix64(seed), 10 * N, &w);
	recovered("gemodel", "p", 0.02, w.moves[0][1] / w.from[0]);
	recovered("", "r", 0.15, w.moves[1][0] / w.from[1]);
	recovered("", "bad", 0.7, w.lost[1] / w.from[1]);
	recovered("", "good", 0.01, w.lost[0] / w.from[0]);
	walk(&states, bo_mix64(seed), 10 * N, &w);
	recovered("state", "p13", 0.02, w.moves[0][2] / w.from[0]);
	recovered("", "p31", 0.2, w.moves[2][0] / w.from[2]);
	recovered("", "p32", 0.1, w.moves[2][1] / w.from[2]);
	recovered("", "p23", 0.3, w.moves[1][2] / w.from[1]);
	recovered("", "p14", 0.015, w.moves[0][3] / w.from[0]);
	for (int i = 0; i < 10 * N; i++) {
		bool gone = next(&line, i).fate == BO_WIRE_LOST;

		lost += gone;
		bursts += gone && !before;
		before = gone;
	}
	recovered("as a receiver", "p", 0.01, bursts / (10 * N - lost));
	recovered("  sees them", "r", 0.25, bursts / lost);
}

/* --- shares ----------------------------------------------------------------------------------- */

static void share(const char *name, int64_t seen, int64_t n, double p)
{
	double half = 2.576 * sqrt((double)n * p * (1 - p));

	printf("%-16s %9.2f%% %10" PRId64 " %10.0f .. %.0f  %s\n", name, p * 100, seen,
	       (double)n * p - half, (double)n * p + half,
	       verdict(fabs((double)seen - (double)n * p) <= half));
}

static void shares(void)
{
	static const int64_t asked[] = { 1000, 10000, 100000 };

	printf("\nshares of %d packets: in the 99 %% interval\n%-16s %10s %10s %20s\n", 10 * N, "",
	       "asked", "found", "interval");
	for (size_t s = 0; s < sizeof(asked) / sizeof(asked[0]); s++) {
		const struct bo_chance chance = { .ppm = asked[s] };
		const struct {
			const char *name;
			struct bo_impair im;
		} of[] = {
			{ "loss", { .loss.random = chance } },
			{ "duplicate", { .duplicate = chance } },
			{ "corrupt", { .corrupt = chance } },
			{ "reorder", { .delay_ns = MS, .reorder = chance } },
		};

		for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++) {
			struct bo_wire_line line = line_with(&of[k].im, seed);
			int64_t seen = 0;

			for (int i = 0; i < 10 * N; i++) {
				struct bo_wire_outcome out = next(&line, i * MS);

				seen += out.fate == BO_WIRE_LOST || out.copied || out.corrupted ||
					out.ahead;
			}
			share(of[k].name, seen, 10 * N, (double)asked[s] / BO_PPM_ALL);
		}
	}
}

/* --- correlation ------------------------------------------------------------------------------ */

static double pearson(const double *x, int n)
{
	double mean = 0, square = 0, product = 0;

	for (int i = 0; i < n; i++)
		mean += x[i] / n;
	for (int i = 0; i < n; i++) {
		square += (x[i] - mean) * (x[i] - mean);
		product += i ? (x[i] - mean) * (x[i - 1] - mean) : 0;
	}
	return product / square;
}

static double ranks(const double *x, int n)
{
	int64_t(*pairs)[2] = calloc((size_t)n, sizeof(*pairs));
	double r;

	if (!pairs)
		exit(1);
	for (int i = 1; i < n; i++) {
		pairs[i - 1][0] = (int64_t)x[i - 1];
		pairs[i - 1][1] = (int64_t)x[i];
	}
	r = bo_rank_correlation((const int64_t(*)[2])pairs, (size_t)n - 1);
	free(pairs);
	return r;
}

static double deviation(const double *x, int n)
{
	double mean = 0, square = 0;

	for (int i = 0; i < n; i++)
		mean += x[i] / n;
	for (int i = 0; i < n; i++)
		square += (x[i] - mean) * (x[i] - mean) / n;
	return sqrt(square);
}

static void correlations(void)
{
	static const int64_t asked[] = { 0, 250000, 500000, 750000, 900000 };

	printf("\ncorrelation of a delay with the next, %d of them: uniform ± 0.02, ranks ± 0.02 of what confirm expects\n"
	       "%-8s %-14s %10s %10s %10s %12s\n",
	       N, "asked", "distribution", "Pearson", "ranks", "expected", "deviation ms");
	for (size_t s = 0; s < sizeof(asked) / sizeof(asked[0]); s++)
		for (int dist = 0; dist < BO_DIST_TABLE; dist++) {
			const struct bo_impair im = { .delay_ns = DELAY,
						      .jitter_ns = JITTER,
						      .dist = (enum bo_dist)dist,
						      .delay_corr_ppm = asked[s] };
			double rho = (double)asked[s] / BO_PPM_ALL, sigma;
			double expected = bo_expect_rank_correlation(&im, MS / 10, &sigma);
			double *x = delays_of(&im), r = pearson(x, N), by_rank = ranks(x, N);

			printf("%5.0f%%   %-14s %10.3f %10.3f %10.3f %12.2f  %s\n", rho * 100,
			       bo_dist_name(im.dist), r, by_rank, expected,
			       deviation(x, N) / (double)MS,
			       verdict(fabs(by_rank - expected) < 0.02 &&
				       (dist != BO_DIST_UNIFORM || fabs(r - rho) < 0.02)));
			free(x);
		}
}

/* --- seeds ------------------------------------------------------------------------------------ */

/** fates() - FNV-1a over all that becomes of the packets */
static uint64_t fates(uint64_t with_seed)
{
	const struct bo_impair im = { .delay_ns = DELAY,
				      .jitter_ns = JITTER,
				      .dist = BO_DIST_NORMAL,
				      .delay_corr_ppm = 250000,
				      .loss = { .model = BO_LOSS_GE,
						.p_ppm = 10000,
						.r_ppm = 250000,
						.bad_loss_ppm = BO_PPM_ALL },
				      .duplicate = { 10000, 250000 },
				      .corrupt = { 10000, 250000 },
				      .reorder = { 10000, 250000 } };
	struct bo_wire_line line = line_with(&im, with_seed);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < N; i++) {
		struct bo_wire_outcome out = next(&line, i * SPACE);
		uint64_t parts[] = { out.fate, (uint64_t)(out.due_ns - i * SPACE), out.corrupted,
				     out.bit, out.copied };

		for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
			hash = (hash ^ parts[p]) * UINT64_C(0x100000001b3);
	}
	return hash;
}

int main(int argc, char **argv)
{
	uint64_t once, again, other;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	distributions();
	chains();
	shares();
	correlations();
	once = fates(seed);
	again = fates(seed);
	other = fates(seed + 1);
	printf("\nfates of %d packets, hashed\nseed %" PRIu64 " %016" PRIx64 ", again %016" PRIx64
	       ", seed %" PRIu64 " %016" PRIx64 "  %s\n",
	       N, seed, once, again, seed + 1, other, verdict(once == again && once != other));
	if (wrong)
		fprintf(stderr, "chance_bench: %d figures are outside their bounds\n", wrong);
	return wrong > 0;
}
