/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_latency.c — latency percentiles, maximum and mean.
 *
 * What counts, so that nothing is judged from successes only:
 *  - answered (any status, errors too): its latency is known;
 *  - timed out, abandoned, still in flight: at least as long as it lasted; for the upper bound,
 *    for ever;
 *  - connection refused, reset, unreachable …: there is no answer to time.  One that lasted longer
 *    than the limit broke it; one that failed fast has no latency, and is left out *if an errors
 *    budget judges it*.  Otherwise it is an unknown, and too many unknowns never PASS: a service
 *    cannot meet its latency budget by failing fast unseen;
 *  - shed by the generator: unknown.
 * So there are two populations.  The lower bound (is it surely too slow?) knows the answered and
 * those that waited; the upper bound (is it surely fast enough?) also holds every unknown, as
 * endless.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "eval.h"
#include "live.h"
#include "metric.h"
#include "request.h"
#include "samples.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

enum slo_answer slo_answer_of(const struct bo_req *req)
{
	switch ((enum bo_req_class)req->cls) {
	case BO_REQ_OK:
	case BO_REQ_HTTP_4XX:
	case BO_REQ_HTTP_5XX:
	case BO_REQ_GRPC:
		return SLO_ANSWERED;
	case BO_REQ_TIMEOUT_CONNECT:
	case BO_REQ_TIMEOUT_FIRST_BYTE:
	case BO_REQ_TIMEOUT_BODY:
	case BO_REQ_ABANDONED:
	case BO_REQ_INFLIGHT:
		return SLO_WAITED;
	case BO_REQ_SHED:
		return SLO_UNSENT;
	case BO_REQ_REFUSED:
	case BO_REQ_RESET:
	case BO_REQ_UNREACHABLE:
	case BO_REQ_PROTOCOL:
	case BO_REQ_TLS:
	case BO_REQ_OTHER:
	case BO_REQ_CLASS_COUNT:
		break;
	}
	return SLO_NO_ANSWER;
}

struct latency {
	double ns;
	bool at_least;
};

/* What the requests of one question say. */
struct population {
	BO_VEC(struct latency) known; /* for the lower bound */
	BO_VEC(double) answered; /* for the upper bound, with @endless more above all of them */
	size_t endless;
	size_t unsent;
	size_t unjudged; /* failed without an answer and no errors budget looks at them */
	size_t judged;   /* … and one does */
	size_t waited;
	double sum;
	double upper_sum;
	int64_t breach_ns;
	int64_t total_ns;
	struct slo_batches batches;
};

static void population_done(struct population *pop)
{
	bo_vec_done(&pop->known);
	bo_vec_done(&pop->answered);
	slo_batches_done(&pop->batches);
}

static enum bo_phase phase_at(const struct bo_run *run, int64_t t_ns)
{
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		if (slo_phase_happened(run, (enum bo_phase)i) && t_ns >= run->phases[i].start_ns &&
		    t_ns < run->phases[i].end_ns)
			return (enum bo_phase)i;
	}
	return BO_PHASE_COUNT;
}

static bool errors_judged(const struct slo_ctx *ctx, const struct bo_req *req)
{
	enum bo_phase phase = phase_at(ctx->run, req->intended_ns);
	unsigned bits = ctx->judged_errors[req->load] | ctx->judged_errors[ctx->plan->loads.len];

	if (phase == BO_PHASE_COUNT)
		return false;
	bo_vec_foreach(cmp, &ctx->judged_routes) {
		if (slo_req_counts(ctx->plan, *cmp, req))
			bits |= slo_cmp_phases(*cmp);
	}
	return bits & SLO_PHASE_BIT(phase);
}

static int add_known(struct population *pop, const struct slo_ask *ask, const struct bo_req *req,
		     bool at_least, struct bo_err *err)
{
	double ns = (double)(req->end_ns - req->intended_ns);
	bool out = !isnan(ask->limit) && slo_breaks(ask->cmp->op, ns, ask->limit);

	if (!bo_vec_push(&pop->known, (struct latency){ ns, at_least }))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	pop->sum += ns;
	if (out && slo_op_caps(ask->cmp->op)) {
		/* It was out of bounds from the moment at which it became overdue, not from its
		 * end. */
		int64_t due = req->intended_ns + (int64_t)ask->limit;

		if (pop->breach_ns == SLO_NEVER || due < pop->breach_ns)
			pop->breach_ns = due;
	} else if (out && (pop->breach_ns == SLO_NEVER || req->end_ns < pop->breach_ns)) {
		pop->breach_ns = req->end_ns;
	}
	return slo_batches_add(&pop->batches, req->intended_ns, out, ns, err);
}

