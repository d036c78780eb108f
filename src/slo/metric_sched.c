/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_sched.c — the Go scheduler: how long goroutines wait for a processor.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "internal.h"

#define SCHED_FLAGS \
	(SLO_M_NODE | SLO_M_PHASES | SLO_M_AT | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_RUNTIME)

const struct slo_metric slo_sched_metrics[] = {
	{ .name = "sched.latency.p99",
	  .help = "from runnable to running, p99 between two samples, worst of them",
	  .label = "scheduling p99",
	  .series = BO_SERIES_SCHED_LATENCY_P99,
	  .unit = SLO_UNIT_DURATION,
	  .flags = SCHED_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "sched.runq",
	  .help = "goroutines that wait for a processor",
	  .label = "run queue",
	  .series = BO_SERIES_SCHED_RUNQ,
	  .unit = SLO_UNIT_COUNT,
	  .flags = SCHED_FLAGS | SLO_M_EQUAL,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "sched.stw_pending",
	  .help = "for how long somebody has been waiting for the world to stop",
	  .label = "stop pending",
	  .series = BO_SERIES_SCHED_STW,
	  .unit = SLO_UNIT_DURATION,
	  .flags = SCHED_FLAGS | SLO_M_EQUAL,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ 0 },
};
