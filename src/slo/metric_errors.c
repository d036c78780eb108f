/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_errors.c — errors, availability, throughput.
 * An error is whatever bo_req_class_is_error() says: 4xx, 5xx, every failed connection, timeouts,
 * shed.  Requests that the client abandoned on purpose are neither good nor bad and are not counted.
 * What was in flight when the run ended might have been answered or not: it lies between the bounds.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "eval.h"
#include "live.h"
#include "metric.h"
#include "request.h"
#include "samples.h"
#include "scope.h"
#include "stats.h"
#include "syntax.h"

static const struct {
	const char *name;
	enum bo_req_class first;
	enum bo_req_class last;
} groups[] = {
	{ "4xx", BO_REQ_HTTP_4XX, BO_REQ_HTTP_4XX },
	{ "5xx", BO_REQ_HTTP_5XX, BO_REQ_HTTP_5XX },
	{ "timeout", BO_REQ_TIMEOUT_CONNECT, BO_REQ_TIMEOUT_BODY },
};

bool slo_class_matches(const char *name, enum bo_req_class cls)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (strcmp(groups[i].name, name) == 0)
			return cls >= groups[i].first && cls <= groups[i].last;
	}
	return strcmp(bo_req_class_name(cls), name) == 0;
}

const char *const *slo_class_names(void)
{
	static const char *names[BO_REQ_CLASS_COUNT + 4];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		names[n++] = groups[i].name;
	for (int i = 0; i < BO_REQ_CLASS_COUNT; i++)
		names[n++] = bo_req_class_name((enum bo_req_class)i);
	names[n] = NULL;
	return names;
}

/* struct tally - @open: of @n those of which nobody knows how they would have ended */
struct tally {
	size_t n;
	size_t bad;
	size_t open;
	int64_t first_bad_ns;
	int64_t total_ns;
	struct slo_batches batches;
};

