/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_recovery.c — time to recover and time to detect.
 *
 * Both look at short windows of requests (250 ms, or longer where the load is so thin that a window
 * would hold fewer than ten) and hold each against the plan's latency and errors budgets.  A window
 * is out of budget when it holds evidently more bad requests than the budget allows (one-sided
 * binomial test at 1 %: a single slow request in a window is no breach of a p99), and at all when
 * the budget allows none.  A request without an answer is bad for a latency budget too: there is no
 * recovery while nobody answers.  What the end of the run caught in flight and not yet overdue is no
 * evidence of anything.
 *
 * recovery: from the end of the last fault to the first window within budget after which none is
 *           out of budget again, seen for at least 1 s.
 * detect:   from the start of the first fault to the moment at which the first window out of budget
 *           could be told.
 *
 * {fault=…} asks about those faults alone: no other may be on when the last of them ends, and the watch is over
 * when the next begins.  {load=…} and {route=…} look at those requests alone.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "eval.h"
#include "metric.h"
#include "request.h"
#include "scope.h"
#include "select.h"
#include "stats.h"
#include "syntax.h"

#define WINDOW_NS (250 * BO_NSEC_PER_MSEC)
#define WINDOW_REQUESTS 10
#define CLEAN_NS BO_NSEC_PER_SEC
#define EVIDENT 0.01

/* What a window did against one budget. */
static bool window_breaks(const struct slo_ask *ask, const struct slo_ref *ref, size_t first,
			  size_t end, int64_t *ret_known_ns)
{
	const struct slo_ctx *ctx = ask->ctx;
	bool latency = ref->cmp->metric->unit == SLO_UNIT_DURATION;
	bool mean = latency && strcmp(ref->cmp->metric->name, "latency.mean") == 0;
	double n = 0, bad = 0, sum = 0, allowed = 0;
	int64_t known = SLO_NEVER;

	for (size_t i = first; i < end; i++) {
		const struct bo_req *req = ctx->by_intended[i];
		double ns = (double)(req->end_ns - req->intended_ns);
		bool failed = bo_req_class_is_error((enum bo_req_class)req->cls), is_bad = failed;
		int64_t at = req->end_ns;

		if (!slo_req_counts(ctx->plan, ref->cmp, req) ||
		    !slo_req_counts(ctx->plan, ask->cmp, req))
			continue;
		if (req->cls == BO_REQ_INFLIGHT && (!latency || ns <= ref->limit))
			continue;
		if (latency) {
			is_bad = ns > ref->limit || slo_answer_of(req) == SLO_NO_ANSWER ||
				 slo_answer_of(req) == SLO_UNSENT;
			if (ns > ref->limit)
				at = req->intended_ns + (int64_t)ref->limit;
		} else if (req->cls == BO_REQ_ABANDONED) {
			continue;
		}
		n++;
		sum += ns;
		bad += is_bad;
		if (is_bad && at > known)
			known = at;
	}
	*ret_known_ns = known;
	if (n <= 0 || bad <= 0)
		return false;
	if (mean)
		return sum / n > ref->limit;
	if (latency)
		allowed = isnan(ref->cmp->quantile) ? 0 : 1 - ref->cmp->quantile;
	else
		allowed = strcmp(ref->cmp->metric->name, "availability") == 0 ? 1 - ref->limit
									      : ref->limit;
	return allowed <= 0 || 1 - slo_binomial_cdf(bad - 1, n, allowed) <= EVIDENT;
}

struct scan {
	size_t windows;         /* that held requests */
	int64_t first_seen_ns;  /* start of the first of them */
	int64_t last_seen_ns;   /* end of the last */
	int64_t last_bad_ns;    /* start of the last one out of budget; SLO_NEVER */
	int64_t clean_from_ns;  /* start of the first one within budget after that; SLO_NEVER */
	int64_t first_known_ns; /* when the first breach could be told; SLO_NEVER */
};

static int64_t window_length(const struct slo_ask *ask, int64_t from_ns, int64_t to_ns)
{
	const struct slo_ctx *ctx = ask->ctx;
	size_t n = 0;
	struct slo_span spans[BO_PHASE_COUNT];
	unsigned loaded = 0;
	int64_t total = 0;
	size_t nspans;

	for (size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, from_ns);
	     i < ctx->nreqs && ctx->by_intended[i]->intended_ns < to_ns; i++)
		n += slo_req_counts(ctx->plan, ask->cmp, ctx->by_intended[i]);
	for (int i = 0; i < BO_PHASE_COUNT; i++)
		loaded |= bo_phase_has_load((enum bo_phase)i) ? SLO_PHASE_BIT(i) : 0;
	nspans = slo_spans(ctx->run, loaded, spans);
	for (size_t i = 0; i < nspans; i++) {
		int64_t from = spans[i].from_ns > from_ns ? spans[i].from_ns : from_ns;
		int64_t to = spans[i].to_ns < to_ns ? spans[i].to_ns : to_ns;

		total += to > from ? to - from : 0;
	}
	if (!n || total / (int64_t)n * WINDOW_REQUESTS <= WINDOW_NS)
		return WINDOW_NS;
	return total / (int64_t)n * WINDOW_REQUESTS;
}

