/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_sched.c — the Go scheduler: how long goroutines wait for a processor.
 * The latency series has no sample for a time in which nothing became runnable, or nothing that the
 * runtime sampled (1 in 8): that is no hole.  Whether anybody looked shows in the run queue's series,
 * which comes from the same reads.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>

#include "live.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

static void worst_latency(const struct slo_ask *ask, const struct bo_series *series,
			  struct slo_span span, struct slo_estimate *est)
{
	size_t first, end;

	slo_samples(series, span, &first, &end);
	for (size_t i = first; i < end; i++) {
		const struct bo_sample *s = &series->samples.items[i];

		if (!isnan(ask->limit) && est->breach_ns == SLO_NEVER &&
		    slo_breaks(ask->cmp->op, s->value, ask->limit))
			est->breach_ns = s->t_ns;
		if (isnan(est->value) ||
		    (slo_op_caps(ask->cmp->op) ? s->value > est->value : s->value < est->value))
			est->value = s->value;
	}
}

static int measure_latency(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const struct bo_series *looks = bo_run_series(ask->ctx->run, BO_SERIES_SCHED_RUNQ,
						      ask->node);
	const struct bo_series *series = slo_ask_series(ask, est);
	struct slo_span spans[BO_PHASE_COUNT];
	size_t nspans = slo_ask_spans(ask, spans);
	bool hole = false;

	if (!series)
		return 0;
	if (!looks || !looks->samples.len)
		looks = series;
	if (ask->base) {
		int r = slo_base_median(ask, series, &est->value, est->why, sizeof(est->why), err);

		if (!isnan(est->value))
			est->lower = est->upper = est->value;
		return r;
	}
	for (size_t i = 0; i < nspans; i++) {
		worst_latency(ask, series, spans[i], est);
		hole = hole || slo_hole(ask, looks, spans[i], est->why, sizeof(est->why));
	}
	if (isnan(est->value)) {
		if (!est->why[0])
			snprintf(est->why, sizeof(est->why), "no samples of %s in that time",
				 series->name);
		return 0;
	}
	slo_bound_by_hole(ask, hole, est);
	return 0;
}

#define SCHED_FLAGS \
	(SLO_M_NODE | SLO_M_PHASES | SLO_M_AT | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_RUNTIME)

const struct slo_metric slo_sched_metrics[] = {
	{ .name = "sched.latency.p99",
	  .help = "from runnable to running, p99 between two samples, worst of them",
	  .label = "scheduling p99",
	  .series = BO_SERIES_SCHED_LATENCY_P99,
	  .unit = SLO_UNIT_DURATION,
	  .flags = SCHED_FLAGS & ~(unsigned)SLO_M_AT,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = measure_latency,
	  .live = slo_live_sample },
	{ .name = "sched.runq",
	  .help = "goroutines that wait for a processor",
	  .label = "run queue",
	  .series = BO_SERIES_SCHED_RUNQ,
	  .unit = SLO_UNIT_COUNT,
	  .flags = SCHED_FLAGS | SLO_M_EQUAL,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "sched.stw_pending",
	  .help = "for how long somebody has been waiting for the world to stop",
	  .label = "stop pending",
	  .series = BO_SERIES_SCHED_STW,
	  .unit = SLO_UNIT_DURATION,
	  .flags = SCHED_FLAGS | SLO_M_EQUAL,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ 0 },
};
