/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_shift.c — by how much latency rose against base.
 *
 * "latency.p99 <= 2.5 * base" holds two intervals against each other, each of one pooled percentile.
 * This one asks a sharper question of the same requests: both phases are cut into windows, each window
 * gives one number (its median, or another percentile), and the two sets of numbers are compared by
 * their ranks.  The windows, not the requests, are what is near independent; where they are not
 * either, as their serial correlation shows, the interval is widened by it (rank.c).  Logarithms make
 * the shift a ratio.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "check.h"
#include "eval.h"
#include "metric.h"
#include "rank.h"
#include "request.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

/* A window: a tenth of base, from 0.1 to 1 s, or as much as it takes for these. */
#define MIN_REQUESTS 10
#define MAX_WINDOWS 200

/* struct side - base, or what is compared with it */
struct side {
	BO_VEC(double) lo;
	BO_VEC(double) hi;
	size_t blind; /* windows in which nothing was answered */
};

static void side_done(struct side *side)
{
	bo_vec_done(&side->lo);
	bo_vec_done(&side->hi);
}

static int64_t total_ns(const struct slo_ctx *ctx, unsigned phases)
{
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_spans(ctx->run, phases, spans);
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += spans[i].to_ns - spans[i].from_ns;
	return sum;
}

static size_t requests(const struct slo_ask *ask, unsigned phases)
{
	const struct slo_ctx *ctx = ask->ctx;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_spans(ctx->run, phases, spans), count = 0;

	for (size_t s = 0; s < n; s++) {
		size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, spans[s].from_ns);

		for (; i < ctx->nreqs && ctx->by_intended[i]->intended_ns < spans[s].to_ns; i++)
			count += slo_load_counts(ctx->plan, ask->cmp, ctx->by_intended[i]->load);
	}
	return count;
}

static double quantile_of(const struct slo_cmp *cmp)
{
	return isnan(cmp->quantile) ? 0.5 : cmp->quantile;
}

size_t slo_shift_least(const struct slo_cmp *cmp)
{
	double least = ceil(1 / (1 - quantile_of(cmp)) - 1e-9);

	return least > MIN_REQUESTS ? (size_t)least : MIN_REQUESTS;
}

/* The same for both sides, so that they can be compared. */
static int64_t window_length(const struct slo_ask *ask, size_t in_base)
{
	int64_t base = total_ns(ask->ctx, SLO_PHASE_BIT(BO_PHASE_BASE)),
		here = total_ns(ask->ctx, ask->phases), length = base / 10, fill;

	length = length < BO_NSEC_PER_SEC ? length : BO_NSEC_PER_SEC;
	length = length > 100 * BO_NSEC_PER_MSEC ? length : 100 * BO_NSEC_PER_MSEC;
	fill = base / (int64_t)in_base * (int64_t)slo_shift_least(ask->cmp);
	length = length > fill ? length : fill;
	here = here > base ? here : base;
	return length > here / MAX_WINDOWS ? length : here / MAX_WINDOWS;
}

static int add_window(const struct slo_ask *ask, struct slo_span window, struct side *side,
		      struct bo_err *err)
{
	struct slo_ask in = *ask;
	struct slo_window w;
	int r;

	in.clip = window;
	in.limit = NAN;
	r = slo_window_quantile(&in, quantile_of(ask->cmp), &w, err);
	if (r < 0)
		return r;
	/* Poisson arrivals fill a window now more, now less. */
	if (w.n + w.unknown < slo_shift_least(ask->cmp) / 2)
		return 0;
	if (!w.n) {
		side->blind++;
		return 0;
	}
	/* A latency of 0 has no logarithm; the clock has ns. */
	if (!bo_vec_push(&side->lo, log(fmax(w.lower_ns, 1))) ||
	    !bo_vec_push(&side->hi, log(fmax(w.upper_ns, 1))))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	return 0;
}

static int cut(const struct slo_ask *ask, unsigned phases, int64_t length, struct side *side,
	       struct bo_err *err)
{
	struct slo_ask in = *ask;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_spans(ask->ctx->run, phases, spans);

