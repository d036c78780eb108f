/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_chance.c — is what is drawn what was asked for?  Seeds are fixed, so each
 * test always sees the same numbers; and each is shown to notice a wrong parameter, for a test that
 * could not fail would say nothing.  Privilege: none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "ks.h"
#include "wire_draws.h"

#define MS BO_NSEC_PER_MSEC
#define N 100000

/* --- distributions ---------------------------------------------------------------------------- */

/** struct spread - quantiles that @jitter_ns spreads around 100 ms */
struct spread {
	double (*quantile)(int dist, double p);
	int dist;
	int64_t jitter_ns;
};

static double spread_at(const void *arg, double p)
{
	const struct spread *spread = arg;
	double q = spread->quantile(spread->dist, p);

	/* At the ends, where everything further out gathers, there is nothing to compare. */
	return fabs(q) >= 3.999 ? NAN : 100.0 * MS + q * (double)spread->jitter_ns;
}

/** ks() - p of the delays of @im against those quantiles */
static double ks(const struct bo_impair *im, double (*quantile)(int dist, double p), int dist,
		 int64_t jitter_ns)
{
	const struct spread spread = { quantile, dist, jitter_ns };
	struct bo_wire_line line = line_with(im, 7);
	double *delay = calloc(N, sizeof(*delay));
	double d;

	assert_non_null(delay);
	for (int i = 0; i < N; i++)
		delay[i] = (double)(next(&line, i * 1000 * MS).due_ns - i * 1000 * MS);
	d = ks_distance(delay, N, spread_at, &spread);
	free(delay);
	return ks_p(d, N);
}

static double formula(int dist, double p)
{
	return bo_dist_quantile((enum bo_dist)dist, p);
}

/* A measured distribution: two equal humps, at -1 … -0.5 and 0.5 … 1. */
static double humps(int dist, double p)
{
	(void)dist;
	return p < 0.5 ? p - 1 : p;
}

static void delays_follow_their_distribution(void **state)
{
	static struct bo_dist_table table;
	struct bo_impair im = { .delay_ns = 100 * MS, .jitter_ns = 10 * MS };

	(void)state;
	for (int i = 0; i < BO_DIST_TABLE_LEN; i++)
		table.at[i] =
			(int16_t)rint(humps(0, (i + 0.5) / BO_DIST_TABLE_LEN) * BO_DIST_SCALE);
	for (int dist = 0; dist < BO_DIST_TABLE; dist++) {
		im.dist = (enum bo_dist)dist;
		assert_true(ks(&im, formula, dist, 10 * MS) > 0.01);
		assert_true(ks(&im, formula, dist, 10 * MS * 103 / 100) < 0.01);
		for (int other = 0; other < BO_DIST_TABLE; other++)
			assert_true(other == dist || ks(&im, formula, other, 10 * MS) < 1e-6);
	}
	im.dist = BO_DIST_TABLE;
	im.table = &table;
	assert_true(ks(&im, humps, 0, 10 * MS) > 0.01);
	assert_true(ks(&im, formula, BO_DIST_UNIFORM, 10 * MS) < 1e-6);
}

static void delays_are_never_negative(void **state)
{
	struct bo_impair im = { .delay_ns = 10 * MS, .jitter_ns = 10 * MS, .dist = BO_DIST_NORMAL };
	struct bo_wire_line line = line_with(&im, 1);
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		int64_t delay_ns = next(&line, i * 1000 * MS).due_ns - i * 1000 * MS;

		least = delay_ns < least ? delay_ns : least;
		most = delay_ns > most ? delay_ns : most;
	}
	assert_int_equal(least, 0);
	assert_in_range(most, 40 * MS, 50 * MS);
}

/* --- correlation ------------------------------------------------------------------------------ */

/* netem's recursion in real numbers, from the same independent draws. */
static void correlation_is_netems_recursion(void **state)
{
	static const int64_t shares[] = { 1, 250000, 500000, 900000, 999999, BO_PPM_ALL };

	(void)state;
	for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
		struct bo_wire_memory memory = { 0 };
		struct bo_wire_dice dice = { .key = 12345, .memory = &memory };
		double rho = (double)shares[s] / BO_PPM_ALL, last, wrong = 0;

		bo_wire_restart(&dice, 1, &(const struct bo_loss){ 0 });
		last = memory.last[BO_WIRE_CHANCE_LOSS];
		for (dice.number = 0; dice.number < 10000; dice.number++) {
			double fresh = bo_wire_roll(&dice, BO_WIRE_CHANCE_LOSS);
			uint32_t got = bo_wire_roll_correlated(&dice, BO_WIRE_CHANCE_LOSS,
							       shares[s]);

			wrong = fmax(wrong, fabs(fresh * (1.01 - rho) + last * (rho - 0.01) - got));
			last = fresh * (1 - rho) + last * rho;
			assert_true(fabs(last - got) <= 2 + 2e-4 / (1.0001 - rho));
			last = got;
		}
		assert_true(shares[s] == BO_PPM_ALL || wrong > 1e6);
	}
}

