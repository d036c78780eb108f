/* SPDX-License-Identifier: Apache-2.0 */
/* slo/samples.c — what every metric over a sampled series needs: the samples of a phase, the base
 * median, and the holes in between.  A hole is never filled in: a peak may hide in it, so it widens
 * the estimate.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

static int order_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int order_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The median of the first distances, which a few gaps do not move; 0: not known. */
static int64_t usual_distance(const struct bo_series *series)
{
	int64_t d[101];
	size_t n = 0;

	for (size_t i = 1; i < series->samples.len && n < sizeof(d) / sizeof(d[0]); i++)
		d[n++] = series->samples.items[i].t_ns - series->samples.items[i - 1].t_ns;
	qsort(d, n, sizeof(d[0]), order_i64);
	return n ? d[n / 2] : 0;
}

int64_t slo_thinned_ns(const struct bo_run *run, int64_t interval_ns, int64_t dense, int64_t t_ns)
{
	int64_t start_ns = INT64_MAX;

	for (int p = 0; p < BO_PHASE_COUNT; p++)
		if (slo_phase_happened(run, (enum bo_phase)p) && run->phases[p].start_ns <= t_ns &&
		    (start_ns == INT64_MAX || run->phases[p].start_ns > start_ns))
			start_ns = run->phases[p].start_ns;
	return start_ns == INT64_MAX ? interval_ns
				     : bo_thinned_ns(interval_ns, dense, t_ns - start_ns);
}

int64_t slo_interval(const struct bo_plan *plan, const struct bo_series *series)
{
	int64_t planned = 0;

	if (series->node >= 0 && (size_t)series->node < plan->nodes.len &&
	    strcmp(series->name, BO_SERIES_GOROUTINES) == 0)
		planned = plan->nodes.items[series->node].probe.interval_ns;
	if (strcmp(series->name, SLO_SERIES_GROUPS) == 0)
		planned = SLO_SNAPSHOT_INTERVAL_NS;
	/* Dumps are taken at the ends of phases: what was between two of them nobody saw. */
	if (series->source && strcmp(series->name, SLO_SERIES_GROUPS) == 0)
		return planned;
	planned = longer(planned, usual_distance(series));
	return planned > 0 ? planned : 100 * BO_NSEC_PER_MSEC;
}

/* The same at @t_ns, late in a long phase: what the census takes becomes rarer (bo_thinned_ns()). */
static int64_t interval_at(const struct slo_ask *ask, const struct bo_series *series, int64_t t_ns)
{
	int64_t interval_ns = slo_interval(ask->ctx->plan, series);
	const struct bo_series *counts;

	if (strcmp(series->name, SLO_SERIES_GROUPS) == 0)
		return slo_thinned_ns(ask->ctx->run, interval_ns, BO_DENSE_SNAPSHOTS, t_ns);
	counts = bo_run_series(ask->ctx->run, BO_SERIES_GOROUTINES, series->node);
	if (!counts || counts->samples.len < 2 || strncmp(series->source, "census", 6) != 0)
		return interval_ns;
	/* All that the census samples goes by the counts, which come more often than the plan asks by default. */
	return longer(interval_ns, slo_thinned_ns(ask->ctx->run, usual_distance(counts),
						  BO_DENSE_SAMPLES, t_ns));
}

