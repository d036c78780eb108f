/* SPDX-License-Identifier: Apache-2.0 */
/* slo/request.h — what one request says: its class of failure, what is known of its latency; percentiles of a few.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"
#include "metric.h"

/** slo_class_matches() - is @cls of the class named @name: a name of bo_req_class_name(), "4xx",
 * "5xx" or "timeout"? */
bool slo_class_matches(const char *name, enum bo_req_class cls);
/** slo_class_names() - what slo_class_matches() knows, ended by NULL */
const char *const *slo_class_names(void);

/* What one request says about latency (metric_latency.c). */
enum slo_answer {
	SLO_ANSWERED,  /* a whole response, whatever its status */
	SLO_WAITED,    /* gave up or still waiting: at least this long */
	SLO_NO_ANSWER, /* the connection failed: there is no answer whose time could be told */
	SLO_UNSENT,    /* shed: nothing is known */
};
enum slo_answer slo_answer_of(const struct bo_req *req);

/**
 * struct slo_window - one percentile of one stretch of time
 * @n: requests that say something;  @unknown: those of which nobody knows how slow they would have been
 * @lower_ns, @upper_ns: it lies between them; the upper may be infinite; without meaning when @n is 0
 */
struct slo_window {
	size_t n;
	size_t unknown;
	double lower_ns;
	double upper_ns;
};
/** slo_window_quantile() - of the requests within ask->clip; ask->limit shall be NAN */
BO_NODISCARD int slo_window_quantile(const struct slo_ask *ask, double q, struct slo_window *ret,
				     struct bo_err *err);