/** autocorrelation() - of one delay with the next */
static double autocorrelation(int64_t corr_ppm, enum bo_dist dist)
{
	struct bo_impair im = {
		.delay_ns = 100 * MS, .jitter_ns = 10 * MS, .dist = dist, .delay_corr_ppm = corr_ppm
	};
	struct bo_wire_line line = line_with(&im, 3);
	double last = 0, sum = 0, squares = 0;

	for (int i = 0; i < N; i++) {
		double x = (double)(next(&line, i * 1000 * MS).due_ns - i * 1000 * MS - 100 * MS);

		sum += x * last;
		squares += x * x;
		last = x;
	}
	return sum / squares;
}

static void delays_correlate_as_asked(void **state)
{
	(void)state;
	assert_true(fabs(autocorrelation(0, BO_DIST_UNIFORM)) < 0.01);
	assert_true(fabs(autocorrelation(250000, BO_DIST_UNIFORM) - 0.25) < 0.01);
	assert_true(fabs(autocorrelation(800000, BO_DIST_UNIFORM) - 0.8) < 0.01);
	assert_true(fabs(autocorrelation(500000, BO_DIST_NORMAL) - 0.5) < 0.02);
}

/* --- shares ----------------------------------------------------------------------------------- */

/** within() - is @seen of @n inside the 99 % interval of the binomial distribution? */
static bool within(int64_t seen, int n, int64_t ppm)
{
	double p = (double)ppm / BO_PPM_ALL;

	return fabs((double)seen - n * p) <= 2.576 * sqrt(n * p * (1 - p));
}

static void shares_are_as_asked(void **state)
{
	static const int64_t shares[] = { 1000, 10000, 100000 };

	(void)state;
	for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
		struct bo_impair im = { .delay_ns = MS,
					.loss.random.ppm = shares[s],
					.duplicate.ppm = shares[s],
					.corrupt.ppm = shares[s],
					.reorder.ppm = shares[s] };
		struct bo_wire_line line = line_with(&im, 11);
		int64_t lost = 0, copied = 0, corrupted = 0, ahead = 0;
		int passed = 0;

		for (int i = 0; i < 4 * N; i++) {
			struct bo_wire_outcome out = next(&line, i * MS);

			lost += out.fate == BO_WIRE_LOST;
			if (out.fate != BO_WIRE_PASS)
				continue;
			passed++;
			copied += out.copied;
			corrupted += out.corrupted;
			ahead += out.ahead;
		}
		/* A packet that is lost and duplicated just goes, as with netem. */
		assert_true(within(lost, 4 * N, shares[s] - shares[s] * shares[s] / BO_PPM_ALL));
		assert_true(within(copied, 4 * N, shares[s] - shares[s] * shares[s] / BO_PPM_ALL));
		assert_true(within(corrupted, passed, shares[s]));
		assert_true(within(ahead, passed, shares[s]));
		assert_false(within(lost, 4 * N, shares[s] * 12 / 10));
		assert_false(within(corrupted, passed, shares[s] * 8 / 10));
	}
}

/* The purposes must not hang together: were the draw of a loss that of the corruption, too, nothing
 * would ever be corrupted, or everything that passes. */