	in.phases = phases;
	for (size_t s = 0; s < n; s++) {
		for (int64_t at = spans[s].from_ns; spans[s].to_ns - at >= (length + 1) / 2;
		     at += length) {
			int64_t end = spans[s].to_ns - at < length ? spans[s].to_ns : at + length;
			int r = add_window(&in, (struct slo_span){ at, end }, side, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void say(const struct slo_rank *rank, const struct side *base, const struct side *here,
		int64_t length, double serial, struct slo_estimate *est)
{
	char lo[BO_UNIT_BUF], hi[BO_UNIT_BUF], w[BO_UNIT_BUF];
	size_t used;

	slo_format(SLO_UNIT_RATIO, est->lower, lo);
	slo_format(SLO_UNIT_RATIO, est->upper, hi);
	snprintf(est->detail, sizeof(est->detail), "%s to %s, p %.2g, n %zu and %zu", lo, hi,
		 rank->p, base->lo.len, here->lo.len);
	snprintf(est->why, sizeof(est->why),
		 "%zu windows of base and %zu here, %s each, say %s to %s (" SLO_CONFIDENCE ")",
		 base->lo.len, here->lo.len, bo_format_duration(length, w), lo, hi);
	used = strlen(est->why);
	if (serial > 1)
		snprintf(est->why + used, sizeof(est->why) - used,
			 "; they follow each other, as if %.0f and %.0f: longer phases would tell",
			 fmax(1, (double)base->lo.len / serial),
			 fmax(1, (double)here->lo.len / serial));
	else if (isinf(rank->lower) || isinf(rank->upper))
		snprintf(est->why + used, sizeof(est->why) - used,
			 "; it takes five and five that are known");
	used = strlen(est->why);
	if (base->blind || here->blind)
		snprintf(est->why + used, sizeof(est->why) - used,
			 "; in %zu windows nothing was answered", base->blind + here->blind);
}

static int compare(const struct slo_ask *ask, const struct side *base, const struct side *here,
		   int64_t length, struct slo_estimate *est, struct bo_err *err)
{
	struct slo_sample a = { base->lo.items, base->hi.items, base->lo.len },
			  b = { here->lo.items, here->hi.items, here->lo.len };
	/* What a fault does to latency over time is no noise; base shows how long a spell is. */
	double fail = slo_serial_inflation(a.lo, a.n),
	       pass = fmax(fail, slo_serial_inflation(b.lo, b.n));
	bool caps = slo_op_caps(ask->cmp->op);
	struct slo_rank rank;
	int r;

	if (!a.n || !b.n) {
		snprintf(est->why, sizeof(est->why),
			 "%zu windows of base and %zu here have enough requests to compare", a.n,
			 b.n);
		return 0;
	}
	r = slo_rank(&a, &b, SLO_ALPHA, caps ? fail : pass, caps ? pass : fail, &rank, err);
	if (r < 0)
		return r;
	est->value = expm1(rank.shift);
	est->lower = base->blind ? -INFINITY : expm1(rank.lower);
	est->upper = here->blind ? INFINITY : expm1(rank.upper);
	if (isinf(rank.lower))
		est->lower = -INFINITY;
	say(&rank, base, here, length, pass, est);
	return 0;
}

static int measure_shift(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const unsigned before = SLO_PHASE_BIT(BO_PHASE_BASE);
	size_t in_base = requests(ask, before);
	struct side base = { 0 }, here = { 0 };
	int64_t length;
	int r;

	if (!in_base || !requests(ask, ask->phases)) {
		snprintf(est->why, sizeof(est->why), "no requests%s", in_base ? "" : " in base");
		return 0;
	}
	length = window_length(ask, in_base);
	r = cut(ask, before, length, &base, err);
	if (r == 0)
		r = cut(ask, ask->phases, length, &here, err);
	if (r == 0)
		r = compare(ask, &base, &here, length, est, err);
	side_done(&base);
	side_done(&here);
	return r;
}

#define SHIFT_FLAGS (SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_NEEDS_BASE)

const struct slo_metric slo_shift_metrics[] = {
	{ .name = "latency.shift",
	  .help = "rise of the windows' median latency over base",
	  .unit = SLO_UNIT_RATIO,
	  .flags = SHIFT_FLAGS,
	  .scope = SLO_SCOPE_FAULT,
	  .measure = measure_shift },
	{ .name = "latency.shift.p",
	  .help = "rise of the windows' percentile over base",
	  .unit = SLO_UNIT_RATIO,
	  .flags = SHIFT_FLAGS,
	  .scope = SLO_SCOPE_FAULT,
	  .measure = measure_shift },
	{ 0 },
};
