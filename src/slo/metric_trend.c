/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_trend.c — how fast goroutines grow: by percent within a window, and per second.
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

#define DEFAULT_GROWTH_WINDOW_NS (10 * BO_NSEC_PER_SEC)

static void note_breach(const struct slo_ask *ask, double v, int64_t t_ns, struct slo_estimate *est)
{
	if (!isnan(ask->limit) && est->breach_ns == SLO_NEVER &&
	    slo_breaks(ask->cmp->op, v, ask->limit))
		est->breach_ns = t_ns;
	if (isnan(est->value) || (slo_op_caps(ask->cmp->op) ? v > est->value : v < est->value))
		est->value = v;
}

/* Growth at a sample: by how much it is above the lowest sample of the window before it.  A queue
 * of rising values keeps the lowest at hand, so that a long window costs no more than a short one.
 */
static int grow(const struct slo_ask *ask, const struct bo_series *series, struct slo_span span,
		struct slo_estimate *est, struct bo_err *err)
{
	int64_t window = ask->cmp->over_ns ? ask->cmp->over_ns : DEFAULT_GROWTH_WINDOW_NS;
	size_t first, end, head = 0, tail = 0;
	const struct bo_sample **queue;

	slo_samples(series, span, &first, &end);
	if (end <= first)
		return 0;
	queue = malloc((end - first) * sizeof(struct bo_sample *));
	if (!queue)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	for (size_t i = first; i < end; i++) {
		const struct bo_sample *s = &series->samples.items[i];
		double lowest;

		while (head < tail && queue[head]->t_ns < s->t_ns - window)
			head++;
		while (head < tail && queue[tail - 1]->value >= s->value)
			tail--;
		queue[tail++] = s;
		/* No running Go program has less than one goroutine; a zero is a sampler's, not a
		 * divisor. */
		lowest = queue[head]->value < 1 ? 1 : queue[head]->value;
		if (i > first)
			note_breach(ask, s->value / lowest - 1, s->t_ns, est);
	}
	free(queue);
	return 0;
}

/* Least-squares slope over every window of the span (or over all of it), by running sums about the
 * first sample. */
static void climb(const struct slo_ask *ask, const struct bo_series *series, struct slo_span span,
		  struct slo_estimate *est)
{
	int64_t window = ask->cmp->over_ns;
	size_t first, end, from;
	double n = 0, st = 0, sv = 0, stt = 0, stv = 0, t0, v0;

	slo_samples(series, span, &first, &end);
	if (end - first < 3)
		return;
	t0 = (double)series->samples.items[first].t_ns;
	v0 = series->samples.items[first].value;
	from = first;
	for (size_t i = first; i < end; i++) {
		const struct bo_sample *s = &series->samples.items[i];
		double t = ((double)s->t_ns - t0) / 1e9, v = s->value - v0, d;
		bool full = !window;

		n += 1, st += t, sv += v, stt += t * t, stv += t * v;
		while (window && series->samples.items[from].t_ns < s->t_ns - window) {
			const struct bo_sample *old = &series->samples.items[from++];
			double ot = ((double)old->t_ns - t0) / 1e9, ov = old->value - v0;

			n -= 1, st -= ot, sv -= ov, stt -= ot * ot, stv -= ot * ov;
			full = true;
		}
		/* Without a window one line through everything; with one, every full window, or all
		 * there is. */
		if (i + 1 < end && !(window && (full || from > first)))
			continue;
		d = n * stt - st * st;
		if (n >= 3 && d > 0)
			note_breach(ask, (n * stv - st * sv) / d, s->t_ns, est);
	}
}

static int measure_trend(const struct slo_ask *ask, struct slo_estimate *est, bool slope,
			 struct bo_err *err)
{
	const struct bo_series *series = slo_ask_series(ask, est);
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans;
	bool hole = false;

	if (!series)
		return 0;
	nspans = slo_ask_spans(ask, spans);
	for (size_t i = 0; i < nspans; i++) {
		int r = 0;

		if (slope)
			climb(ask, series, spans[i], est);
		else
			r = grow(ask, series, spans[i], est, err);
		if (r < 0)
			return r;
		hole = hole || slo_hole(ask, series, spans[i], est->why, sizeof(est->why));
	}
	if (isnan(est->value)) {
		if (!est->why[0])
			snprintf(est->why, sizeof(est->why), "too few samples of %s", series->name);
		return 0;
	}
	slo_bound_by_hole(ask, hole, est);
	/* One line through everything is moved either way by what is missing. */
	if (hole && slope && !ask->cmp->over_ns) {
		est->lower = -INFINITY;
		est->upper = INFINITY;
	}
	return 0;
}

static int measure_growth(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	return measure_trend(ask, est, false, err);
}

/* Least squares, per second. */
static int measure_slope(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	return measure_trend(ask, est, true, err);
}

#define TREND_FLAGS (SLO_M_NODE | SLO_M_PHASES | SLO_M_OVER | SLO_M_GROUPS)

const struct slo_metric slo_trend_metrics[] = {
	{ .name = "goroutines.growth",
	  .help = "growth above the lowest sample of the last 10s (or 'over')",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_RATIO,
	  .flags = TREND_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_growth },
	{ .name = "goroutines.slope",
	  .help = "goroutines per second, least squares",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_RATE,
	  .flags = TREND_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_slope },
	{ .name = "goroutines.created",
	  .help = "goroutines started per second",
	  .series = BO_SERIES_CREATED,
	  .unit = SLO_UNIT_RATE,
	  .flags = (TREND_FLAGS & ~(unsigned)SLO_M_GROUPS) | SLO_M_RUNTIME,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_slope },
	{ 0 },
};