static int count(struct tally *t, const struct slo_ask *ask, struct bo_err *err)
{
	const struct slo_ctx *ctx = ask->ctx;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);

	memset(t, 0, sizeof(*t));
	t->first_bad_ns = SLO_NEVER;
	for (size_t s = 0; s < nspans; s++)
		t->total_ns += spans[s].to_ns - spans[s].from_ns;
	slo_batches_init(&t->batches, t->total_ns);
	for (size_t s = 0; s < nspans; s++) {
		size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, spans[s].from_ns);

		for (; i < ctx->nreqs && ctx->by_intended[i]->intended_ns < spans[s].to_ns; i++) {
			const struct bo_req *req = ctx->by_intended[i];
			enum bo_req_class cls = (enum bo_req_class)req->cls;
			bool open = cls == BO_REQ_INFLIGHT;
			bool bad = bo_req_class_is_error(cls);
			int r;

			if (!slo_req_counts(ctx->plan, ask->cmp, req))
				continue;
			if (ask->cmp->cls)
				bad = slo_class_matches(ask->cmp->cls, cls);
			else if (cls == BO_REQ_ABANDONED)
				continue;
			t->n++;
			t->bad += bad;
			t->open += open && !bad;
			if (bad && (t->first_bad_ns == SLO_NEVER || req->end_ns < t->first_bad_ns))
				t->first_bad_ns = req->end_ns;
			r = slo_batches_add(&t->batches, req->intended_ns, bad, 0, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void say_open(const struct tally *t, struct slo_estimate *est)
{
	size_t len = strlen(est->why);

	if (t->open)
		snprintf(est->why + len, sizeof(est->why) - len,
			 "%s%zu in flight when the run ended: more settle time would tell",
			 len ? "; " : "", t->open);
}

/* The share of bad requests and its bounds into est; availability turns it round. */
static void share(const struct tally *t, const struct slo_ask *ask, bool caps,
		  struct slo_estimate *est)
{
	double n = (double)t->n, bad = (double)t->bad, most = bad + (double)t->open, deff = 1;
	double unused;
	char lo[BO_UNIT_BUF], hi[BO_UNIT_BUF];

	est->value = bad / n;
	est->breach_ns = t->first_bad_ns;
	if (ask->census) {
		est->lower = est->value;
		est->upper = most / n;
		return;
	}
	if (slo_cmp_exact(ask->cmp)) {
		/* None or all: a fact of the run, no matter of confidence; but "none of three" is
		 * no fact. */
		est->lower = t->n < SLO_MIN_CENSUS && t->bad == t->n ? 0 : est->value;
		est->upper = t->n < SLO_MIN_CENSUS ? 1 : most / n;
		if (t->bad)
			est->lower = est->value;
		if (t->n < SLO_MIN_CENSUS)
			snprintf(est->why, sizeof(est->why), "%zu requests; at least %d are needed",
				 t->n, SLO_MIN_CENSUS);
		return;
	}
	deff = slo_dispersion(&t->batches);
	slo_share_bounds(bad, n, caps ? 1 : deff, caps ? deff : 1, &est->lower, &est->upper);
	if (t->open)
		slo_share_bounds(most, n, caps ? 1 : deff, caps ? deff : 1, &unused, &est->upper);
	snprintf(est->why, sizeof(est->why), "%zu of %zu say %s to %s (" SLO_CONFIDENCE ")", t->bad,
		 t->n, bo_format_ratio(est->lower, lo), bo_format_ratio(est->upper, hi));
	if (deff > 1)
		snprintf(est->why + strlen(est->why), sizeof(est->why) - strlen(est->why),
			 "; errors come in bursts, as if %.0f requests", n / deff);
}

static void say_needed(const struct tally *t, const struct slo_ask *ask, double limit,
		       struct slo_estimate *est)
{
	double now = (double)t->bad / (double)t->n, need;

	/* How much more base would be needed as well, nobody has asked. */
	if (isnan(limit) || ask->census || ask->cmp->limit_kind != SLO_LIMIT_ABSOLUTE ||
	    slo_cmp_exact(ask->cmp) || limit <= 0 || limit >= 1)
		return;
	need = (double)slo_samples_needed(now, limit);
	/* A FAIL is not corrected for bursts. */
	if (now < limit)
		need *= slo_dispersion(&t->batches);
	slo_say_needed(est->why, sizeof(est->why), need, t->n, t->total_ns);
}

static int measure_ratio(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct tally t;
	int r = count(&t, ask, err);

	if (r == 0 && !t.n)
		snprintf(est->why, sizeof(est->why), "no requests");
	if (r == 0 && t.n) {
		share(&t, ask, slo_op_caps(ask->cmp->op) || ask->cmp->op == SLO_EQ, est);
		say_needed(&t, ask, ask->limit, est);
		say_open(&t, est);
		snprintf(est->detail, sizeof(est->detail), "%zu of %zu", t.bad, t.n);
	}
	slo_batches_done(&t.batches);
	return r;
}

static int measure_availability(const struct slo_ask *ask, struct slo_estimate *est,
				struct bo_err *err)
{
	struct tally t;
	int r = count(&t, ask, err);

	if (r == 0 && !t.n)
		snprintf(est->why, sizeof(est->why), "no requests");
	if (r == 0 && t.n) {
		double lower;

		/* ">= 99.9 %" caps the errors. */
		share(&t, ask, !slo_op_caps(ask->cmp->op), est);
		say_needed(&t, ask, 1 - ask->limit, est);
		say_open(&t, est);
		lower = 1 - est->upper;
		est->upper = 1 - est->lower;
		est->lower = lower;
		/* Counted, not subtracted, so that 99.9 % is exactly what the limit "99.9%" is. */
		est->value = (double)(t.n - t.bad) / (double)t.n;
		if (ask->census || (slo_cmp_exact(ask->cmp) && t.n >= SLO_MIN_CENSUS)) {
			est->lower = (double)(t.n - t.bad - t.open) / (double)t.n;
			est->upper = est->value;
		}
		snprintf(est->detail, sizeof(est->detail), "%zu of %zu", t.n - t.bad, t.n);
	}
	slo_batches_done(&t.batches);
	return r;
}

static int measure_count(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct tally t;
	int r = count(&t, ask, err);

	if (r == 0 && !t.n)
		snprintf(est->why, sizeof(est->why), "no requests");
	if (r == 0 && t.n) {
		est->value = est->lower = (double)t.bad;
		est->upper = (double)(t.bad + t.open);
		est->breach_ns = t.first_bad_ns;
		say_open(&t, est);
		snprintf(est->detail, sizeof(est->detail), "of %zu", t.n);
	}
	slo_batches_done(&t.batches);
	return r;
}

/* A rate is of what came back in that time, so here the end of a request says where it belongs. */
static int rate_of(const struct slo_ask *ask, bool (*counts)(const struct slo_cmp *, unsigned),
		   const char *what, struct slo_estimate *est, struct bo_err *err)
{
	const struct slo_ctx *ctx = ask->ctx;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans), n = 0;
	int64_t total = 0;
	struct tally due;
	int r = count(&due, ask, err);

	slo_batches_done(&due.batches);
	if (r < 0)
		return r;
	for (size_t s = 0; s < nspans; s++) {
		size_t i = slo_lower_bound(ctx->by_end, ctx->nreqs, true, spans[s].from_ns);

		total += spans[s].to_ns - spans[s].from_ns;
		for (; i < ctx->nreqs && ctx->by_end[i]->end_ns < spans[s].to_ns; i++)
			n += counts(ask->cmp, ctx->by_end[i]->cls) &&
			     slo_req_counts(ctx->plan, ask->cmp, ctx->by_end[i]);
	}
	if (!due.n || total <= 0) {
		snprintf(est->why, sizeof(est->why), "no requests were due");
		return 0;
	}
	est->value = est->lower = est->upper = (double)n * 1e9 / (double)total;
	snprintf(est->detail, sizeof(est->detail), "%zu %s", n, what);
	return 0;
}

static bool is_good(const struct slo_cmp *cmp, unsigned cls)
{
	(void)cmp;
	return cls == BO_REQ_OK;
}

static bool is_bad(const struct slo_cmp *cmp, unsigned cls)
{
	return cmp->cls ? slo_class_matches(cmp->cls, (enum bo_req_class)cls)
			: bo_req_class_is_error((enum bo_req_class)cls);
}

static int measure_throughput(const struct slo_ask *ask, struct slo_estimate *est,
			      struct bo_err *err)
{
	return rate_of(ask, is_good, "good responses", est, err);
}

static int measure_rate(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	return rate_of(ask, is_bad, ask->cmp->cls ? "of that class" : "failed", est, err);
}

#define SHARE_FLAGS                                                                  \
	(SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_STEADY | \
	 SLO_M_ERRORS | SLO_M_ALL_OR_NONE)

const struct slo_metric slo_errors_metrics[] = {
	{ .name = "errors.ratio",
	  .help = "failed requests among all",
	  .unit = SLO_UNIT_RATIO,
	  .flags = SHARE_FLAGS | SLO_M_CLASS,
	  .measure = measure_ratio,
	  .live = slo_live_error_ratio },
	{ .name = "errors.count",
	  .help = "failed requests",
	  .unit = SLO_UNIT_COUNT,
	  .flags = SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_STEADY | SLO_M_ERRORS |
		   SLO_M_EQUAL | SLO_M_CLASS,
	  .measure = measure_count,
	  .live = slo_live_error_count },
	{ .name = "errors.rate",
	  .help = "failed requests per second",
	  .unit = SLO_UNIT_RATE,
	  .flags = SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_STEADY |
		   SLO_M_ERRORS | SLO_M_CLASS,
	  .measure = measure_rate,
	  .live = slo_live_error_rate },
	{ .name = "availability",
	  .help = "requests that did not fail among all",
	  .unit = SLO_UNIT_RATIO,
	  .flags = SHARE_FLAGS,
	  .measure = measure_availability,
	  .live = slo_live_availability },
	{ .name = "throughput",
	  .help = "good responses per second",
	  .unit = SLO_UNIT_RATE,
	  .flags = SLO_M_REQUESTS | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_BASE,
	  .measure = measure_throughput,
	  .live = slo_live_throughput },
	{ 0 },
};
