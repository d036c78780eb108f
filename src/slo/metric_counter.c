/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_counter.c — counters that only rise: OOM kills, failed charges.
 * The value is the rise within the phases.  A gap in the middle loses nothing; one at the end may
 * hide the last rise.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>

#include "live.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

/* The counter as it was when @span began: the last sample before it, else nothing had been counted.
 */
static double value_before(const struct bo_series *series, size_t first)
{
	return first ? series->samples.items[first - 1].value : 0;
}

static int measure(const struct slo_ask *ask, bool from_zero, struct slo_estimate *est)
{
	const struct bo_series *series = slo_ask_series(ask, est);
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans, seen = 0;
	double rise = 0;
	bool open = false;

	if (!series)
		return 0;
	nspans = slo_ask_spans(ask, spans);
	for (size_t s = 0; s < nspans; s++) {
		struct slo_span tail = spans[s];
		size_t first, end;
		double before;

		slo_samples(series, spans[s], &first, &end);
		/* The run as a whole counts from the cgroup's birth, whatever the time of the first
		 * sample. */
		before = ask->cmp->metric->scope == SLO_SCOPE_RUN &&
					 ask->cmp->to == BO_PHASE_COUNT && s == 0
				 ? 0
				 : value_before(series, first);
		/* What this counter had counted before anybody looked is nobody's rise. */
		if (!from_zero && !first && end)
			before = series->samples.items[0].value;
		for (size_t i = first; i < end; i++) {
			const struct bo_sample *sample = &series->samples.items[i];

			/* A restarted node has a new cgroup that counts from 0. */
			rise += sample->value >= before ? sample->value - before : sample->value;
			before = sample->value;
			if (est->breach_ns == SLO_NEVER && !isnan(ask->limit) &&
			    slo_breaks(ask->cmp->op, rise, ask->limit))
				est->breach_ns = sample->t_ns;
			tail.from_ns = sample->t_ns;
		}
		seen += end - first;
		open = open || slo_hole(ask, series, tail, est->why, sizeof(est->why));
	}
	if (!seen) {
		if (!est->why[0])
			snprintf(est->why, sizeof(est->why), "no samples of %s", series->name);
		return 0;
	}
	est->value = est->lower = est->upper = rise;
	if (open)
		est->upper = INFINITY;
	return 0;
}

/* Rise of a counter that began at 0 with its first sample's cgroup. */
static int measure_rise(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	(void)err;
	return measure(ask, true, est);
}

int slo_measure_rise_since(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	(void)err;
	return measure(ask, false, est);
}

#define COUNTER_FLAGS (SLO_M_NODE | SLO_M_PHASES | SLO_M_EQUAL)

const struct slo_metric slo_counter_metrics[] = {
	{ .name = "oom.kills",
	  .help = "processes killed for want of memory",
	  .label = "OOM kills",
	  .series = BO_SERIES_OOM_KILLS,
	  .unit = SLO_UNIT_COUNT,
	  .flags = COUNTER_FLAGS,
	  .scope = SLO_SCOPE_RUN,
	  .measure = measure_rise,
	  .live = slo_live_rise },
	{ .name = "memory.failcnt",
	  .help = "times the memory limit was hit",
	  .label = "failcnt",
	  .series = BO_SERIES_MEMORY_FAILCNT,
	  .unit = SLO_UNIT_COUNT,
	  .flags = COUNTER_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_rise,
	  .live = slo_live_rise },
	{ 0 },
};
