/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge_shape.c — how delays are spread, who overtakes whom, bursts, and traces.
 *
 *   jitter   Kolmogorov–Smirnov with a tolerance: no quantile of the probes is earlier than asked by
 *            more than 100 µs, nor later than asked + base path + max(1 ms, 5 %), but for 1.95 / √n of
 *            them (99.9 %) and 5 % that a busy machine may delay.  From 100 probes.  Where the
 *            distribution does not come through (a rate, slots, packets kept in order under dense
 *            traffic) only: the probes are spread over half the jitter, or sit near its upper end.
 *            With a correlation either the distribution as it was asked for fits (netem: its modulus
 *            leaves nothing of the correlation) or what the correlation makes of it (the wire).
 *   order    with in_order no probe is overtaken.
 *   reorder  probes that arrive in less than half the least delay were sent ahead: their count is
 *            within the 99.9 % interval.
 *   slot     arrivals come in bursts, from one to the next min … max (± 15 % and 6 ms) in the median
 *            of at least 10, and in each of their quantiles but for 1.95 / √n + 5 % of them; none has more
 *            probes than a slot has packets or bytes.
 *   trace    what arrived of the trains, against the chances that the trace had in that time: not 25 %
 *            more; not 25 % less, but other traffic takes chances too: then that cannot be told.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/model/linkfile.h"
#include "fault-internal.h"

#define SHAPE_PROBES_MIN 100u
#define KS_CRITICAL 1.95
#define KS_LATE_SHARE 0.05
#define KS_EARLY_NS (100 * BO_NSEC_PER_USEC)
#define QUANTILES 512
#define BURSTS_MIN 10u
#define SLOT_TOLERANCE 0.15
#define SLOT_TOLERANCE_NS (6 * BO_NSEC_PER_MSEC)
#define SLOT_LEAST_NS (12 * BO_NSEC_PER_MSEC)
#define PROBE_BYTES 76 /* of IP */
#define TRACE_TOLERANCE 0.25
#define TRACE_TRAINS_MIN 3u

static int compare64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/** sorted() - [owned] delays of the probes that arrived once, ascending: of one that was duplicated the quicker copy is
 * known.  With @arrivals the times of arrival of all that arrived */
static int64_t *sorted(const struct bo_link_samples *samples, bool arrivals, size_t *ret_n)
{
	int64_t *values = calloc(samples->nprobes + 1, sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; values && i < samples->nprobes; i++) {
		const struct bo_link_sample *probe = &samples->probes[i];

		if (probe->delay_ns >= 0 && (arrivals || probe->arrivals <= 1))
			values[n++] = probe->delay_ns + (arrivals ? probe->sent_ns : 0);
	}
	if (values)
		qsort(values, n, sizeof(*values), compare64);
	*ret_n = n;
	return values;
}

/** below() - share of ascending values that are at most @x */
static double below(const int64_t *values, size_t n, int64_t x)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (values[middle] <= x)
			low = middle + 1;
		else
			high = middle;
	}
	return (double)low / (double)n;
}

/** outside() - share of ascending values by which they leave a band around ascending quantiles: so much earlier, so
 * much later */
static double outside(const int64_t asked[QUANTILES], const int64_t *values, size_t n,
		      int64_t earlier, int64_t later)
{
	double most = 0;

	for (size_t i = 0; i < QUANTILES; i++) {
		double low = (double)i / QUANTILES, high = (double)(i + 1) / QUANTILES;

		/* Too early: more of them are there than may be; too late: fewer. */
		most = fmax(most, below(values, n, asked[i] - earlier) - high);
		most = fmax(most, low - below(values, n, asked[i] + later));
	}
	return most;
}

/** distance() - how far the probes leave the band around what was asked, as a share of them */
static double distance(const struct bo_trial *t, const int64_t *delays, size_t n, bool correlated)
{
	int64_t asked[QUANTILES];

	bo_expect_delays(t->own, correlated, asked, QUANTILES);
	return outside(asked, delays, n, KS_EARLY_NS,
		       t->base_ns + bo_trial_tolerance(t->own->delay_ns));
}

