/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_burn.c — how fast a run spends the error budget of a service level objective.
 *
 * With a target T (99.9 %) the budget is B = 1 − T of all requests of a period P (30 days).  A window with the share
 * E of failed requests burns at the rate E / B: 1 spends the budget in exactly P, 14.4 spends 2 % of that of 30 days
 * in one hour.  burn(1h/5m) is the highest rate at which both windows burned at the same moment: the long one says
 * that it matters, the short one that it still goes on.  (The Site Reliability Workbook, chapter 5, "Multiwindow,
 * Multi-Burn-Rate Alerts".)
 *
 * A test run is shorter than an hour: when the long window is longer than what is judged, both are scaled down
 * alike, so that the long one is all of it.  Rates do not change by that.  Time that is not judged is cut out, and
 * before its beginning there were as many requests, all of them good.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "check.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

/* Windows are looked at so many times in the length of the shorter one; when there are MANY of those, at a few. */
#define LOOKS 20
#define FEW_LOOKS 4
#define MANY 100
#define MONTH_NS (30 * SLO_MAX_STRETCH_NS)

/**
 * struct past - the requests asked about
 * @t: when each was due, in ns of judged time;  @bad, @open: how many of those up to index i failed, or never ended
 */
struct past {
	size_t n;
	int64_t total_ns;
	int64_t *t;
	size_t *bad;
	size_t *open;
	double deff;
};

static void past_done(struct past *past)
{
	free(past->t);
	free(past->bad);
	free(past->open);
}

static int add(struct past *past, const struct bo_req *req, int64_t t, struct slo_batches *batches,
	       struct bo_err *err)
{
	bool bad = bo_req_class_is_error((enum bo_req_class)req->cls);

	past->t[past->n] = t;
	past->n++;
	past->bad[past->n] = past->bad[past->n - 1] + bad;
	past->open[past->n] = past->open[past->n - 1] + (req->cls == BO_REQ_INFLIGHT);
	return slo_batches_add(batches, req->intended_ns, bad, 0, err);
}

static int recall(struct past *past, const struct slo_ask *ask, struct bo_err *err)
{
	const struct slo_ctx *ctx = ask->ctx;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);
	struct slo_batches batches;
	int64_t total = 0;
	int r = 0;

	past->t = calloc(ctx->nreqs + 1, sizeof(*past->t));
	past->bad = calloc(ctx->nreqs + 1, sizeof(*past->bad));
	past->open = calloc(ctx->nreqs + 1, sizeof(*past->open));
	if (!past->t || !past->bad || !past->open)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	for (size_t s = 0; s < nspans; s++)
		total += spans[s].to_ns - spans[s].from_ns;
	slo_batches_init(&batches, total);
	for (size_t s = 0; r == 0 && s < nspans; s++) {
		size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, spans[s].from_ns);

		for (; r == 0 && i < ctx->nreqs; i++) {
			const struct bo_req *req = ctx->by_intended[i];

			if (req->intended_ns >= spans[s].to_ns)
				break;
			if (slo_req_counts(ctx->plan, ask->cmp, req) &&
			    req->cls != BO_REQ_ABANDONED)
				r = add(past, req,
					past->total_ns + req->intended_ns - spans[s].from_ns,
					&batches, err);
		}
		past->total_ns += spans[s].to_ns - spans[s].from_ns;
	}
	past->deff = r == 0 ? slo_dispersion(&batches) : 1;
	slo_batches_done(&batches);
	return r;
}

