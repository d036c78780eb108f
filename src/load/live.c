/* SPDX-License-Identifier: Apache-2.0 */
/* live.c — the last full second, for the status line.
 * Owns: nothing.  Threads: one writer, any readers.  Privilege: none.
 *
 * A sequence lock whose fields are atomics themselves: no data race in the language's sense, no
 * fence (which the thread sanitizer does not understand), and at one write per second the order of
 * seq_cst costs nothing. */
#include <math.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "live.h"

static size_t bucket_of(int64_t value_ns)
{
	uint64_t v = value_ns > 0 ? (uint64_t)value_ns : 0;
	int shift = 58 - __builtin_clzll(v | (2 * BO_LIVE_SUB - 1));
	size_t i = (size_t)shift * BO_LIVE_SUB + (size_t)(v >> shift);

	return i < BO_LIVE_BUCKETS ? i : BO_LIVE_BUCKETS - 1;
}

/* The highest value of the bucket: a latency is never shown better than it was. */
static int64_t bucket_top(size_t i)
{
	size_t shift;

	if (i < 2 * BO_LIVE_SUB)
		return (int64_t)i;
	shift = i / BO_LIVE_SUB - 1;
	return (int64_t)(((uint64_t)(i - shift * BO_LIVE_SUB + 1) << shift) - 1);
}

static int64_t quantile(const struct bo_live *live, double q)
{
	uint64_t want = (uint64_t)ceil(q * (double)live->done), seen = 0;

	if (!live->done)
		return 0;
	for (size_t i = 0; i < BO_LIVE_BUCKETS; i++) {
		seen += live->counts[i];
		if (seen >= want)
			return bucket_top(i);
	}
	return bucket_top(BO_LIVE_BUCKETS - 1);
}

void bo_live_init(struct bo_live *live, int64_t now_ns)
{
	live->second_ends_ns = now_ns + BO_NSEC_PER_SEC;
}

void bo_live_roll(struct bo_live *live, int64_t now_ns)
{
	if (now_ns < live->second_ends_ns)
		return;
	/* When the thread was held up for seconds, the last full one was empty; what is counted
	 * belongs before. */
	if (now_ns >= live->second_ends_ns + BO_NSEC_PER_SEC) {
		live->offered = live->done = live->errors = 0;
		memset(live->counts, 0, sizeof(live->counts));
	}
	live->second_ends_ns += (now_ns - live->second_ends_ns) / BO_NSEC_PER_SEC *
					BO_NSEC_PER_SEC +
				BO_NSEC_PER_SEC;
	atomic_fetch_add(&live->seq, 1);
	atomic_store(&live->pub_offered, live->offered);
	atomic_store(&live->pub_done, live->done);
	atomic_store(&live->pub_errors, live->errors);
	atomic_store(&live->pub_p50_ns, quantile(live, 0.50));
	atomic_store(&live->pub_p99_ns, quantile(live, 0.99));
	atomic_fetch_add(&live->seq, 1);
	live->offered = live->done = live->errors = 0;
	memset(live->counts, 0, sizeof(live->counts));
}

void bo_live_ended(struct bo_live *live, enum bo_req_class cls, int64_t latency_ns)
{
	if (bo_req_class_is_error(cls))
		live->errors++;
	/* What was shed was never sent and what is still in flight has not ended: neither has a
	 * latency.  All else has one, failures too: a percentile of successes only flatters. */
	if (cls == BO_REQ_SHED || cls == BO_REQ_INFLIGHT)
		return;
	live->done++;
	live->counts[bucket_of(latency_ns)]++;
}

void bo_live_read(struct bo_live *live, struct bo_load_live *ret)
{
	uint64_t before, after;

	do {
		before = atomic_load(&live->seq);
		ret->offered_per_s = (double)atomic_load(&live->pub_offered);
		ret->done_per_s = (double)atomic_load(&live->pub_done);
		ret->errors_per_s = (double)atomic_load(&live->pub_errors);
		ret->p50_ns = atomic_load(&live->pub_p50_ns);
		ret->p99_ns = atomic_load(&live->pub_p99_ns);
		after = atomic_load(&live->seq);
	} while (before != after || before & 1);
	ret->inflight = atomic_load(&live->inflight);
	ret->connections = atomic_load(&live->connections);
	/* In this order a request can never seem ended before it was offered. */
	ret->ended = atomic_load(&live->all_ended);
	ret->offered = atomic_load(&live->all_offered);
}