static size_t first_at(const struct bo_series *series, int64_t t_ns)
{
	size_t lo = 0, hi = series->samples.len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (series->samples.items[mid].t_ns < t_ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void slo_samples(const struct bo_series *series, struct slo_span span, size_t *ret_first,
		 size_t *ret_end)
{
	*ret_first = first_at(series, span.from_ns);
	*ret_end = first_at(series, span.to_ns);
}

/* The gap that the sampler itself recorded for this stretch says why; the longest overlap is the
 * one that matters. */
static const char *gap_reason(const struct bo_series *series, int64_t from_ns, int64_t to_ns)
{
	const char *reason = "the sampler says nothing about it";
	int64_t longest = 0;

	if (series->source && strcmp(series->name, SLO_SERIES_GROUPS) == 0)
		return "dumps are taken at the ends of base, hold and settle only";

	bo_vec_foreach(gap, &series->gaps) {
		int64_t from = gap->from_ns > from_ns ? gap->from_ns : from_ns;
		int64_t to = gap->to_ns < to_ns ? gap->to_ns : to_ns;

		if (to - from > longest && gap->reason) {
			longest = to - from;
			reason = gap->reason;
		}
	}
	return reason;
}

bool slo_hole(const struct slo_ask *ask, const struct bo_series *series, struct slo_span span,
	      char *why, size_t size)
{
	int64_t tolerance = SLO_STALE_INTERVALS * slo_interval(ask->ctx->plan, series),
		before = span.from_ns;
	size_t first, end;

	slo_samples(series, span, &first, &end);
	for (size_t i = first; i <= end; i++) {
		int64_t t = i < end ? series->samples.items[i].t_ns : span.to_ns;

		/* The distance at its beginning is that by which the next look was put off. */
		if (t - before > tolerance &&
		    t - before > SLO_STALE_INTERVALS * interval_at(ask, series, before)) {
			char at[BO_UNIT_BUF], len[BO_UNIT_BUF];

			snprintf(why, size, "no samples of %s for %s from %s on: %s", series->name,
				 bo_format_duration(t - before, len),
				 bo_format_duration(before, at), gap_reason(series, before, t));
			return true;
		}
		before = t;
	}
	return false;
}

void slo_bound_by_hole(const struct slo_ask *ask, bool hole, struct slo_estimate *est)
{
	const enum slo_op op = ask->cmp->op;

	est->lower = est->upper = est->value;
	/* "==" is broken for sure by any sample that differs, hole or not. */
	if (!hole || (op == SLO_EQ && est->breach_ns != SLO_NEVER))
		return;
	if (slo_op_caps(op) || op == SLO_EQ)
		est->upper = INFINITY;
	if (!slo_op_caps(op))
		est->lower = -INFINITY;
}

const struct bo_series *slo_ask_series(const struct slo_ask *ask, struct slo_estimate *est)
{
	const char *name = ask->cmp->metric->series;
	const struct bo_series *s = ask->series ? ask->series
						: bo_run_series(ask->ctx->run, name, ask->node);

	if (s && s->samples.len)
		return s;
	if (s && s->gaps.len)
		snprintf(est->why, sizeof(est->why), "no samples of %s of %s: %s", name,
			 ask->ctx->plan->nodes.items[ask->node].name,
			 s->gaps.items[0].reason ? s->gaps.items[0].reason : "no reason recorded");
	else
		snprintf(est->why, sizeof(est->why), "no samples of %s of %s", name,
			 ask->ctx->plan->nodes.items[ask->node].name);
	return NULL;
}

int slo_base_median(const struct slo_ask *ask, const struct bo_series *series, double *ret,
		    char *why, size_t size, struct bo_err *err)
{
	struct slo_span span[BO_PHASE_COUNT];
	size_t first = 0, end = 0, n;
	double *v;

	*ret = NAN;
	if (slo_spans(ask->ctx->run, SLO_PHASE_BIT(BO_PHASE_BASE), span) == 0) {
		snprintf(why, size, "phase 'base' did not happen");
		return 0;
	}
	slo_samples(series, span[0], &first, &end);
	n = end - first;
	if (n < SLO_MIN_BASE_SAMPLES) {
		snprintf(why, size, "%zu samples of %s in base; its median needs %d", n,
			 series->name, SLO_MIN_BASE_SAMPLES);
		return 0;
	}
	v = malloc(n * sizeof(*v));
	if (!v)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	for (size_t i = 0; i < n; i++)
		v[i] = series->samples.items[first + i].value;
	qsort(v, n, sizeof(*v), order_double);
	*ret = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	free(v);
	return 0;
}