/* How many of the requests were due before @t of judged time. */
static size_t before(const struct past *past, int64_t t)
{
	size_t lo = 0, hi = past->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (past->t[mid] < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* struct rate - the share of @n requests of which @bad failed, @most at most, and its bounds */
struct rate {
	double n;
	double bad;
	double most;
	double value;
	double lower;
	double upper;
};

/* The share of failed requests in the @length_ns before @t.  @rate holds that of the look before: most of the time
 * nothing has changed since, and bounds take long to find. */
static void share_before(const struct past *past, int64_t t, int64_t length_ns, bool caps,
			 struct rate *rate)
{
	size_t first = before(past, t - length_ns), end = before(past, t);
	double bad = (double)(past->bad[end] - past->bad[first]);
	double most = bad + (double)(past->open[end] - past->open[first]);
	double n = (double)(end - first), unused;

	if (t < length_ns)
		n = rint(n + (double)past->n / (double)past->total_ns * (double)(length_ns - t));
	if (rate->n == n && rate->bad == bad && rate->most == most)
		return;
	*rate = (struct rate){ .n = n, .bad = bad, .most = most, .upper = 1 };
	if (n < 1 || most > n)
		return;
	rate->value = bad / n;
	slo_share_bounds(bad, n, caps ? 1 : past->deff, 1, &rate->lower, &unused);
	slo_share_bounds(most, n, 1, caps ? past->deff : 1, &unused, &rate->upper);
}

static int64_t real_time(const struct slo_ask *ask, int64_t t)
{
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_ask_spans(ask, spans);

	for (size_t s = 0; s < n; s++) {
		int64_t length = spans[s].to_ns - spans[s].from_ns;

		if (t <= length)
			return spans[s].from_ns + t;
		t -= length;
	}
	return SLO_NEVER;
}

/* The highest rate there was; both windows must burn, so the slower of them counts. */
static void worst_rate(const struct slo_ask *ask, const struct past *past, int64_t long_ns,
		       int64_t short_ns, double budget, struct slo_estimate *est)
{
	int64_t shorter = short_ns ? short_ns : long_ns;
	int64_t looks = past->total_ns / shorter > MANY ? FEW_LOOKS : LOOKS;
	int64_t look = shorter > looks ? shorter / looks : 1;
	bool caps = slo_op_caps(ask->cmp->op);
	struct rate slow = { .n = -1 }, recent = { .n = -1 };

	est->value = est->lower = est->upper = 0;
	/* All of it: there is nothing to look at before the end. */
	if (!short_ns && long_ns >= past->total_ns)
		look = past->total_ns;
	for (int64_t at = look; at < past->total_ns + look; at += look) {
		int64_t t = at < past->total_ns ? at : past->total_ns;
		struct rate rate;

		share_before(past, t, long_ns, caps, &slow);
		rate = slow;
		if (short_ns) {
			share_before(past, t, short_ns, caps, &recent);
			rate.value = fmin(rate.value, recent.value);
			rate.lower = fmin(rate.lower, recent.lower);
			rate.upper = fmin(rate.upper, recent.upper);
		}
		est->value = fmax(est->value, rate.value / budget);
		est->lower = fmax(est->lower, rate.lower / budget);
		est->upper = fmax(est->upper, rate.upper / budget);
		if (est->breach_ns == SLO_NEVER && !isnan(ask->limit) &&
		    slo_breaks(ask->cmp->op, rate.value / budget, ask->limit))
			est->breach_ns = real_time(ask, t);
	}
}

static double target_of(const struct slo_cmp *cmp, const struct bo_plan *plan)
{
	return cmp->burn && !isnan(cmp->burn->target) ? cmp->burn->target : plan->slo_target;
}

static int measure_burn(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const struct bo_plan *plan = ask->ctx->plan;
	const struct slo_burn *burn = ask->cmp->burn;
	double budget = 1 - target_of(ask->cmp, plan);
	int64_t period = plan->slo_period_ns > 0 ? plan->slo_period_ns : MONTH_NS;
	int64_t long_ns = burn ? burn->long_ns : 0, short_ns = burn ? burn->short_ns : 0;
	char l[BO_UNIT_BUF], s[BO_UNIT_BUF], p[BO_UNIT_BUF];
	struct past past = { 0 };
	double spent;
	int r = recall(&past, ask, err);

	if (r < 0 || !past.n) {
		snprintf(est->why, sizeof(est->why), "no requests");
		past_done(&past);
		return r;
	}
	if (long_ns > past.total_ns) {
		short_ns = (int64_t)((double)short_ns * (double)past.total_ns / (double)long_ns);
		long_ns = past.total_ns;
		snprintf(est->detail, sizeof(est->detail), "windows scaled to %s%s%s",
			 bo_format_duration(long_ns, l), short_ns ? "/" : "",
			 short_ns ? bo_format_duration(short_ns, s) : "");
	}
	worst_rate(ask, &past, long_ns ? long_ns : past.total_ns, short_ns, budget, est);
	snprintf(est->why, sizeof(est->why),
		 "%zu of %zu requests failed: it burns at %.2f to %.2f (99%% each way)",
		 past.bad[past.n], past.n, est->lower, est->upper);
	spent = (double)past.bad[past.n] / (double)past.n * (double)past.total_ns /
		(budget * (double)period);
	snprintf(est->remark, sizeof(est->remark),
		 "what was judged spent %.3g%% of the error budget of %gd at %s", 100 * spent,
		 (double)period / (double)SLO_MAX_STRETCH_NS, bo_format_ratio(1 - budget, p));
	past_done(&past);
	return 0;
}

int slo_check_burn(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	if (target_of(cmp, plan) > 0)
		return 0;
	return slo_err_at(err, cmp->metric_col,
			  "burn needs to know the objective: write burn(99.9%%), or say slo = { "
			  "target = \"99.9%%\" } in bo.scenario");
}

/* Rates of more than 1 / B do not exist, and a window of few requests cannot show a low one. */
bool slo_lint_burn(const struct slo_cmp *cmp, const struct bo_plan *plan, double planned, char *buf,
		   size_t size)
{
	double budget = 1 - target_of(cmp, plan), share = cmp->limit * budget, need;

	if (!(cmp->metric->flags & SLO_M_BURN) || !slo_op_caps(cmp->op) || cmp->limit <= 0)
		return false;
	if (cmp->burn && cmp->burn->long_ns)
		planned = fmin(planned,
			       slo_planned_rate(cmp, plan) * (double)cmp->burn->long_ns / 1e9);
	if (share >= 1 - 1e-9) {
		snprintf(buf, size,
			 "when every request fails it burns at %.4g, so a limit of %s cannot fail",
			 1 / budget, cmp->limit_text);
		return true;
	}
	need = (double)slo_min_samples(1 - share);
	if (planned >= need || planned <= 0)
		return false;
	snprintf(
		buf, size,
		"to show that it burns at less than %s takes at least %.0f requests%s, and the plan "
		"offers about %.0f there",
		cmp->limit_text, need, cmp->burn && cmp->burn->long_ns ? " in the long window" : "",
		planned);
	return true;
}

const struct slo_metric slo_burn_metrics[] = {
	{ .name = "burn",
	  .help = "rate at which the error budget is spent; 1 spends it in its period",
	  .label = "burn",
	  .unit = SLO_UNIT_COUNT,
	  .flags = SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_STEADY | SLO_M_ERRORS | SLO_M_BURN,
	  .measure = measure_burn },
	{ 0 },
};