static void draws_are_independent_of_each_other(void **state)
{
	int both[BO_WIRE_CHANCE_COUNT][BO_WIRE_CHANCE_COUNT] = { { 0 } };
	struct bo_wire_memory memory = { 0 };
	struct bo_wire_dice dice = { .key = 99, .memory = &memory };
	int same = 0;

	(void)state;
	for (dice.number = 0; dice.number < N; dice.number++) {
		uint32_t first[BO_WIRE_CHANCE_COUNT];

		for (int a = 0; a < BO_WIRE_CHANCE_COUNT; a++)
			first[a] = bo_wire_roll(&dice, (enum bo_wire_chance)a);
		for (int a = 0; a < BO_WIRE_CHANCE_COUNT; a++)
			for (int b = 0; b < a; b++)
				both[a][b] += first[a] < UINT32_MAX / 10 &&
					      first[b] < UINT32_MAX / 10;
		dice.copy = true;
		same += bo_wire_roll(&dice, BO_WIRE_CHANCE_LOSS) < UINT32_MAX / 10 &&
			first[BO_WIRE_CHANCE_LOSS] < UINT32_MAX / 10;
		dice.copy = false;
	}
	for (int a = 0; a < BO_WIRE_CHANCE_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_in_range(both[a][b], N / 100 - 130, N / 100 + 130); /* 4 sigma */
	assert_in_range(same, N / 100 - 130, N / 100 + 130);
}

/* --- chains ----------------------------------------------------------------------------------- */

/** near() - within 5 % */
static bool near(double seen, double asked)
{
	return fabs(seen - asked) <= 0.05 * asked;
}

static void ge_has_its_parameters(void **state)
{
	const struct bo_loss loss = { .model = BO_LOSS_GE,
				      .p_ppm = 20000,
				      .r_ppm = 150000,
				      .bad_loss_ppm = 700000,
				      .good_loss_ppm = 10000 };
	struct walk w;

	(void)state;
	walk(&loss, 5, 10 * N, &w);
	assert_true(near(w.moves[0][1] / w.from[0], 0.02));
	assert_true(near(w.moves[1][0] / w.from[1], 0.15));
	assert_true(near(w.lost[1] / w.from[1], 0.7));
	assert_true(near(w.lost[0] / w.from[0], 0.01));
	assert_true(near(w.losses / (10 * N), bo_loss_expected(&loss)));
	assert_false(near(w.moves[0][1] / w.from[0], 0.022));
	assert_false(near(w.moves[1][0] / w.from[1], 0.165));
	assert_false(near(w.lost[1] / w.from[1], 0.77));
}

/* What a receiver sees of the simple Gilbert model: bursts of 1 / r, gaps of 1 / p. */
static void gilbert_has_its_bursts(void **state)
{
	const struct bo_impair im = { .loss = { .model = BO_LOSS_GE,
						.p_ppm = 10000,
						.r_ppm = 250000,
						.bad_loss_ppm = BO_PPM_ALL } };
	struct bo_wire_line line = line_with(&im, 21);
	double lost = 0, bursts = 0;
	bool before = false;

	(void)state;
	for (int i = 0; i < 10 * N; i++) {
		bool gone = next(&line, i).fate == BO_WIRE_LOST;

		lost += gone;
		bursts += gone && !before;
		before = gone;
	}
	assert_true(near(lost / bursts, 1 / 0.25));
	assert_true(near((10 * N - lost) / bursts, 1 / 0.01));
	assert_false(near(lost / bursts, 1 / 0.23));
}

static void four_states_have_their_parameters(void **state)
{
	const struct bo_loss loss = { .model = BO_LOSS_STATE,
				      .p13_ppm = 20000,
				      .p31_ppm = 200000,
				      .p32_ppm = 100000,
				      .p23_ppm = 300000,
				      .p14_ppm = 15000 };
	/* As wire_chain.c counts them: 0 and 1 receive, 2 and 3 lose, 3 on its own. */
	struct walk w;

	(void)state;
	walk(&loss, 5, 10 * N, &w);
	assert_true(near(w.moves[0][2] / w.from[0], 0.02));
	assert_true(near(w.moves[2][0] / w.from[2], 0.2));
	assert_true(near(w.moves[2][1] / w.from[2], 0.1));
	assert_true(near(w.moves[1][2] / w.from[1], 0.3));
	assert_true(near(w.moves[0][3] / w.from[0], 0.015));
	assert_true(w.moves[3][0] == w.from[3] && w.lost[3] == 0);
	assert_true(w.moves[1][0] == 0 && w.moves[1][3] == 0 && w.moves[2][3] == 0);
	assert_true(w.losses == w.moves[0][2] + w.moves[1][2] + w.moves[2][2] + w.moves[0][3]);
	assert_true(near(w.losses / (10 * N), bo_loss_expected(&loss)));
	assert_false(near(w.moves[0][2] / w.from[0], 0.022));
	assert_false(near(w.moves[1][2] / w.from[1], 0.33));
	assert_false(near(w.losses / (10 * N), bo_loss_expected(&loss) * 1.1));
}

/** simulated() - share lost, of 10 N packets through a whole line */
static double simulated(const struct bo_loss *loss)
{
	const struct bo_impair im = { .loss = *loss };
	struct bo_wire_line line = line_with(&im, 31);
	double lost = 0;

	for (int i = 0; i < 10 * N; i++)
		lost += next(&line, i).fate == BO_WIRE_LOST;
	return lost / (10 * N);
}

static void expected_loss_is_what_comes_out(void **state)
{
	/* clang-format off */
	static const struct bo_loss losses[] = {
		{ .random.ppm = 5000 },
		{ .model = BO_LOSS_GE, .p_ppm = 5000, .r_ppm = 300000, .bad_loss_ppm = BO_PPM_ALL },
		{ .model = BO_LOSS_GE, .p_ppm = 300000, .r_ppm = 50000, .bad_loss_ppm = 500000, .good_loss_ppm = 20000 },
		{ .model = BO_LOSS_GE, .good_loss_ppm = 30000, .bad_loss_ppm = BO_PPM_ALL },
		{ .model = BO_LOSS_GE, .p_ppm = 1000, .bad_loss_ppm = BO_PPM_ALL }, /* never back */
		{ .model = BO_LOSS_STATE, .p14_ppm = 50000 },
		{ .model = BO_LOSS_STATE, .p13_ppm = 10000, .p31_ppm = 400000 },
		{ .model = BO_LOSS_STATE, .p13_ppm = 30000, .p31_ppm = 100000, .p32_ppm = 500000, .p23_ppm = 200000, .p14_ppm = 10000 },
		{ .model = BO_LOSS_STATE, .p13_ppm = 10000, .p32_ppm = 200000, .p23_ppm = 400000 }, /* no way to the gap */
		{ .model = BO_LOSS_STATE, .p13_ppm = BO_PPM_ALL },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		if (!near(simulated(&losses[i]), bo_loss_expected(&losses[i])))
			fail_msg("case %zu: expected %g, simulated %g", i,
				 bo_loss_expected(&losses[i]), simulated(&losses[i]));
}

/* Flows of five packets meet the losses of flows of a million. */
static void short_flows_lose_as_much_as_long_ones(void **state)
{
	/* clang-format off */
	static const struct bo_loss losses[] = {
		{ .model = BO_LOSS_GE, .p_ppm = 10000, .r_ppm = 90000, .bad_loss_ppm = BO_PPM_ALL },
		{ .model = BO_LOSS_GE, .p_ppm = 2000, .r_ppm = 8000, .bad_loss_ppm = 500000, .good_loss_ppm = 10000 },
		{ .model = BO_LOSS_STATE, .p13_ppm = 10000, .p31_ppm = 100000, .p32_ppm = 50000, .p23_ppm = 25000, .p14_ppm = 20000 },
		{ .model = BO_LOSS_STATE, .p13_ppm = 5000, .p31_ppm = 20000 },
		{ .model = BO_LOSS_STATE, .p14_ppm = 100000 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		double lost = 0, from[4] = { 0 };
		struct walk w;

		for (uint64_t flow = 0; flow < N; flow++) {
			struct bo_wire_memory memory = { 0 };
			struct bo_wire_dice dice = { .key = flow * 7919, .memory = &memory };

			bo_wire_restart(&dice, 1, &losses[i]);
			from[memory.state]++;
			for (; dice.number < 5; dice.number++)
				lost += bo_wire_lost(&dice, &losses[i]);
		}
		assert_true(near(lost / (5.0 * N), bo_loss_expected(&losses[i])));
		walk(&losses[i], 5, 40 * N, &w);
		for (int k = 0; k < 4; k++)
			assert_true(fabs(from[k] / N - w.from[k] / (40 * N)) < 0.01);
	}
	/* No way back: from the good state on. */
	for (uint32_t draw = 0; draw < UINT32_MAX - 100000000; draw += 100000000) {
		const struct bo_loss ge = { .model = BO_LOSS_GE, .p_ppm = 1 }, st = {
			.model = BO_LOSS_STATE, .p13_ppm = 1, .p32_ppm = 9, .p23_ppm = 9
		};

		assert_int_equal(bo_wire_chain_start(&ge, draw), 0);
		assert_int_equal(bo_wire_chain_start(&st, draw), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_follow_their_distribution),
		cmocka_unit_test(delays_are_never_negative),
		cmocka_unit_test(correlation_is_netems_recursion),
		cmocka_unit_test(delays_correlate_as_asked),
		cmocka_unit_test(shares_are_as_asked),
		cmocka_unit_test(draws_are_independent_of_each_other),
		cmocka_unit_test(ge_has_its_parameters),
		cmocka_unit_test(gilbert_has_its_bursts),
		cmocka_unit_test(four_states_have_their_parameters),
		cmocka_unit_test(short_flows_lose_as_much_as_long_ones),
		cmocka_unit_test(expected_loss_is_what_comes_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
