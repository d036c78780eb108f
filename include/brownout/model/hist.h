/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/hist.h — log-linear latency histogram, 3 significant digits, 1 ns … 1 h.
 * Bucket layout as HdrHistogram with 3 digits (2048 sub-buckets): index = (b+1)*1024 + (v >> b) - 1024 with
 * b = 53 - clz(v | 2047).  Values above the top are clamped into the last bucket; the exact max is kept apart.
 * Owns: its counts.  Threads: one writer.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

#define BO_HIST_MAX_NS (INT64_C(3600) * 1000 * 1000 * 1000)

struct bo_hist {
	uint64_t *counts;
	uint64_t total;
	int64_t max_ns;
	int64_t min_ns;
	double sum_ns;
};

/** bo_hist_init() - empty;  -ENOMEM;  bo_hist_done() takes one that is zeroed, too */
BO_NODISCARD int bo_hist_init(struct bo_hist *h, struct bo_err *err);
void bo_hist_done(struct bo_hist *h);
/** bo_hist_record() - add one value; negative counts as 0 */
void bo_hist_record(struct bo_hist *h, int64_t value_ns);
/** bo_hist_reset() - forget all values, keep the memory */
void bo_hist_reset(struct bo_hist *h);
/** bo_hist_index() - the bucket of a value >= 0 in HdrHistogram's order, whatever its unit */
size_t bo_hist_index(int64_t value);
/**
 * bo_hist_quantile() - highest value of the bucket that holds the ceil(q·n)-th smallest, never above max
 * @q: 0 … 1;  Return: ns, or 0 when empty
 */
int64_t bo_hist_quantile(const struct bo_hist *h, double q);
