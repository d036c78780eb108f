/* SPDX-License-Identifier: Apache-2.0 */
/* slo/samples.h — series of samples: what gauges, trends and counters share.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"
#include "metric.h"
#include "scope.h"

/* A sample stands for this many sampling intervals; beyond that nothing is known. */
#define SLO_STALE_INTERVALS 3
#define SLO_MIN_BASE_SAMPLES 3

/** slo_interval() - how far apart samples of @series usually are, in ns; never 0 */
int64_t slo_interval(const struct bo_plan *plan, const struct bo_series *series);
/** slo_thinned_ns() - how far apart looks of the census are at @t_ns, which are @interval_ns apart when a phase begins */
int64_t slo_thinned_ns(const struct bo_run *run, int64_t interval_ns, int64_t dense, int64_t t_ns);
/** slo_samples() - index range [*ret_first, *ret_end) of the samples within @span */
void slo_samples(const struct bo_series *series, struct slo_span span, size_t *ret_first,
		 size_t *ret_end);
/** slo_hole() - first stretch of @span without samples that is too long to look past; false when
 * there is none */
bool slo_hole(const struct slo_ask *ask, const struct bo_series *series, struct slo_span span,
	      char *why, size_t size);
/** slo_base_median() - NAN with @why filled when the base phase has too few samples */
int slo_base_median(const struct slo_ask *ask, const struct bo_series *series, double *ret,
		    char *why, size_t size, struct bo_err *err);
/** slo_bound_by_hole() - bounds of est->value, the worst of the samples that there are: where a @hole is among them, open on
 * the side that the limit is on */
void slo_bound_by_hole(const struct slo_ask *ask, bool hole, struct slo_estimate *est);
/** slo_ask_series() - the series asked about, or NULL with est->why filled */
const struct bo_series *slo_ask_series(const struct slo_ask *ask, struct slo_estimate *est);
/** slo_ask_spans() - the spans of ask->phases within ask->clip */
size_t slo_ask_spans(const struct slo_ask *ask, struct slo_span ret[BO_PHASE_COUNT]);
