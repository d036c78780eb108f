/* SPDX-License-Identifier: Apache-2.0 */
/* slo/registry.c — the list of budget metrics.
 * Adding a metric: one row in a metric_*.c (or a new file with a table of its own), one line here.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metric.h"

static const struct slo_metric *const families[] = {
	slo_latency_metrics, slo_shift_metrics,   slo_errors_metrics,   slo_gauge_metrics,
	slo_trend_metrics,   slo_counter_metrics, slo_recovery_metrics, slo_leak_metrics,
	slo_gc_metrics,      slo_heap_metrics,    slo_sched_metrics,    slo_burn_metrics,
};

/* For suggestions only: the percentiles that people use. */
static const char *const examples[] = { "latency.p50",  "latency.p90",      "latency.p95",
					"latency.p99",  "latency.p99.9",    "latency.p99.99",
					"gc.pause.p99", "latency.shift.p99" };

/* "99.9" of "latency.p99.9" as 0.999; NAN unless 0 < p < 100 with at most three decimals, nothing
 * else around. */
static double percentile(const char *s, size_t len)
{
	char buf[12];
	char *end;
	double p;

	if (len == 0 || len >= sizeof(buf) || strspn(s, "0123456789.") < len || s[0] == '.' ||
	    s[len - 1] == '.')
		return NAN;
	memcpy(buf, s, len);
	buf[len] = '\0';
	p = strtod(buf, &end);
	if (*end || p <= 0 || p >= 100)
		return NAN;
	return p / 100;
}

const struct slo_metric *slo_metric_find(const char *name, size_t len, double *ret_quantile)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		for (const struct slo_metric *m = families[i]; m->name; m++) {
			size_t n = strlen(m->name);

			*ret_quantile = NAN;
			if (n == len && memcmp(m->name, name, n) == 0 &&
			    strcmp(m->name + n - 2, ".p") != 0)
				return m;
			if (n < len && strcmp(m->name + n - 2, ".p") == 0 &&
			    memcmp(m->name, name, n) == 0) {
				*ret_quantile = percentile(name + n, len - n);
				if (!isnan(*ret_quantile))
					return m;
			}
		}
	}
	return NULL;
}

const char *const *slo_metric_names(void)
{
	static const char *names[64];
	size_t n = 0;

	/* Idempotent: every call writes the same pointers. */
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		names[n++] = examples[i];
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		for (const struct slo_metric *m = families[i]; m->name; m++) {
			if (strcmp(m->name + strlen(m->name) - 2, ".p") != 0 && n + 1 < 64)
				names[n++] = m->name;
		}
	}
	names[n] = NULL;
	return names;
}