/** is_spread() - all that can be said where the distribution does not come through */
static bool is_spread(const struct bo_trial *t)
{
	double rho = (double)t->own->delay_corr_ppm / BO_PPM_ALL;
	double width = (double)t->own->jitter_ns / 2 * sqrt((1 - rho) / (1 + rho));

	return (double)(t->m->delay_max_ns - t->m->delay_min_ns) >= width ||
	       t->m->delay_p50_ns >= t->own->delay_ns + t->own->jitter_ns / 2;
}

static void judge_distribution(struct bo_trial *t)
{
	double rho = (double)t->own->delay_corr_ppm / BO_PPM_ALL;
	double effective, allowed, found;
	size_t n = 0;
	int64_t *delays = sorted(t->samples, false, &n);
	char takes[BO_UNIT_BUF];

	if (!delays || n < SHAPE_PROBES_MIN) {
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %zu probes do not show how delays are spread: that takes %u, %s",
			t->name, n, SHAPE_PROBES_MIN,
			bo_format_duration((int64_t)(SHAPE_PROBES_MIN / BO_PROBES_PER_S * 1e9),
					   takes));
		free(delays);
		return;
	}
	effective = fmax((double)n * (1 - rho) / (1 + rho), 1);
	allowed = KS_CRITICAL / sqrt(effective) + KS_LATE_SHARE;
	found = distance(t, delays, n, false);
	if (rho > 0)
		found = fmin(found, distance(t, delays, n, true));
	bo_text_add(t->achieved, " spread %s (D %.3f of %.3f)", bo_dist_name(t->own->dist),
		    fmax(found, 0), allowed);
	if (found > allowed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: delays are not spread as asked (%s): distance %.3f, at most %.3f of %zu probes",
			t->name, bo_dist_name(t->own->dist), found, allowed, n);
	else
		bo_fault_verdict_ok(t->record);
	free(delays);
}

void bo_judge_spread(struct bo_trial *t)
{
	char width[BO_UNIT_BUF];
	bool through = !bo_trial_paced(t) && !t->own->in_order && !t->im->reorder.ppm;

	if (!is_spread(t)) {
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the probes show no jitter (all within %s)", t->name,
				 bo_format_duration(t->m->delay_max_ns - t->m->delay_min_ns,
						    width));
		return;
	}
	if (t->own->in_order && t->m->reordered)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %llu of %llu probes were overtaken, expected them in order",
				 t->name, (unsigned long long)t->m->reordered,
				 (unsigned long long)t->m->received);
	if (through && t->samples)
		judge_distribution(t);
	else
		bo_fault_verdict_ok(t->record);
	if (t->own->delay_corr_ppm)
		bo_judge_delay_corr(t);
}

