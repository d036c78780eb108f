/* SPDX-License-Identifier: Apache-2.0 */
/* live.c — the last full second of a load.
 * Owns: nothing.  Threads: one writer, any readers.  Privilege: none.
 *
 * A sequence lock whose fields are atomics themselves: no data race in the language's sense, and no
 * fence (which the thread sanitizer does not understand).  Every store releases and every load acquires,
 * so whoever has read a new value sees that the sequence has moved; on x86 that costs nothing. */
#include <string.h>

#include "brownout/base/clock.h"
#include "live.h"

#define PUT(to, value) atomic_store_explicit((to), (value), memory_order_release)
#define GET(from) atomic_load_explicit((from), memory_order_acquire)

void bo_live_init(struct bo_live *live, int64_t now_ns)
{
	live->second_ends_ns = now_ns + BO_NSEC_PER_SEC;
}

static void publish(struct bo_live *live)
{
	uint64_t seq = GET(&live->seq);

	PUT(&live->seq, seq + 1);
	PUT(&live->pub_offered, live->offered);
	PUT(&live->pub_latency_sum_ns, live->latency_sum_ns);
	for (size_t i = 0; i < BO_LIVE_BUCKETS; i++)
		PUT(&live->pub_latencies[i], live->latencies[i]);
	for (size_t i = 0; i < BO_REQ_CLASS_COUNT; i++) {
		PUT(&live->pub_ended[i], live->ended[i]);
		PUT(&live->pub_ended_all[i], live->ended_all[i]);
	}
	PUT(&live->seq, seq + 2);
}

static void reset(struct bo_live *live)
{
	live->offered = 0;
	live->latency_sum_ns = 0;
	memset(live->latencies, 0, sizeof(live->latencies));
	memset(live->ended, 0, sizeof(live->ended));
}

void bo_live_roll(struct bo_live *live, int64_t now_ns)
{
	if (now_ns < live->second_ends_ns)
		return;
	/* When the thread was held up for seconds, the last full one was empty; what is counted
	 * belongs before. */
	if (now_ns >= live->second_ends_ns + BO_NSEC_PER_SEC)
		reset(live);
	live->second_ends_ns += (now_ns - live->second_ends_ns) / BO_NSEC_PER_SEC *
					BO_NSEC_PER_SEC +
				BO_NSEC_PER_SEC;
	publish(live);
	reset(live);
}

void bo_live_ended(struct bo_live *live, enum bo_req_class cls, int64_t latency_ns)
{
	live->ended[cls]++;
	live->ended_all[cls]++;
	if (cls == BO_REQ_SHED || cls == BO_REQ_INFLIGHT)
		return;
	live->latency_sum_ns += latency_ns;
	live->latencies[bo_live_bucket(latency_ns)]++;
}

void bo_live_read(struct bo_live *live, struct bo_load_live *ret)
{
	uint64_t before, after;

	do {
		before = GET(&live->seq);
		ret->offered_per_s = (double)GET(&live->pub_offered);
		ret->latency_sum_ns = (double)GET(&live->pub_latency_sum_ns);
		for (size_t i = 0; i < BO_LIVE_BUCKETS; i++)
			ret->latencies[i] = GET(&live->pub_latencies[i]);
		for (size_t i = 0; i < BO_REQ_CLASS_COUNT; i++) {
			ret->ended_per_s[i] = (double)GET(&live->pub_ended[i]);
			ret->ended_all[i] = (double)GET(&live->pub_ended_all[i]);
		}
		after = GET(&live->seq);
	} while (before != after || before & 1);
	ret->inflight = atomic_load(&live->inflight);
	ret->connections = atomic_load(&live->connections);
	/* In this order a request can never seem ended before it was offered. */
	ret->ended = atomic_load(&live->all_ended);
	ret->offered = atomic_load(&live->all_offered);
}
