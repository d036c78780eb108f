/* SPDX-License-Identifier: Apache-2.0 */
/* model/live.c — the last full second of a load, read.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/live.h"

#include <math.h>

size_t bo_live_bucket(int64_t latency_ns)
{
	uint64_t v = latency_ns > 0 ? (uint64_t)latency_ns : 0;
	int shift = 58 - __builtin_clzll(v | (2 * BO_LIVE_SUB - 1));
	size_t i = (size_t)shift * BO_LIVE_SUB + (size_t)(v >> shift);

	return i < BO_LIVE_BUCKETS ? i : BO_LIVE_BUCKETS - 1;
}

static double bucket_top(size_t i)
{
	size_t shift;

	if (i < 2 * BO_LIVE_SUB)
		return (double)i;
	shift = i / BO_LIVE_SUB - 1;
	return (double)(((uint64_t)(i - shift * BO_LIVE_SUB + 1) << shift) - 1);
}

double bo_live_quantile(const struct bo_load_live *live, double q)
{
	double want = ceil(q * bo_live_done_per_s(live)), seen = 0;

	for (size_t i = 0; i < BO_LIVE_BUCKETS; i++) {
		seen += live->latencies[i];
		if (seen > 0 && seen >= want)
			return bucket_top(i);
	}
	return NAN;
}

double bo_live_done_per_s(const struct bo_load_live *live)
{
	double done = 0;

	for (int i = 0; i < BO_REQ_CLASS_COUNT; i++)
		done += i != BO_REQ_SHED && i != BO_REQ_INFLIGHT ? live->ended_per_s[i] : 0;
	return done;
}

double bo_live_errors_per_s(const struct bo_load_live *live)
{
	double errors = 0;

	for (int i = 0; i < BO_REQ_CLASS_COUNT; i++)
		errors += bo_req_class_is_error((enum bo_req_class)i) ? live->ended_per_s[i] : 0;
	return errors;
}