/* Did any of these requests end? */
static bool any_ended(const struct slo_ask *ask, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		const struct bo_req *req = ask->ctx->by_intended[i];

		if (req->cls != BO_REQ_INFLIGHT && slo_req_counts(ask->ctx->plan, ask->cmp, req))
			return true;
	}
	return false;
}

static void scan_windows(const struct slo_ask *ask, int64_t from_ns, int64_t to_ns,
			 int64_t length_ns, struct scan *scan)
{
	const struct slo_ctx *ctx = ask->ctx;
	size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, from_ns);

	*scan = (struct scan){ .last_bad_ns = SLO_NEVER,
			       .clean_from_ns = SLO_NEVER,
			       .first_known_ns = SLO_NEVER };
	while (i < ctx->nreqs && ctx->by_intended[i]->intended_ns < to_ns) {
		/* Windows without requests are skipped, however many there are. */
		int64_t index = (ctx->by_intended[i]->intended_ns - from_ns) / length_ns;
		int64_t start = from_ns + index * length_ns, end_ns = start + length_ns,
			known = SLO_NEVER;
		size_t end = slo_lower_bound(ctx->by_intended, ctx->nreqs, false,
					     end_ns < to_ns ? end_ns : to_ns);
		bool bad = false;

		bo_vec_foreach(ref, &ctx->refs) {
			if (!window_breaks(ask, ref, i, end, &known))
				continue;
			bad = true;
			if (scan->first_known_ns == SLO_NEVER || known < scan->first_known_ns)
				scan->first_known_ns = known;
		}
		if (!bad && !any_ended(ask, i, end)) {
			i = end;
			continue;
		}
		if (!scan->windows++)
			scan->first_seen_ns = start;
		scan->last_seen_ns = end_ns < to_ns ? end_ns : to_ns;
		if (bad) {
			scan->last_bad_ns = start;
			scan->clean_from_ns = SLO_NEVER;
		} else if (scan->clean_from_ns == SLO_NEVER) {
			scan->clean_from_ns = start;
		}
		i = end;
	}
}

static const char *fault_id(const struct slo_ctx *ctx, size_t i)
{
	return i < ctx->plan->faults.len ? ctx->plan->faults.items[i].id : "?";
}

/* The call returned at applied_ns, so it took hold no later than then and no sooner than its cost before. */
static int64_t began(const struct bo_fault_record *f)
{
	return f->applied_ns - f->apply_cost_ns;
}

static bool has_reference(const struct slo_ask *ask)
{
	bo_vec_foreach(ref, &ask->ctx->refs) {
		if (slo_same_requests(ref->cmp, ask->cmp))
			return true;
	}
	return false;
}

/* First apply and last revert of the faults asked about that took place; false with why when that cannot be told. */
static bool fault_span(const struct slo_ask *ask, struct slo_span *ret, char *why, size_t size)
{
	const struct slo_ctx *ctx = ask->ctx;
	const struct bo_run *run = ctx->run;
	bool any = false;

	for (size_t i = 0; i < run->faults.len; i++) {
		const struct bo_fault_record *f = &run->faults.items[i];

		if (f->applied_ns == SLO_NEVER)
			continue;
		if (ask->cmp->fault && !slo_name_matches(ask->cmp->fault, fault_id(ctx, i)))
			continue;
		if (f->reverted_ns == SLO_NEVER) {
			snprintf(why, size, "fault '%s' was never reverted", fault_id(ctx, i));
			return false;
		}
		ret->from_ns = any && ret->from_ns < began(f) ? ret->from_ns : began(f);
		ret->to_ns = any && ret->to_ns > f->reverted_ns ? ret->to_ns : f->reverted_ns;
		any = true;
	}
	if (!any)
		snprintf(why, size, "no fault was applied");
	else if (!has_reference(ask))
		snprintf(why, size, "no latency or errors budget says what 'within budget' is");
	return any && has_reference(ask);
}

bool slo_fault_began(const struct slo_ctx *ctx, int64_t *ret_ns, char *why, size_t size)
{
	bool any = false;

	bo_vec_foreach(f, &ctx->run->faults) {
		if (f->applied_ns == SLO_NEVER || (any && began(f) >= *ret_ns))
			continue;
		*ret_ns = began(f);
		any = true;
	}
	if (!any)
		snprintf(why, size, "no fault was applied");
	return any;
}

