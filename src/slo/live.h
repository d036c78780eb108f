/* SPDX-License-Identifier: Apache-2.0 */
/* slo/live.h — guards: comparisons that are asked while the run goes on.
 * A guard knows the metrics of budgets that have an answer at any instant (slo_metric.live), and some of its own.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/arena.h"
#include "brownout/base/err.h"
#include "brownout/model/live.h"
#include "metric.h"
#include "syntax.h"

/** struct slo_counter - what one counter has risen by while somebody looked; zero-initialise */
struct slo_counter {
	bool seen;
	double last;
	double risen;
};

/**
 * struct slo_now - how things stand at one instant
 * @node: for metrics of a node;  @counter: its memory, for those that count
 */
struct slo_now {
	const struct slo_cmp *cmp;
	const struct bo_plan *plan;
	const struct bo_live_state *state;
	int node;
	struct slo_counter *counter;
};

/**
 * slo_parse_guard() - "METRIC[{…}] OP LIMIT [for DURATION]" into @ret, the duration as over_ns;
 * strings go to @arena
 */
BO_NODISCARD int slo_parse_guard(const char *text, struct bo_arena *arena, struct slo_cmp *ret,
				 struct bo_err *err);
/** slo_guard_metric_find() - as slo_metric_find(), with what is for guards only (guard.c); its @live may be NULL */
const struct slo_metric *slo_guard_metric_find(const char *name, size_t len, double *ret_quantile);
/** slo_guard_metric_names() - what a guard can watch, ended by NULL; percentiles as examples */
const char *const *slo_guard_metric_names(void);

/* What stands behind slo_metric.live (live.c). */
double slo_live_quantile(const struct slo_now *now);
double slo_live_max(const struct slo_now *now);
double slo_live_mean(const struct slo_now *now);
double slo_live_error_ratio(const struct slo_now *now);
double slo_live_availability(const struct slo_now *now);
double slo_live_error_rate(const struct slo_now *now);
double slo_live_error_count(const struct slo_now *now);
double slo_live_throughput(const struct slo_now *now);
/** slo_live_sample() - the newest of metric->series */
double slo_live_sample(const struct slo_now *now);
/** slo_live_rise() - of a counter that began at 0 with the node;  slo_live_rise_since() - since somebody looked */
double slo_live_rise(const struct slo_now *now);
double slo_live_rise_since(const struct slo_now *now);
