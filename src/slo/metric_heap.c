/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_heap.c — the Go heap as the garbage collector's pacer sees it.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "live.h"
#include "metric.h"
#include "syntax.h"

#define HEAP_FLAGS                                                                            \
	(SLO_M_NODE | SLO_M_PHASES | SLO_M_AT | SLO_M_WINDOWS | SLO_M_BASE | SLO_M_OF_LIMIT | \
	 SLO_M_RUNTIME)

const struct slo_metric slo_heap_metrics[] = {
	{ .name = "heap.live",
	  .help = "bytes of the heap that are in use",
	  .label = "live heap",
	  .series = BO_SERIES_HEAP_LIVE,
	  .unit = SLO_UNIT_SIZE,
	  .flags = HEAP_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ .name = "heap.live.peak",
	  .help = "most bytes in use in the phases",
	  .label = "peak",
	  .series = BO_SERIES_HEAP_LIVE,
	  .unit = SLO_UNIT_SIZE,
	  .flags = HEAP_FLAGS & ~(unsigned)SLO_M_AT,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge },
	{ .name = "heap.goal",
	  .help = "size at which the next collection shall have ended",
	  .label = "heap goal",
	  .series = BO_SERIES_HEAP_GOAL,
	  .unit = SLO_UNIT_SIZE,
	  .flags = HEAP_FLAGS,
	  .scope = SLO_SCOPE_FROM_BASE,
	  .measure = slo_measure_gauge,
	  .live = slo_live_sample },
	{ 0 },
};