void bo_judge_reorder(struct bo_trial *t)
{
	int64_t least = t->im->delay_ns - bo_link_reach(t->im);
	int64_t limit = bo_trial_ahead_ns(t);
	/* Of two copies either may be ahead. */
	double share = t->im->duplicate.ppm ? bo_expect_again(t->im, BO_HIT_AHEAD).share
					    : bo_expect_ahead(t->own);
	struct bo_expect e = bo_expect_chance(&t->own->reorder);
	uint64_t early = 0, k, n;
	double needed = bo_fault_needed(share) * e.inflation;
	char takes[BO_UNIT_BUF], delay[BO_UNIT_BUF];

	for (size_t i = 0; t->samples && i < t->samples->nprobes; i++)
		early += t->samples->probes[i].delay_ns >= 0 &&
			 t->samples->probes[i].delay_ns < limit;
	k = (uint64_t)llrint((double)early / e.inflation);
	n = (uint64_t)llrint((double)t->m->received / e.inflation);
	bo_trial_item(t);
	bo_text_add(t->achieved, "ahead %.3g%% (%llu of %llu probes, %llu overtaken by up to %llu)",
		    t->m->received ? (double)early / (double)t->m->received * 100 : 0,
		    (unsigned long long)early, (unsigned long long)t->m->received,
		    (unsigned long long)t->m->reordered, (unsigned long long)t->m->reorder_extent);
	if (least < 4 * BO_NSEC_PER_MSEC)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: a least delay of %s is too short to tell who was sent ahead: 4ms are needed",
			t->name, bo_format_duration(least > 0 ? least : 0, delay));
	else if ((!early && (double)t->m->received >= needed) ||
		 !bo_fault_binomial_fits(k, n, share, t->alike))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: %llu of %llu probes were sent ahead, outside the %.6g%% interval of %.4g%%",
			t->name, (unsigned long long)early, (unsigned long long)t->m->received,
			bo_fault_interval(t->alike), share * 100);
	else if ((double)t->m->received < needed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %llu probes cannot tell reordering of %.4g%% from none: that takes %.0f, about %s",
			t->name, (unsigned long long)t->m->received, share * 100, needed,
			bo_format_duration((int64_t)(needed / BO_PROBES_PER_S * 1e9), takes));
	else
		bo_fault_verdict_ok(t->record);
	/* netem counts the gap in packets of all flows. */
	if (least >= 4 * BO_NSEC_PER_MSEC &&
	    (t->own->reorder_gap > 1 ? strcmp(t->record->driver, "wire") == 0
				     : t->own->reorder.corr_ppm > 0))
		bo_judge_again(t, BO_HIT_AHEAD);
}

/* --- slots ------------------------------------------------------------------------------------ */

/** struct bursts - arrivals, in clusters that are half of the least slot apart */
struct bursts {
	int64_t *gaps;
	size_t n;
	uint64_t most;
};

static bool find_bursts(const struct bo_trial *t, struct bursts *ret)
{
	size_t n = 0;
	int64_t *at = sorted(t->samples, true, &n);
	int64_t *gaps = calloc(n + 1, sizeof(*gaps));
	int64_t began = 0;
	uint64_t size = 0;

	*ret = (struct bursts){ .gaps = gaps };
	for (size_t i = 0; at && gaps && i < n; i++) {
		bool begins = i == 0 || at[i] - at[i - 1] > t->own->slot.min_ns / 2;

		if (begins && i > 0)
			gaps[ret->n++] = at[i] - began;
		began = begins ? at[i] : began;
		size = begins ? 1 : size + 1;
		ret->most = size > ret->most ? size : ret->most;
	}
	if (gaps)
		qsort(gaps, ret->n, sizeof(*gaps), compare64);
	free(at);
	return gaps;
}

/** slots_outside() - the times from burst to burst against min … max; less than 0: that is fine */
static double slots_outside(const struct bo_trial *t, const struct bursts *bursts)
{
	const struct bo_slot *slot = &t->own->slot;
	int64_t asked[QUANTILES];

	/* A loss leaves slots without a probe. */
	if (!bo_loss_is_none(&t->im->loss) || t->im->corrupt.ppm)
		return -1;
	for (int64_t i = 0; i < QUANTILES; i++)
		asked[i] = slot->min_ns +
			   (slot->max_ns - slot->min_ns) * (2 * i + 1) / (2 * QUANTILES);
	return outside(asked, bursts->gaps, bursts->n,
		       (int64_t)(SLOT_TOLERANCE * (double)slot->min_ns) + SLOT_TOLERANCE_NS,
		       (int64_t)(SLOT_TOLERANCE * (double)slot->max_ns) + SLOT_TOLERANCE_NS) -
	       KS_CRITICAL / sqrt((double)bursts->n) - KS_LATE_SHARE;
}

