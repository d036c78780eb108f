/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_gauge.c — sampled values of a node: goroutines, memory, RSS, CPU.
 * "in" asks for the worst sample of the phases; "at" for the last one of a phase.  A sample counts
 * as current for three sampling intervals; a longer silence may hide a peak, so nothing passes
 * across it.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "eval.h"
#include "live.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

/* How a raw sample becomes the value that is judged. */
struct view {
	const struct bo_series *series;
	const struct bo_series *limits; /* "of limit": the memory limit at that moment */
	double static_limit;
	int64_t tolerance_ns;
	double minus; /* delta: the base median */
};

static double limit_at(const struct view *view, int64_t t_ns)
{
	struct slo_span near = { t_ns - view->tolerance_ns, t_ns + 1 };
	size_t first, end;

	if (!view->limits)
		return view->static_limit;
	slo_samples(view->limits, near, &first, &end);
	return end > first ? view->limits->samples.items[end - 1].value : NAN;
}

/* NAN: this sample cannot be judged (no limit was in force then). */
static double judged_value(const struct view *view, const struct bo_sample *s, bool of_limit)
{
	if (of_limit) {
		double limit = limit_at(view, s->t_ns);

		return limit > 0 ? s->value / limit : NAN;
	}
	return s->value - view->minus;
}

static void consider(const struct slo_ask *ask, const struct bo_sample *s, double v,
		     struct slo_estimate *est)
{
	enum slo_op op = ask->cmp->op;
	bool worse;

	if (isnan(v))
		return;
	if (!isnan(ask->limit) && slo_breaks(op, v, ask->limit) && est->breach_ns == SLO_NEVER)
		est->breach_ns = s->t_ns;
	if (isnan(est->value))
		worse = true;
	else if (ask->base)
		worse = v > est->value;
	else if (op == SLO_EQ)
		worse = fabs(v - ask->limit) > fabs(est->value - ask->limit);
	else
		worse = slo_op_caps(op) ? v > est->value : v < est->value;
	if (worse)
		est->value = v;
}

static int worst_in(const struct slo_ask *ask, const struct view *view, struct slo_estimate *est)
{
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);
	bool hole = false;

	if (!nspans)
		snprintf(est->why, sizeof(est->why), "the phase did not happen");
	for (size_t s = 0; s < nspans; s++) {
		size_t first, end;

		slo_samples(view->series, spans[s], &first, &end);
		for (size_t i = first; i < end; i++) {
			const struct bo_sample *sample = &view->series->samples.items[i];

			consider(ask, sample,
				 judged_value(view, sample,
					      ask->cmp->limit_kind == SLO_LIMIT_OF_LIMIT),
				 est);
		}
		hole = hole || slo_hole(ask, view->series, spans[s], est->why, sizeof(est->why));
	}
	if (isnan(est->value)) {
		if (!est->why[0])
			snprintf(est->why, sizeof(est->why), "no samples of %s%s",
				 view->series->name,
				 ask->cmp->limit_kind == SLO_LIMIT_OF_LIMIT
					 ? " while a memory limit was in force"
					 : "");
		return 0;
	}
	slo_bound_by_hole(ask, hole, est);
	return 0;
}

static int last_at(const struct slo_ask *ask, const struct view *view, struct slo_estimate *est)
{
	struct slo_span span[BO_PHASE_COUNT];
	const struct bo_sample *s;
	size_t first, end;

	if (!slo_ask_spans(ask, span)) {
		snprintf(est->why, sizeof(est->why), "phase '%s' did not happen",
			 bo_phase_name(ask->cmp->to));
		return 0;
	}
	slo_samples(view->series, span[0], &first, &end);
	if (end > first) {
		s = &view->series->samples.items[end - 1];
		consider(ask, s, judged_value(view, s, ask->cmp->limit_kind == SLO_LIMIT_OF_LIMIT),
			 est);
		span[0].from_ns = s->t_ns;
	}
	if (slo_hole(ask, view->series, span[0], est->why, sizeof(est->why)))
		return 0;
	if (isnan(est->value)) {
		snprintf(est->why, sizeof(est->why), "no samples of %s in %s", view->series->name,
			 bo_phase_name(ask->cmp->to));
		return 0;
	}
	est->lower = est->upper = est->value;
	return 0;
}

