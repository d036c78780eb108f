/* SPDX-License-Identifier: Apache-2.0 */
/* lab/linkprobe_math.c — from probes and trains to a measurement of one direction.
 * Owns: nothing.  Threads: any, under the prober's lock.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
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

int64_t bo_link_train_goodput(const struct bo_link_train *train)
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

/** median_goodput() - over the full trains, or over the scouts when there was no full one; -ENOMEM */
static int64_t median_goodput(const struct bo_link_samples *samples)
{
	int64_t *found = calloc(samples->ntrains + 1, sizeof(*found));
	size_t n = 0;
	int64_t median = 0;

	if (!found)
		return -ENOMEM;
	for (int full = 1; full >= 0 && !n; full--) {
		for (size_t i = 0; i < samples->ntrains; i++) {
			int64_t goodput = bo_link_train_goodput(&samples->trains[i]);

			if (goodput && (samples->trains[i].sent > TRAIN_SCOUT_PACKETS) == full)
				found[n++] = goodput;
		}
	}
	qsort(found, n, sizeof(*found), compare64);
	if (n)
		median = nearest_rank(found, n, 0.5);
	free(found);
	return median;
}

/** add_order() - RFC 4737 § 3: a probe is reordered when one sent later was here before it; § 4.2.2: by
 * how many arrivals */
static void add_order(const struct bo_link_samples *samples, struct bo_link_measure *m)
{
	/* The arrivals of those sent later are looked at from the end: the earliest of them. */
	uint32_t earliest = UINT32_MAX;

	for (size_t i = samples->nprobes; i-- > 0;) {
		const struct bo_link_sample *probe = &samples->probes[i];

		if (probe->delay_ns < 0)
			continue;
		if (probe->order > earliest) {
			m->reordered++;
			if (probe->order - earliest > m->reorder_extent)
				m->reorder_extent = probe->order - earliest;
		} else {
			earliest = probe->order;
		}
	}
}

int bo_link_summarise(const struct bo_link_samples *samples, struct bo_link_measure *ret)
{
	struct bo_link_measure m = { .sent = samples->nprobes };
	int64_t *delays = calloc(samples->nprobes + 1, sizeof(*delays));
	bool lost = false;

	if (!delays)
		return -ENOMEM;
	for (size_t i = 0; i < samples->nprobes; i++) {
		const struct bo_link_sample *probe = &samples->probes[i];

		m.loss_runs += probe->delay_ns < 0 && !lost;
		lost = probe->delay_ns < 0;
		if (!lost)
			delays[m.received++] = probe->delay_ns;
		m.duplicated += probe->arrivals > 1;
		m.damaged += probe->damaged > 0;
	}
	if (m.received) {
		qsort(delays, m.received, sizeof(*delays), compare64);
		m.delay_min_ns = delays[0];
		m.delay_p50_ns = nearest_rank(delays, m.received, 0.5);
		m.delay_p99_ns = nearest_rank(delays, m.received, 0.99);
		m.delay_max_ns = delays[m.received - 1];
	}
	free(delays);
	add_order(samples, &m);
	m.goodput_bps = median_goodput(samples);
	if (m.goodput_bps < 0)
		return -ENOMEM;
	*ret = m;
	return 0;
}

void bo_link_samples_done(struct bo_link_samples *samples)
{
	free(samples->probes);
	free(samples->trains);
	*samples = (struct bo_link_samples){ 0 };
}

/** first_probe() - number of the first that was sent at @ns or later */
static uint64_t first_probe(const struct probe_log *log, int64_t ns)
{
	uint64_t low = log->next_probe > PROBE_RING ? log->next_probe - PROBE_RING : 0;
	uint64_t high = log->next_probe;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (log->probes[middle % PROBE_RING].sent_ns < ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int bo_probe_copy(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		  struct bo_link_samples *ret)
{
	uint64_t first = first_probe(log, from_ns), end = first_probe(log, to_ns);
	struct bo_link_samples s = {
		.probes = calloc((end > first ? end - first : 0) + 1, sizeof(*s.probes)),
		.trains = calloc(TRAIN_RING, sizeof(*s.trains)),
	};

	if (!s.probes || !s.trains) {
		bo_link_samples_done(&s);
		return -ENOMEM;
	}
	for (uint64_t n = first; n < end; n++)
		s.probes[s.nprobes++] = log->probes[n % PROBE_RING];
	for (uint64_t n = log->next_train > TRAIN_RING ? log->next_train - TRAIN_RING : 0;
	     log->trains && n < log->next_train; n++) {
		const struct bo_link_train *train = &log->trains[n % TRAIN_RING];

		if (train->sent_ns >= from_ns && train->sent_ns < to_ns)
			s.trains[s.ntrains++] = *train;
	}
	*ret = s;
	return 0;
}

int bo_probe_summarise(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		       struct bo_link_measure *ret)
{
	struct bo_link_samples samples = { 0 };
	int r = bo_probe_copy(log, from_ns, to_ns, &samples);

	if (r == 0)
		r = bo_link_summarise(&samples, ret);
	bo_link_samples_done(&samples);
	return r;
}