static int add_request(struct population *pop, const struct slo_ask *ask, const struct bo_req *req,
		       struct bo_err *err)
{
	double ns = (double)(req->end_ns - req->intended_ns);

	switch (slo_answer_of(req)) {
	case SLO_ANSWERED:
		if (!bo_vec_push(&pop->answered, ns))
			return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
		return add_known(pop, ask, req, false, err);
	case SLO_WAITED:
		pop->waited++;
		pop->endless++;
		return add_known(pop, ask, req, true, err);
	case SLO_UNSENT:
		pop->unsent++;
		pop->endless++;
		return 0;
	case SLO_NO_ANSWER:
		break;
	}
	if (!isnan(ask->limit) && slo_op_caps(ask->cmp->op) && ns > ask->limit) {
		pop->waited++;
		pop->endless++;
		return add_known(pop, ask, req, true, err);
	}
	if (errors_judged(ask->ctx, req)) {
		pop->judged++;
		return 0;
	}
	pop->unjudged++;
	pop->endless++;
	return 0;
}

static int order_latency(const void *a, const void *b)
{
	const struct latency *x = a, *y = b;

	if (x->ns < y->ns || x->ns > y->ns)
		return x->ns < y->ns ? -1 : 1;
	return (int)x->at_least - (int)y->at_least;
}

static int order_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int collect(struct population *pop, const struct slo_ask *ask, struct bo_err *err)
{
	const struct slo_ctx *ctx = ask->ctx;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);

	memset(pop, 0, sizeof(*pop));
	pop->breach_ns = SLO_NEVER;
	for (size_t s = 0; s < nspans; s++)
		pop->total_ns += spans[s].to_ns - spans[s].from_ns;
	slo_batches_init(&pop->batches, pop->total_ns);
	for (size_t s = 0; s < nspans; s++) {
		size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, spans[s].from_ns);

		for (; i < ctx->nreqs && ctx->by_intended[i]->intended_ns < spans[s].to_ns; i++) {
			int r = 0;

			if (slo_req_counts(ctx->plan, ask->cmp, ctx->by_intended[i]))
				r = add_request(pop, ask, ctx->by_intended[i], err);
			if (r < 0)
				return r;
		}
	}
	if (pop->known.len)
		qsort(pop->known.items, pop->known.len, sizeof(*pop->known.items), order_latency);
	if (pop->answered.len)
		qsort(pop->answered.items, pop->answered.len, sizeof(double), order_double);
	return 0;
}

/* 1-based rank of the q-quantile: the ceil(q·n)-th smallest. */
static size_t rank_of(double q, size_t n)
{
	size_t rank = (size_t)ceil(q * (double)n - 1e-9);

	return rank < 1 ? 1 : rank;
}

static double upper_at(const struct population *pop, size_t rank)
{
	return rank && rank <= pop->answered.len ? pop->answered.items[rank - 1] : INFINITY;
}

