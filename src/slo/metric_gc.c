/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_gc.c — garbage collection: how often, and how long it stopped the service.
 *
 * The sampler sees the latest pause only, so of two collections between two looks it misses one.
 * But the counters of collections and of total pause lose nothing: they say how many pauses were not
 * seen, and how long those can have been at most.  Percentiles are those of the pauses that there
 * were in this run; with fewer than 100 the p99 is the longest.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "live.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

/** struct pauses - seen ones in rising order; @missed: how many not;  @missed_ns: their sum at most */
struct pauses {
	double *ns;
	size_t n;
	double sum;
	double missed;
	double missed_ns;
	int64_t breach_ns;
};

static int order_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The rise of another counter over the same question; infinite when it cannot be told. */
static int rise_of(const struct slo_ask *ask, const char *name, double *ret, struct bo_err *err)
{
	struct slo_ask on = *ask;
	struct slo_estimate est;
	int r;

	on.series = bo_run_series(ask->ctx->run, name, ask->node);
	on.limit = NAN;
	*ret = INFINITY;
	if (!on.series || !on.series->samples.len)
		return 0;
	slo_estimate_none(&est);
	r = slo_measure_rise_since(&on, &est, err);
	if (r == 0 && isfinite(est.upper))
		*ret = est.upper;
	return r;
}

static int collect(const struct slo_ask *ask, const struct bo_series *series, struct pauses *p,
		   struct bo_err *err)
{
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);
	double cycles, total;
	int r;

	p->breach_ns = SLO_NEVER;
	p->ns = calloc((series ? series->samples.len : 0) + 1, sizeof(*p->ns));
	if (!p->ns)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	for (size_t s = 0; series && s < nspans; s++) {
		size_t first, end;

		slo_samples(series, spans[s], &first, &end);
		for (size_t i = first; i < end; i++) {
			const struct bo_sample *sample = &series->samples.items[i];

			p->ns[p->n++] = sample->value;
			p->sum += sample->value;
			if (p->breach_ns == SLO_NEVER && !isnan(ask->limit) &&
			    slo_breaks(ask->cmp->op, sample->value, ask->limit))
				p->breach_ns = sample->t_ns;
		}
	}
	qsort(p->ns, p->n, sizeof(*p->ns), order_double);
	r = rise_of(ask, BO_SERIES_GC_CYCLES, &cycles, err);
	if (r == 0)
		r = rise_of(ask, BO_SERIES_GC_PAUSE_TOTAL, &total, err);
	p->missed = cycles > (double)p->n ? cycles - (double)p->n : 0;
	p->missed_ns = p->missed > 0 ? fmax(total - p->sum, 0) : 0;
	return r;
}

/* The q-quantile (nearest rank) when @low more pauses were shorter than all seen, and @high longer. */
static double quantile(const struct pauses *p, double q, double low, double high)
{
	double n = (double)p->n + low + high, rank = ceil(q * n - 1e-9);

	if (rank < 1)
		rank = 1;
	if (rank <= low || n < 1)
		return 0;
	rank -= low;
	if (rank <= (double)p->n)
		return p->ns[(size_t)rank - 1];
	return fmax(p->missed_ns, p->n ? p->ns[p->n - 1] : 0);
}

static void answer(const struct slo_ask *ask, const struct pauses *p, struct slo_estimate *est)
{
	double q = isnan(ask->cmp->quantile) ? 1 : ask->cmp->quantile;

	if (!p->n && isinf(p->missed)) {
		snprintf(est->why, sizeof(est->why), "no samples of %s of %s", BO_SERIES_GC_PAUSE,
			 ask->ctx->plan->nodes.items[ask->node].name);
		return;
	}
	est->value = quantile(p, q, 0, 0);
	est->breach_ns = p->breach_ns;
	snprintf(est->detail, sizeof(est->detail), "%zu pauses", p->n);
	if (!p->n && p->missed < 1) {
		est->lower = est->upper = 0;
		snprintf(est->remark, sizeof(est->remark), "no collection ended in that time");
		return;
	}
	est->lower = isinf(p->missed) ? 0 : quantile(p, q, p->missed, 0);
	est->upper = isinf(p->missed) ? INFINITY : quantile(p, q, 0, p->missed);
	/* The longest cannot be shorter than the longest that was seen. */
	if (q >= 1)
		est->lower = fmax(est->lower, est->value);
	if (est->lower < est->upper)
		snprintf(est->why, sizeof(est->why),
			 "%zu pauses were seen, and how many or how long others were is not known "
			 "well enough",
			 p->n);
}

static int measure_pause(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const struct bo_series *series = bo_run_series(ask->ctx->run, BO_SERIES_GC_PAUSE,
						       ask->node);
	struct pauses p = { 0 };
	int r = collect(ask, series, &p, err);

	if (r == 0)
		answer(ask, &p, est);
	free(p.ns);
	return r;
}

#define PAUSE_FLAGS (SLO_M_NODE | SLO_M_PHASES | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_RUNTIME)
#define TOTAL_FLAGS (SLO_M_NODE | SLO_M_PHASES | SLO_M_RUNTIME)

const struct slo_metric slo_gc_metrics[] = {
	{ .name = "gc.cycles",
	  .help = "collections that ended",
	  .label = "collections",
	  .series = BO_SERIES_GC_CYCLES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = TOTAL_FLAGS | SLO_M_EQUAL,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_rise_since,
	  .live = slo_live_rise_since },
	{ .name = "gc.pause.max",
	  .help = "longest pause",
	  .label = "longest pause",
	  .series = BO_SERIES_GC_PAUSE,
	  .unit = SLO_UNIT_DURATION,
	  .flags = PAUSE_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_pause,
	  .live = slo_live_sample },
	{ .name = "gc.pause.p",
	  .help = "percentile of the pauses",
	  .series = BO_SERIES_GC_PAUSE,
	  .unit = SLO_UNIT_DURATION,
	  .flags = PAUSE_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_pause },
	{ .name = "gc.pause.total",
	  .help = "all pauses together",
	  .label = "pauses",
	  .series = BO_SERIES_GC_PAUSE_TOTAL,
	  .unit = SLO_UNIT_DURATION,
	  .flags = TOTAL_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_rise_since,
	  .live = slo_live_rise_since },
	{ 0 },
};
