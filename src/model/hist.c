/* SPDX-License-Identifier: Apache-2.0 */
/* model/hist.c — HdrHistogram's bucket layout for 3 significant digits: 2048 sub-buckets, the upper half of which is
 * kept for each doubling. */
#include "brownout/model/hist.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF 1024

size_t bo_hist_index(int64_t value)
{
	uint64_t v = (uint64_t)value;
	int b = 53 - __builtin_clzll(v | (2 * HALF - 1));

	return (size_t)(b + 1) * HALF + (size_t)(v >> b) - HALF;
}

/* the highest value that falls into the same bucket */
static int64_t highest_of(size_t index)
{
	int b = (int)(index / HALF) - 1;
	uint64_t sub = index % HALF + HALF;

	if (b < 0) {
		sub -= HALF;
		b = 0;
	}
	return (int64_t)(((sub + 1) << b) - 1);
}

static size_t size_of_counts(void)
{
	return bo_hist_index(BO_HIST_MAX_NS) + 1;
}

int bo_hist_init(struct bo_hist *h, struct bo_err *err)
{
	uint64_t *counts = calloc(size_of_counts(), sizeof(*counts));

	if (!counts)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_BASE, "out of memory for a histogram");
	*h = (struct bo_hist){ .counts = counts, .min_ns = INT64_MAX };
	return 0;
}

void bo_hist_done(struct bo_hist *h)
{
	if (!h)
		return;
	free(h->counts);
	*h = (struct bo_hist){ 0 };
}

void bo_hist_record(struct bo_hist *h, int64_t value_ns)
{
	int64_t v = value_ns < 0 ? 0 : value_ns;

	h->counts[bo_hist_index(v > BO_HIST_MAX_NS ? BO_HIST_MAX_NS : v)]++;
	h->total++;
	h->sum_ns += (double)v;
	if (v > h->max_ns)
		h->max_ns = v;
	if (v < h->min_ns)
		h->min_ns = v;
}

void bo_hist_reset(struct bo_hist *h)
{
	memset(h->counts, 0, size_of_counts() * sizeof(*h->counts));
	h->total = 0;
	h->sum_ns = 0;
	h->max_ns = 0;
	h->min_ns = INT64_MAX;
}

int64_t bo_hist_quantile(const struct bo_hist *h, double q)
{
	uint64_t want, seen = 0;

	if (!h->total)
		return 0;
	if (!(q > 0))
		q = 0;
	if (q > 1)
		q = 1;
	want = (uint64_t)ceil(q * (double)h->total);
	if (want < 1)
		want = 1;
	for (size_t i = 0, n = size_of_counts(); i < n; i++) {
		seen += h->counts[i];
		if (seen >= want) {
			int64_t v = highest_of(i);

			/* the clamped last bucket stands for everything above it */
			return v > h->max_ns || i + 1 == n ? h->max_ns : v;
		}
	}
	return h->max_ns;
}
