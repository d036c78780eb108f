/* SPDX-License-Identifier: Apache-2.0 */
/* lab/linkprobe_math.c — from probes and trains to a measurement of one direction.
 * Owns: nothing.  Threads: any, under the prober's lock.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "linkprobe-internal.h"

/* A full train should last this long: the kernel's receive stamps jitter by some 50 µs when the
 * wire's thread wakes up late and writes several packets at once, and that must stay small against
 * the whole. */
#define TRAIN_TARGET_NS (4 * BO_NSEC_PER_MSEC)
/* Below this a train of 16 would keep the link busy for more than a tenth of a second. */
#define TRAIN_FULL_FROM_BPS INT64_C(2000000)
#define PROBE_SHARE 0.02

int64_t bo_probe_train_goodput(const struct probe_train *train)
{
	if (train->received < 3 || train->last_ns <= train->first_ns)
		return 0;
	return (int64_t)((double)train->bits * (double)BO_NSEC_PER_SEC /
			 (double)(train->last_ns - train->first_ns));
}

uint32_t bo_probe_train_packets(int64_t goodput_bps, int64_t packet_bits)
{
	double packets = (double)goodput_bps * ((double)TRAIN_TARGET_NS / (double)BO_NSEC_PER_SEC) /
			 (double)packet_bits;

	if (goodput_bps < TRAIN_FULL_FROM_BPS)
		return 0;
	if (packets < TRAIN_FULL_MIN)
		return TRAIN_FULL_MIN;
	return packets > TRAIN_FULL_MAX ? TRAIN_FULL_MAX : (uint32_t)packets;
}

int64_t bo_probe_gap_ns(int64_t goodput_bps, int64_t bits, int64_t least_ns, int64_t most_ns)
{
	double gap;

	if (goodput_bps <= 0)
		return least_ns;
	gap = (double)bits / ((double)goodput_bps * PROBE_SHARE) * (double)BO_NSEC_PER_SEC;
	if (gap < (double)least_ns)
		return least_ns;
	return gap > (double)most_ns ? most_ns : (int64_t)gap;
}

static int compare64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/** nearest_rank() - the ceil(q·n)-th smallest of @n sorted values */
static int64_t nearest_rank(const int64_t *sorted, size_t n, double q)
{
	size_t rank = (size_t)ceil(q * (double)n);

	return sorted[rank ? rank - 1 : 0];
}

/** median_goodput() - over the full trains of the window, or over its scouts when there was no full
 * one */
static int64_t median_goodput(const struct probe_log *log, int64_t from_ns, int64_t to_ns)
{
	int64_t full[TRAIN_RING], scout[TRAIN_RING];
	size_t nfull = 0, nscout = 0;

	for (uint64_t n = log->next_train > TRAIN_RING ? log->next_train - TRAIN_RING : 0;
	     n < log->next_train; n++) {
		const struct probe_train *train = &log->trains[n % TRAIN_RING];
		int64_t goodput = bo_probe_train_goodput(train);

		if (train->sent_ns < from_ns || train->sent_ns >= to_ns || !goodput)
			continue;
		if (train->sent > TRAIN_SCOUT_PACKETS)
			full[nfull++] = goodput;
		else
			scout[nscout++] = goodput;
	}
	if (!nfull && !nscout)
		return 0;
	qsort(full, nfull, sizeof(full[0]), compare64);
	qsort(scout, nscout, sizeof(scout[0]), compare64);
	return nfull ? nearest_rank(full, nfull, 0.5) : nearest_rank(scout, nscout, 0.5);
}

int bo_probe_summarise(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		       struct bo_link_measure *ret)
{
	struct bo_link_measure m = { 0 };
	uint64_t first = log->next_probe > PROBE_RING ? log->next_probe - PROBE_RING : 0;
	int64_t *delays = NULL;

	if (log->next_probe > first) {
		delays = calloc(log->next_probe - first, sizeof(*delays));
		if (!delays)
			return -ENOMEM;
	}
	for (uint64_t n = first; n < log->next_probe; n++) {
		const struct probe_sent *probe = &log->probes[n % PROBE_RING];

		if (probe->sent_ns < from_ns || probe->sent_ns >= to_ns)
			continue;
		m.sent++;
		if (probe->delay_ns >= 0)
			delays[m.received++] = probe->delay_ns;
	}
	if (m.received) {
		qsort(delays, m.received, sizeof(*delays), compare64);
		m.delay_min_ns = delays[0];
		m.delay_p50_ns = nearest_rank(delays, m.received, 0.5);
		m.delay_p99_ns = nearest_rank(delays, m.received, 0.99);
		m.delay_max_ns = delays[m.received - 1];
	}
	free(delays);
	if (log->trains)
		m.goodput_bps = median_goodput(log, from_ns, to_ns);
	*ret = m;
	return 0;
}
