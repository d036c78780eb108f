/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge.c — is what the probes met what was asked for?
 *
 *   delay      p50 of the probes is not below what was asked, and not above that + base path +
 *              max(1 ms, 5 %). What was asked is the median of the distribution; with jitter p50 may
 *              be max(1 ms, jitter/2) lower and a jitter higher.
 *   jitter     judge_shape.c: all quantiles (Kolmogorov–Smirnov).
 *   loss, duplicate, corrupt  judge_loss.c: counts and runs.
 *   reorder, slot, trace      judge_shape.c.
 *   ramps, flaps              judge_vary.c.
 *   correlations              judge_corr.c.
 *   rate       goodput of packet trains within 15 %; where overhead and cells take 6 % of it or more, nearer
 *              to what they leave than to the whole.
 *   limit      with a rate, on the wire: p99 of the probes is not above what so many full packets take, by
 *              more than 15 % and 100 ms.
 *   blackhole  nothing of at least 20 probes arrived.
 * While a rate is in force the load may keep a queue standing: delay and loss are then judged only
 * from below.
 *
 * Verdicts: what was measured and is outside is OFF; what could not be measured, or with too few
 * probes to tell, is UNKNOWN, with how long it takes.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/lab/lab.h"
#include "fault-internal.h"

#define DELAY_TOLERANCE_NS BO_NSEC_PER_MSEC
#define DELAY_TOLERANCE 0.05
#define RATE_TOLERANCE 0.15
/* What overhead and cells must take of a train, at least, to be told from nothing. */
#define CHARGE_LEAST 0.06
/* A train that the prober would send at this rate: see lab/linkprobe.c. */
#define TRAIN_BITS (16 * 1228 * 8)

void bo_trial_item(struct bo_trial *t)
{
	bo_text_add(t->achieved, "%s", t->first ? " " : ", ");
	t->first = false;
}

bool bo_trial_paced(const struct bo_trial *t)
{
	return t->im->rate_bps || t->im->trace || t->im->slot.max_ns;
}

int64_t bo_trial_tolerance(int64_t delay_ns)
{
	int64_t share = (int64_t)(DELAY_TOLERANCE * (double)delay_ns);

	return share > DELAY_TOLERANCE_NS ? share : DELAY_TOLERANCE_NS;
}

static void judge_blackhole(struct bo_trial *t)
{
	bo_trial_item(t);
	bo_text_add(t->achieved, "%llu of %llu probes arrived", (unsigned long long)t->m->received,
		    (unsigned long long)t->m->sent);
	if (t->m->received)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %llu of %llu probes came through the blackhole", t->name,
				 (unsigned long long)t->m->received,
				 (unsigned long long)t->m->sent);
	else
		bo_fault_verdict_ok(t->record);
}

/** median_asked() - of the delay, by the distribution */
static int64_t median_asked(const struct bo_impair *im)
{
	int64_t median;

	bo_expect_delays(im, false, &median, 1);
	return median;
}

/** late_p50() - the median of the probes that were not sent ahead of the others */
static int64_t late_p50(const struct bo_trial *t)
{
	double ahead = t->im->reorder.ppm ? bo_expect_ahead(t->im) : 0;
	uint64_t early = 0, rank, seen = 0;
	int64_t p50 = t->m->delay_p50_ns;

	if (ahead <= 0 || !t->samples)
		return p50;
	/* Those that were ahead are at the low end: the median of the rest lies that much higher. */
	for (size_t i = 0; i < t->samples->nprobes; i++)
		early += t->samples->probes[i].delay_ns >= 0 &&
			 t->samples->probes[i].delay_ns < t->own->delay_ns / 2;
	rank = early + (t->m->received - early) / 2;
	for (int64_t low = 0, high = t->m->delay_max_ns; low < high;) {
		int64_t middle = low + (high - low) / 2;

		seen = 0;
		for (size_t i = 0; i < t->samples->nprobes; i++)
			seen += t->samples->probes[i].delay_ns >= 0 &&
				t->samples->probes[i].delay_ns <= middle;
		if (seen > rank)
			high = middle;
		else
			low = middle + 1;
		p50 = high;
	}
	return p50;
}

static void judge_delay(struct bo_trial *t)
{
	const struct bo_impair *own = t->own;
	int64_t asked = median_asked(own), slack = bo_trial_tolerance(own->delay_ns);
	int64_t least = asked, most = asked + own->jitter_ns + t->base_ns + slack, found;
	char p50[BO_UNIT_BUF], p99[BO_UNIT_BUF], low[BO_UNIT_BUF], high[BO_UNIT_BUF];

	if (own->jitter_ns)
		least -= own->jitter_ns / 2 > DELAY_TOLERANCE_NS ? own->jitter_ns / 2
								 : DELAY_TOLERANCE_NS;
	bo_trial_item(t);
	if (t->m->received < BO_PROBES_MIN) {
		bo_text_add(t->achieved, "delay not measured");
		bo_fault_verdict(t->record, BO_CONFIRM_UNKNOWN,
				 "%s: only %llu of %llu probes arrived, delay needs %u", t->name,
				 (unsigned long long)t->m->received, (unsigned long long)t->m->sent,
				 BO_PROBES_MIN);
		return;
	}
	found = late_p50(t);
	bo_text_add(t->achieved, "delay p50 %s p99 %s", bo_format_duration(found, p50),
		    bo_format_duration(t->m->delay_p99_ns, p99));
	bo_format_duration(least, low);
	bo_format_duration(most, high);
	if (found < least)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: delay p50 is %s, expected at least %s", t->name, p50, low);
	else if (found > most && !bo_trial_paced(t))
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: delay p50 is %s, expected at most %s", t->name, p50, high);
	else if (own->jitter_ns)
		bo_judge_spread(t);
	else
		bo_fault_verdict_ok(t->record);
}