static int measure(const struct slo_ask *ask, struct slo_estimate *est, struct view *view,
		   struct bo_err *err)
{
	/* The base reference of a peak is the base's own peak; of everything else, the median. */
	if (ask->base &&
	    strcmp(ask->cmp->metric->label ? ask->cmp->metric->label : "", "peak") != 0) {
		int r = slo_base_median(ask, view->series, &est->value, est->why, sizeof(est->why),
					err);

		if (!isnan(est->value))
			est->lower = est->upper = est->value;
		return r;
	}
	return ask->cmp->at && !ask->base ? last_at(ask, view, est) : worst_in(ask, view, est);
}

int slo_measure_gauge(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct view view = { .series = slo_ask_series(ask, est) };

	if (!view.series)
		return 0;
	view.tolerance_ns = SLO_STALE_INTERVALS * slo_interval(ask->ctx->plan, view.series);
	if (ask->cmp->limit_kind == SLO_LIMIT_OF_LIMIT) {
		view.limits = bo_run_series(ask->ctx->run, BO_SERIES_MEMORY_LIMIT, ask->node);
		if (view.limits && !view.limits->samples.len)
			view.limits = NULL;
		view.static_limit = (double)ask->ctx->plan->nodes.items[ask->node].memory_bytes;
	}
	return measure(ask, est, &view, err);
}

static int measure_delta(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	struct view view = { .series = slo_ask_series(ask, est) };
	char now[BO_UNIT_BUF], was[BO_UNIT_BUF];
	int r;

	if (!view.series)
		return 0;
	r = slo_base_median(ask, view.series, &view.minus, est->why, sizeof(est->why), err);
	if (r < 0 || isnan(view.minus))
		return r;
	view.tolerance_ns = SLO_STALE_INTERVALS * slo_interval(ask->ctx->plan, view.series);
	r = measure(ask, est, &view, err);
	if (r == 0 && !isnan(est->value))
		snprintf(est->detail, sizeof(est->detail), "%s, base %s",
			 slo_format(SLO_UNIT_COUNT, est->value + view.minus, now),
			 slo_format(SLO_UNIT_COUNT, view.minus, was));
	return r;
}

#define GAUGE_FLAGS \
	(SLO_M_NODE | SLO_M_PHASES | SLO_M_AT | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_EQUAL)

const struct slo_metric slo_gauge_metrics[] = {
	{ .name = "goroutines",
	  .help = "the same as goroutines.count",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = GAUGE_FLAGS | SLO_M_GROUPS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "goroutines.share",
	  .help = "selected goroutines among all of the node",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_RATIO,
	  .flags = (GAUGE_FLAGS & ~(unsigned)SLO_M_EQUAL) | SLO_M_ALL_OR_NONE | SLO_M_GROUPS |
		   SLO_M_SELECTED,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "goroutines.count",
	  .help = "goroutines, worst sample",
	  .label = "goroutines",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = GAUGE_FLAGS | SLO_M_GROUPS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "goroutines.peak",
	  .help = "most goroutines in the phases",
	  .label = "peak",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = (GAUGE_FLAGS & ~(unsigned)SLO_M_AT) | SLO_M_GROUPS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "goroutines.delta",
	  .help = "goroutines minus the median of base",
	  .label = "delta",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = (GAUGE_FLAGS & ~(unsigned)SLO_M_BASE) | SLO_M_NEEDS_BASE | SLO_M_GROUPS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_delta,
	  .live = slo_live_sample },
	{ .name = "memory.usage",
	  .help = "memory charged to the node's cgroup",
	  .label = "usage",
	  .series = BO_SERIES_MEMORY,
	  .unit = SLO_UNIT_SIZE,
	  .flags = GAUGE_FLAGS | SLO_M_OF_LIMIT,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "memory.peak",
	  .help = "most memory charged in the phases",
	  .label = "peak",
	  .series = BO_SERIES_MEMORY,
	  .unit = SLO_UNIT_SIZE,
	  .flags = (GAUGE_FLAGS & ~(unsigned)SLO_M_AT) | SLO_M_OF_LIMIT,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "rss",
	  .help = "resident memory of the process tree",
	  .series = BO_SERIES_RSS,
	  .unit = SLO_UNIT_SIZE,
	  .flags = GAUGE_FLAGS | SLO_M_OF_LIMIT,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "cpu",
	  .help = "CPUs used; 1 is one CPU",
	  .series = BO_SERIES_CPU,
	  .unit = SLO_UNIT_COUNT,
	  .flags = GAUGE_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ 0 },
};