/* Whatever left the upper bound open, in words; used when the verdict hangs on it. */
static void name_unknowns(const struct population *pop, char *buf, size_t size)
{
	const struct {
		size_t n;
		const char *what;
	} parts[] = {
		{ pop->waited, "never answered" },
		{ pop->unjudged,
		  "failed without an answer (an errors budget for this phase would judge them)" },
		{ pop->unsent, "were shed before sending" },
	};
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int n;

		if (!parts[i].n)
			continue;
		n = snprintf(buf + used, size - used, "%s%zu %s", used ? ", " : "; ", parts[i].n,
			     parts[i].what);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

/* How many requests like these would settle it. */
static void say_needed(const struct population *pop, const struct slo_ask *ask, double deff,
		       struct slo_estimate *est)
{
	size_t n = pop->answered.len + pop->endless;
	double over = (double)pop->endless, tail = 1 - ask->cmp->quantile, need;

	/* Of those nobody knows the end of, no number would tell. */
	if (isnan(ask->limit) || ask->census || ask->cmp->limit_kind != SLO_LIMIT_ABSOLUTE ||
	    pop->unsent || pop->unjudged)
		return;
	bo_vec_foreach(ns, &pop->answered)
		over += *ns > ask->limit;
	need = (double)slo_samples_needed(over / (double)n, tail);
	/* A FAIL is not corrected for bursts. */
	if (over / (double)n < tail)
		need *= deff;
	slo_say_needed(est->why, sizeof(est->why), need, n, pop->total_ns);
}

static void explain_quantile(const struct population *pop, const struct slo_ask *ask, double deff,
			     struct slo_estimate *est)
{
	size_t n = pop->answered.len + pop->endless, least = slo_min_samples(ask->cmp->quantile);
	char lo[BO_UNIT_BUF], hi[BO_UNIT_BUF], unknown[160], burst[64] = "";

	name_unknowns(pop, unknown, sizeof(unknown));
	if (n < least) {
		snprintf(est->why, sizeof(est->why),
			 "%zu requests; %s needs at least %zu (%s at this rate)%s", n,
			 strchr(ask->cmp->metric_text, '.') + 1, least,
			 bo_format_duration(pop->total_ns / (int64_t)n * (int64_t)least, lo),
			 unknown);
		return;
	}
	if (deff > 1)
		snprintf(burst, sizeof(burst), "; slow ones come in bursts, as if %.0f requests",
			 (double)n / deff);
	if (isinf(est->upper))
		snprintf(est->why, sizeof(est->why), "%zu requests leave the upper bound open%s%s",
			 n, burst, unknown);
	else
		snprintf(est->why, sizeof(est->why),
			 "%zu requests say %s to %s (" SLO_CONFIDENCE ")%s%s", n,
			 slo_format(SLO_UNIT_DURATION, est->lower, lo),
			 slo_format(SLO_UNIT_DURATION, est->upper, hi), burst, unknown);
	say_needed(pop, ask, deff, est);
}

static void finish(const struct population *pop, struct slo_estimate *est)
{
	est->breach_ns = pop->breach_ns;
	if (pop->judged)
		snprintf(
			est->remark, sizeof(est->remark),
			"%zu requests failed without an answer; the errors budget judges them, not this one",
			pop->judged);
}

/* Nothing to time: say what there was instead. */
static bool nothing(const struct population *pop, struct slo_estimate *est)
{
	char unknown[160];

	if (pop->known.len)
		return false;
	name_unknowns(pop, unknown, sizeof(unknown));
	if (pop->judged)
		snprintf(est->why, sizeof(est->why),
			 "no request was answered (%zu failed without an answer)%s", pop->judged,
			 unknown);
	else if (pop->endless)
		snprintf(est->why, sizeof(est->why), "no request was answered%s", unknown);
	else
		snprintf(est->why, sizeof(est->why), "no requests");
	return true;
}

/* Latency counts from the intended moment, so what the generator was late by is in it and is not the service's: a
 * breach must hold without it.  Percentiles up to 99 are forgiven the lag's 99th, the maximum its maximum. */
static void forgive_lag(const struct slo_ask *ask, double q, struct slo_estimate *est)
{
	const struct bo_run *run = ask->ctx->run;
	int64_t lag_ns = 0;
	char late[BO_UNIT_BUF];

	for (size_t i = 0; i < run->loads.len && i < ask->ctx->plan->loads.len; i++) {
		const struct bo_load_record *l = &run->loads.items[i];
		int64_t own = q <= 0.99 ? l->lag_p99_ns : l->lag_max_ns;

		if (slo_load_counts(ask->ctx->plan, ask->cmp, (unsigned)i) && own > lag_ns)
			lag_ns = own;
	}
	if (lag_ns <= 0 || !(est->lower > 0))
		return;
	est->lower = est->lower > (double)lag_ns ? est->lower - (double)lag_ns : 0;
	/* worth a word when it could have made the difference */
	if ((double)lag_ns * 20 > ask->limit)
		snprintf(est->why + strlen(est->why), sizeof(est->why) - strlen(est->why),
			 "%sthe generator itself was up to %s late", est->why[0] ? "; " : "",
			 bo_format_duration(lag_ns, late));
}

static int measure_quantile(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	double q = ask->cmp->quantile, deff;
	struct population pop;
	int r = collect(&pop, ask, err);

	if (r == 0 && !nothing(&pop, est)) {
		size_t n = pop.known.len, nu = pop.answered.len + pop.endless,
		       lower = rank_of(q, n), upper = rank_of(q, nu), unused;
		const struct latency *at = &pop.known.items[lower - 1];
		bool caps = slo_op_caps(ask->cmp->op);

		est->value = at->ns;
		est->at_least = at->at_least;
		/* A PASS promises, so bursts weaken it; a FAIL states what happened (see stats.c).
		 */
		deff = ask->census ? 1 : slo_dispersion(&pop.batches);
		if (!ask->census) {
			slo_quantile_ranks(q, n, caps ? 1 : deff, 1, &lower, &unused);
			slo_quantile_ranks(q, nu, 1, caps ? deff : 1, &unused, &upper);
		}
		est->lower = lower ? pop.known.items[lower - 1].ns : 0;
		est->upper = upper_at(&pop, upper);
		snprintf(est->detail, sizeof(est->detail), "n %zu", n);
		explain_quantile(&pop, ask, deff, est);
		forgive_lag(ask, q, est);
		finish(&pop, est);
	}
	population_done(&pop);
	return r;
}

int slo_window_quantile(const struct slo_ask *ask, double q, struct slo_window *ret,
			struct bo_err *err)
{
	struct population pop;
	int r = collect(&pop, ask, err);

	*ret = (struct slo_window){ .n = pop.known.len, .unknown = pop.endless };
	if (r == 0 && pop.known.len) {
		ret->lower_ns = pop.known.items[rank_of(q, pop.known.len) - 1].ns;
		ret->upper_ns = upper_at(&pop, rank_of(q, pop.answered.len + pop.endless));
	}
	population_done(&pop);
	return r;
}

static int measure_max(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct population pop;
	int r = collect(&pop, ask, err);

	if (r == 0 && !nothing(&pop, est)) {
		const struct latency *top = &pop.known.items[pop.known.len - 1];
		char unknown[160];

		est->value = est->lower = top->ns;
		est->at_least = top->at_least;
		est->upper = pop.endless ? INFINITY : top->ns;
		snprintf(est->detail, sizeof(est->detail), "n %zu", pop.known.len);
		name_unknowns(&pop, unknown, sizeof(unknown));
		if (pop.endless)
			snprintf(est->why, sizeof(est->why), "the slowest is not known%s", unknown);
		if (!ask->census && pop.known.len < SLO_MIN_CENSUS) {
			est->upper = INFINITY;
			snprintf(est->why, sizeof(est->why),
				 "%zu requests; 'max' needs at least %d%s", pop.known.len,
				 SLO_MIN_CENSUS, unknown);
		}
		forgive_lag(ask, 1, est);
		finish(&pop, est);
	}
	population_done(&pop);
	return r;
}

/* Means of batches are near normal and near independent where requests are neither. */
static void mean_bounds(const struct population *pop, struct slo_estimate *est)
{
	double k = 0, n = 0, ss = 0, half;
	struct slo_batch b;

	for (size_t at = 0; slo_batches_next(&pop->batches, SLO_FINE, &at, &b); k++) {
		double off = b.sum - b.n * est->value;

		n += b.n;
		ss += off * off;
	}
	if (k < 5) {
		est->lower = 0;
		est->upper = INFINITY;
		snprintf(est->why, sizeof(est->why),
			 "%.0f stretches of time with requests; the mean needs 5", k);
		return;
	}
	half = slo_t_quantile(k - 1, SLO_ALPHA) * sqrt(ss * k / (k - 1)) / n;
	est->lower = est->value - half > 0 ? est->value - half : 0;
	est->upper = est->value + half;
}

static int measure_mean(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct population pop;
	int r = collect(&pop, ask, err);

	if (r == 0 && !nothing(&pop, est)) {
		char unknown[160], lo[BO_UNIT_BUF], hi[BO_UNIT_BUF];

		est->value = est->lower = est->upper = pop.sum / (double)pop.known.len;
		est->at_least = pop.waited > 0;
		snprintf(est->detail, sizeof(est->detail), "n %zu", pop.known.len);
		if (!ask->census)
			mean_bounds(&pop, est);
		name_unknowns(&pop, unknown, sizeof(unknown));
		if (!est->why[0])
			snprintf(est->why, sizeof(est->why),
				 "the mean is %s to %s (" SLO_CONFIDENCE ")%s",
				 slo_format(SLO_UNIT_DURATION, est->lower, lo),
				 slo_format(SLO_UNIT_DURATION, pop.endless ? NAN : est->upper, hi),
				 unknown);
		if (pop.endless)
			est->upper = INFINITY;
		finish(&pop, est);
		/* No single request breaks a mean. */
		est->breach_ns = SLO_NEVER;
	}
	population_done(&pop);
	return r;
}

#define LATENCY_FLAGS (SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_STEADY)

const struct slo_metric slo_latency_metrics[] = {
	{ .name = "latency.p",
	  .help = "latency percentile, from the intended send time",
	  .unit = SLO_UNIT_DURATION,
	  .flags = LATENCY_FLAGS,
	  .measure = measure_quantile,
	  .live = slo_live_quantile },
	{ .name = "latency.max",
	  .help = "slowest request",
	  .unit = SLO_UNIT_DURATION,
	  .flags = LATENCY_FLAGS,
	  .measure = measure_max,
	  .live = slo_live_max },
	{ .name = "latency.mean",
	  .help = "mean latency",
	  .unit = SLO_UNIT_DURATION,
	  .flags = LATENCY_FLAGS,
	  .measure = measure_mean,
	  .live = slo_live_mean },
	{ 0 },
};
