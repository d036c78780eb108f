/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric.h — the table of metrics, and the estimate that each answers with.
 * A metric is a row of a table in metric_*.c, listed in registry.c.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"
#include "scope.h"
#include "syntax.h"

/**
 * struct slo_ask - one question to a metric
 * @phases: where to look;  @clip: and only within this (a window), else the whole of time
 * @limit: what the answer will be held against; NAN while the base is measured
 * @census: take what was seen as all there is (windows): no confidence interval
 * @base: the reference value of the base phase is wanted
 * @node: for metrics of a node
 * @series: look at this instead of the series that the metric names; NULL mostly
 */
struct slo_ask {
	const struct slo_ctx *ctx;
	const struct slo_cmp *cmp;
	unsigned phases;
	struct slo_span clip;
	double limit;
	bool census;
	bool base;
	int node;
	const struct bo_series *series;
};

/**
 * struct slo_estimate - the answer
 * @value: what was seen, NAN for nothing;  @at_least: the truth is @value or more
 * @lower, @upper: the truth lies between them; infinite when it cannot be said
 * @breach_ns: first instant out of bounds, SLO_NEVER
 * @detail: short, shown after the value ("42 of 2000")
 * @where: the place, shown after the value ("main.query [chan send] at orders.go:93")
 * @why: why the bounds are apart
 * @remark: worth saying even when it passes
 */
struct slo_estimate {
	double value;
	bool at_least;
	double lower;
	double upper;
	int64_t breach_ns;
	char detail[48];
	char where[72];
	char why[400];
	char remark[160];
};

enum slo_metric_flag {
	SLO_M_REQUESTS = 1 << 0,     /* over requests: takes {load}, sees only phases with load */
	SLO_M_NODE = 1 << 1,         /* of a node: takes {node} */
	SLO_M_CLASS = 1 << 2,        /* takes {class} */
	SLO_M_PHASES = 1 << 3,       /* takes "in" */
	SLO_M_AT = 1 << 4,           /* takes "at" */
	SLO_M_OVER = 1 << 5,         /* takes "over" */
	SLO_M_WINDOWS = 1 << 6,      /* takes "for … windows" */
	SLO_M_BASE = 1 << 7,         /* the limit may be relative to base */
	SLO_M_NEEDS_BASE = 1 << 8,   /* the metric itself is relative to base */
	SLO_M_OF_LIMIT = 1 << 9,     /* takes "% of limit" */
	SLO_M_EQUAL = 1 << 10,       /* exact, so "==" means something */
	SLO_M_ALL_OR_NONE = 1 << 11, /* a ratio: "==" means something at 0 and 100 % */
	SLO_M_STEADY =
		1
		<< 12, /* latency or errors: a base phase that breaks it leaves nothing to judge */
	SLO_M_ERRORS = 1 << 13,    /* judges failed requests */
	SLO_M_FAULT = 1 << 14,     /* needs a fault, and budgets that say what "within budget" is */
	SLO_M_GROUPS = 1 << 15,    /* takes {site}, {state} … */
	SLO_M_SELECTED = 1 << 16,  /* makes no sense without one of them */
	SLO_M_SNAPSHOTS = 1 << 17, /* reads run->snapshots itself */
	SLO_M_RUNTIME = 1 << 18,   /* only the census sees it */
	SLO_M_BURN = 1 << 19,      /* takes (target, windows) */
	SLO_M_SUBSET = 1 << 20,    /* over requests of the whole run: takes {load} and {route} */
};

/* DRAINED: the phases in which nothing is asked of the service any more, hold and settle. */
enum slo_default_scope {
	SLO_SCOPE_LOADED,
	SLO_SCOPE_FROM_BASE,
	SLO_SCOPE_RUN,
	SLO_SCOPE_FAULT,
	SLO_SCOPE_DRAINED,
};

struct slo_now;

/**
 * struct slo_metric - one row of the table
 * @name: "latency.max"; a name that ends in ".p" takes any percentile after it
 * @label: what is put before the measured value; NULL: what was written after the first dot
 * @series: of metrics of a node: the name of the series
 * @measure: fill @ret, which slo_estimate_none() has reset; fails only when memory is out
 * @live: for guards, the value now, NAN when nothing can be told (live.c); NULL: it can only be told looking back
 */
struct slo_metric {
	const char *name;
	const char *help;
	const char *label;
	const char *series;
	enum slo_unit unit;
	unsigned flags;
	enum slo_default_scope scope;
	int (*measure)(const struct slo_ask *ask, struct slo_estimate *ret, struct bo_err *err);
	double (*live)(const struct slo_now *now);
};

/** slo_metric_find() - by name; [out] @ret_quantile is NAN but for percentiles; NULL when unknown */
const struct slo_metric *slo_metric_find(const char *name, size_t len, double *ret_quantile);
/** slo_metric_names() - every name, ended by NULL; percentiles as examples; for suggestions */
const char *const *slo_metric_names(void);

extern const struct slo_metric slo_latency_metrics[];
extern const struct slo_metric slo_shift_metrics[];
extern const struct slo_metric slo_errors_metrics[];
extern const struct slo_metric slo_gauge_metrics[];
extern const struct slo_metric slo_trend_metrics[];
extern const struct slo_metric slo_counter_metrics[];
extern const struct slo_metric slo_recovery_metrics[];
extern const struct slo_metric slo_leak_metrics[];
extern const struct slo_metric slo_gc_metrics[];
extern const struct slo_metric slo_heap_metrics[];
extern const struct slo_metric slo_sched_metrics[];
extern const struct slo_metric slo_burn_metrics[];

/** slo_measure() - ask->cmp's metric, over the selected goroutines when there is a selector */
BO_NODISCARD int slo_measure(const struct slo_ask *ask, struct slo_estimate *ret,
			     struct bo_err *err);
/** slo_measure_gauge() - worst or last sample of metric->series */
int slo_measure_gauge(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);
/** slo_measure_rise_since() - rise of a counter that had counted before anybody looked */
int slo_measure_rise_since(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err);

void slo_estimate_none(struct slo_estimate *est);
/** slo_breaks() - is @value outside "@op @limit"? */
bool slo_breaks(enum slo_op op, double value, double limit);