void bo_judge_slot(struct bo_trial *t)
{
	const struct bo_slot *slot = &t->own->slot;
	int64_t low = (int64_t)((double)slot->min_ns * (1 - SLOT_TOLERANCE)) - SLOT_TOLERANCE_NS;
	int64_t high = (int64_t)((double)slot->max_ns * (1 + SLOT_TOLERANCE)) + SLOT_TOLERANCE_NS;
	struct bursts bursts;
	int64_t median;
	char found[BO_UNIT_BUF], a[BO_UNIT_BUF], b[BO_UNIT_BUF];

	if (!t->samples || !find_bursts(t, &bursts))
		return;
	median = bursts.n ? bursts.gaps[bursts.n / 2] : 0;
	bo_trial_item(t);
	bo_text_add(t->achieved, "bursts every %s, %zu of them", bo_format_duration(median, found),
		    bursts.n);
	if (slot->min_ns < SLOT_LEAST_NS)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: probes 5ms apart cannot tell bursts that are %s apart: 12ms are needed",
			t->name, bo_format_duration(slot->min_ns, a));
	else if (bursts.n < BURSTS_MIN && t->total_ns > 2 * slot->max_ns * BURSTS_MIN)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the probes came in %zu bursts, expected one every %s",
				 t->name, bursts.n, bo_format_duration(slot->max_ns, a));
	else if (bursts.n < BURSTS_MIN)
		bo_fault_verdict(t->record, BO_CONFIRM_UNKNOWN,
				 "%s: only %zu bursts, at least %u are needed, which takes %s",
				 t->name, bursts.n, BURSTS_MIN,
				 bo_format_duration(slot->max_ns * (BURSTS_MIN + 1), a));
	else if (median < low || median > high)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: bursts come every %s, expected %s to %s", t->name, found,
				 bo_format_duration(low > 0 ? low : 0, a),
				 bo_format_duration(high, b));
	else if (slot->packets && bursts.most > (uint64_t)slot->packets)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: a burst had %llu probes, expected at most %lld packets",
				 t->name, (unsigned long long)bursts.most,
				 (long long)slot->packets);
	else if (slot->bytes && (int64_t)(bursts.most - 1) * PROBE_BYTES >= slot->bytes)
		/* The packet that goes beyond is still in. */
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: a burst had %llu probes of %d bytes, expected at most %lld bytes",
			t->name, (unsigned long long)bursts.most, PROBE_BYTES,
			(long long)slot->bytes);
	else if (slots_outside(t, &bursts) > 0)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the times between bursts are not spread over %s to %s",
				 t->name, bo_format_duration(slot->min_ns, a),
				 bo_format_duration(slot->max_ns, b));
	else
		bo_fault_verdict_ok(t->record);
	free(bursts.gaps);
}

/* --- traces ----------------------------------------------------------------------------------- */

void bo_judge_trace(struct bo_trial *t)
{
	double got = 0, offered = 0, ratio;
	char name[64];
	uint32_t trains = 0;

	for (size_t i = 0; t->samples && i < t->samples->ntrains; i++) {
		const struct bo_link_train *train = &t->samples->trains[i];

		if (train->received < 3)
			continue;
		trains++;
		got += (double)train->bits / 8;
		offered += (double)bo_trace_chances(
				   t->own->trace,
				   (double)(train->first_ns - t->trace_ns) / BO_NSEC_PER_MSEC,
				   (double)(train->last_ns - t->trace_ns) / BO_NSEC_PER_MSEC) *
			   BO_TRACE_MTU;
	}
	ratio = offered > 0 ? got / offered : got > 0 ? INFINITY : 0;
	snprintf(name, sizeof(name), "%.60s", t->own->trace->name);
	bo_trial_item(t);
	bo_text_add(t->achieved, "trace: %.3g%% of its chances taken by %u trains", ratio * 100,
		    trains);
	if (trains < TRACE_TRAINS_MIN)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %u packet trains came through, a trace needs %u, about %us",
			t->name, trains, TRACE_TRAINS_MIN, TRACE_TRAINS_MIN + 1);
	else if (ratio > 1 + TRACE_TOLERANCE)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %.3g times more arrived than trace %s had chances for",
				 t->name, ratio, name);
	else if (ratio < 1 - TRACE_TOLERANCE)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: the trains took only %.3g%% of the chances of trace %s: other traffic may have had the rest",
			t->name, ratio * 100, name);
	else
		bo_fault_verdict_ok(t->record);
}