double bo_rate_share(const struct bo_impair *im)
{
	const double ip = 1228;
	double charged = ip + (double)im->rate_overhead;

	if (im->rate_cell_bytes)
		charged = ceil(charged / (double)im->rate_cell_bytes) *
			  (double)(im->rate_cell_bytes + im->rate_cell_overhead);
	return charged > 0 ? ip / charged : 1;
}

/** uncharged() - did the trains go as if overhead and cells were not charged?  Whatever takes part in a link makes
 * them slower, not faster; halfway is where one is told from the other */
static bool uncharged(const struct bo_trial *t)
{
	double share = bo_rate_share(t->own);

	return share < 1 - CHARGE_LEAST &&
	       (double)t->m->goodput_bps > (1 + share) / 2 * (double)t->own->rate_bps;
}

static void judge_rate(struct bo_trial *t)
{
	double asked = (double)t->own->rate_bps;
	double train_ns = (double)TRAIN_BITS / asked * (double)BO_NSEC_PER_SEC;
	char found[BO_UNIT_BUF], want[BO_UNIT_BUF];

	bo_trial_item(t);
	bo_format_bitrate(t->own->rate_bps, want);
	if (!t->m->goodput_bps) {
		bo_text_add(t->achieved, "rate not measured");
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: no packet train came through while the rate of %s was in force",
			t->name, want);
		return;
	}
	/* What is charged besides IP makes the same rate slower for IP. */
	asked *= bo_rate_share(t->own);
	bo_format_bitrate(t->m->goodput_bps, found);
	bo_text_add(t->achieved, "rate %s", found);
	if (2 * (double)t->im->jitter_ns > RATE_TOLERANCE * train_ns || t->im->slot.max_ns)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %s pulls packet trains apart, so a rate of %s cannot be measured",
			t->name, t->im->slot.max_ns ? "a slot" : "jitter", want);
	else if (fabs((double)t->m->goodput_bps - asked) > RATE_TOLERANCE * asked)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: the rate is %s, expected %s within %.0f%%", t->name, found,
				 bo_format_bitrate((int64_t)asked, want), RATE_TOLERANCE * 100);
	else if (uncharged(t))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: the rate is %s, expected %s: overhead or cells are not charged",
			t->name, found, bo_format_bitrate((int64_t)asked, want));
	else
		bo_fault_verdict_ok(t->record);
}

/** judge_limit() - so many packets of a rate may wait, so no probe waits longer than all of them take */
static void judge_limit(struct bo_trial *t)
{
	const struct bo_impair *im = t->im;
	int64_t most = im->delay_ns + bo_link_reach(im) + t->base_ns;
	char found[BO_UNIT_BUF], want[BO_UNIT_BUF];
	double ns;

	/* netem counts super-packets. */
	if (!im->rate_bps || im->slot.max_ns || strcmp(t->record->driver, "wire") != 0 ||
	    !t->m->received) {
		bo_fault_verdict_ok(t->record);
		return;
	}
	ns = (double)im->limit_packets * BO_LAB_MTU / bo_rate_share(im) * 8 / (double)im->rate_bps *
	     (double)BO_NSEC_PER_SEC;
	most += (int64_t)(fmin(ns * (1 + RATE_TOLERANCE), 1e18)) + 100 * BO_NSEC_PER_MSEC;
	bo_text_add(t->achieved, ", a queue of up to %s",
		    bo_format_duration(t->m->delay_max_ns, found));
	if (t->m->delay_p99_ns > most)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: delay p99 is %s, but with a limit of %lld packets at most %s",
				 t->name, bo_format_duration(t->m->delay_p99_ns, found),
				 (long long)im->limit_packets, bo_format_duration(most, want));
	else
		bo_fault_verdict_ok(t->record);
}

/** enough() - was there a window, and were there probes in it? */
static bool enough(struct bo_trial *t)
{
	const struct bo_impair *im = t->im;
	int64_t tail_ns = im->delay_ns + bo_link_reach(im) + t->base_ns + 100 * BO_NSEC_PER_MSEC;
	char had[BO_UNIT_BUF], takes[BO_UNIT_BUF];

	if (t->m->sent >= BO_PROBES_MIN)
		return true;
	bo_trial_item(t);
	bo_text_add(t->achieved, "not measured");
	bo_format_duration(tail_ns + (int64_t)(BO_PROBES_MIN / BO_PROBES_PER_S * 1e9), takes);
	if (t->total_ns <= 0)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: never in force undisturbed long enough: that takes %s, for probes to arrive",
			t->name, takes);
	else
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %llu probes in %s, at least %u are needed, which takes %s",
			t->name, (unsigned long long)t->m->sent,
			bo_format_duration(t->total_ns, had), BO_PROBES_MIN, takes);
	return false;
}

void bo_fault_judge(struct bo_trial *t)
{
	if (!enough(t))
		return;
	if (t->own->blackhole) {
		judge_blackhole(t);
		return;
	}
	if (t->own->delay_ns)
		judge_delay(t);
	if (!bo_loss_is_none(&t->own->loss))
		bo_judge_loss(t);
	if (t->own->duplicate.ppm)
		bo_judge_duplicate(t);
	if (t->own->corrupt.ppm)
		bo_judge_corrupt(t);
	if (t->own->reorder.ppm)
		bo_judge_reorder(t);
	if (t->own->rate_bps)
		judge_rate(t);
	if (t->own->trace)
		bo_judge_trace(t);
	if (t->own->slot.max_ns)
		bo_judge_slot(t);
	if (t->own->limit_packets)
		judge_limit(t);
}