/* Until when recovery from the faults asked about can be watched: the next fault begins.  False with why when another
 * one is still on at @end_ns. */
static bool watch_until(const struct slo_ask *ask, int64_t end_ns, int64_t *ret_ns, char *why,
			size_t size)
{
	const struct slo_ctx *ctx = ask->ctx;

	*ret_ns = INT64_MAX;
	for (size_t i = 0; ask->cmp->fault && i < ctx->run->faults.len; i++) {
		const struct bo_fault_record *f = &ctx->run->faults.items[i];

		if (f->applied_ns == SLO_NEVER ||
		    slo_name_matches(ask->cmp->fault, fault_id(ctx, i)))
			continue;
		if (began(f) >= end_ns) {
			*ret_ns = began(f) < *ret_ns ? began(f) : *ret_ns;
		} else if (f->reverted_ns == SLO_NEVER || f->reverted_ns > end_ns) {
			snprintf(why, size, "fault '%s' was still on when this one ended",
				 fault_id(ctx, i));
			return false;
		}
	}
	return true;
}

static int measure_recovery(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	char buf[BO_UNIT_BUF];
	struct slo_span fault = { 0 };
	struct scan scan;
	int64_t until;

	(void)err;
	if (!fault_span(ask, &fault, est->why, sizeof(est->why)) ||
	    !watch_until(ask, fault.to_ns, &until, est->why, sizeof(est->why)))
		return 0;
	scan_windows(ask, fault.to_ns, until, window_length(ask, fault.to_ns, until), &scan);
	if (!scan.windows) {
		snprintf(est->why, sizeof(est->why), "no requests after the %s fault",
			 ask->cmp->fault ? "end of the" : "last");
		return 0;
	}
	est->lower = scan.last_bad_ns == SLO_NEVER ? 0 : (double)(scan.last_bad_ns - fault.to_ns);
	if (scan.clean_from_ns != SLO_NEVER) {
		est->value = (double)(scan.clean_from_ns - fault.to_ns);
		if (scan.last_seen_ns - scan.clean_from_ns >= CLEAN_NS) {
			est->upper = est->value;
			snprintf(est->why, sizeof(est->why),
				 "it is only known to the window between %s and then",
				 bo_format_duration((int64_t)est->lower, buf));
		} else {
			est->at_least = true;
			snprintf(
				est->why, sizeof(est->why),
				"within budget only for the last %s of load, too short to say that it is for good",
				bo_format_duration(scan.last_seen_ns - scan.clean_from_ns, buf));
		}
	} else {
		est->value = (double)(scan.last_seen_ns - fault.to_ns);
		est->lower = est->value;
		est->at_least = true;
		snprintf(est->detail, sizeof(est->detail), "never recovered");
		snprintf(
			est->why, sizeof(est->why),
			until == INT64_MAX
				? "not back in budget when load ended, %s after the last fault"
				: "not back in budget when the next fault began, %s after this one",
			bo_format_duration((int64_t)est->value, buf));
	}
	if (slo_op_caps(ask->cmp->op) && slo_breaks(ask->cmp->op, est->value, ask->limit))
		est->breach_ns = fault.to_ns + (int64_t)ask->limit;
	return 0;
}

static int measure_detect(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct slo_span fault = { 0 };
	struct scan scan;

	(void)err;
	if (!fault_span(ask, &fault, est->why, sizeof(est->why)))
		return 0;
	scan_windows(ask, fault.from_ns, fault.to_ns,
		     window_length(ask, fault.from_ns, fault.to_ns), &scan);
	if (scan.first_known_ns == SLO_NEVER) {
		snprintf(est->why, sizeof(est->why),
			 "no budget was broken while faults were on: nothing to detect");
		return 0;
	}
	est->value = est->lower = est->upper = (double)(scan.first_known_ns - fault.from_ns);
	if (slo_op_caps(ask->cmp->op) && slo_breaks(ask->cmp->op, est->value, ask->limit))
		est->breach_ns = fault.from_ns + (int64_t)ask->limit;
	return 0;
}

const struct slo_metric slo_recovery_metrics[] = {
	{ .name = "recovery",
	  .help = "from the end of the last fault until back in budget for good",
	  .unit = SLO_UNIT_DURATION,
	  .flags = SLO_M_FAULT | SLO_M_SUBSET,
	  .scope = SLO_SCOPE_RUN,
	  .measure = measure_recovery },
	{ .name = "detect",
	  .help = "from the start of the first fault until a budget is seen broken",
	  .unit = SLO_UNIT_DURATION,
	  .flags = SLO_M_FAULT | SLO_M_SUBSET,
	  .scope = SLO_SCOPE_RUN,
	  .measure = measure_detect },
	{ 0 },
};
