/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge_corr.c — does a packet's fate hang on that of the one before, as it was asked to?
 *
 *   chances  loss, duplicate, corrupt and reorder with a correlation, and a reorder gap: of the probes that
 *            are the next behind one that was hit, how many were hit as well?  The count is inside the 99.9 %
 *            interval of the binomial distribution around what the model gives (expect.c plays all stations
 *            through), as if there were so many fewer probes as the variance is larger; and there were enough
 *            to tell it from chances that do not hang together.
 *   delays   rank correlation (Spearman's) of the delays of consecutive probes: not below 0.9 of what the model
 *            gives (a busy path adds a noise of its own) less 3.5 standard errors, not above it by more than
 *            0.03 and 3.5 of them; and so many probes that 0 would be outside.
 *
 * Consecutive are probes with nothing of their flow between them: no packet train, no end of a window.  What is
 * lost draws no delay, so the probes on both sides of it are consecutive in that.  With netem all packets of a
 * direction share one memory, so other traffic takes part: a correlation that is too small can then not be told.
 * Nor can it where something else shapes what the probes meet (a queue at a rate, a slot, packets kept in order).
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define NOTICED_SHARE 0.85 /* of damage: see judge_loss.c */
#define SIGMAS 3.5
#define GAPS \
	3 /* probes that were sent so many times their usual distance apart are not consecutive */
#define RANK_LEAST 0.9
#define RANK_MORE 0.03
#define RANK_BIN_NS (100 * BO_NSEC_PER_USEC)
/* Deviation of delays below which it is the path that is ranked. */
#define RANK_SPREAD_NS (500 * BO_NSEC_PER_USEC)
#define PAIRS_MIN 100u
#define SEEN_MIN 50

/** struct walk - over probes, from one to the next that counts */
struct walk {
	const struct bo_link_samples *samples;
	size_t train; /* the first that was sent after the last probe */
	size_t last;  /* SIZE_MAX: none */
	double gap_ns;
};

static struct walk walk_of(const struct bo_trial *t)
{
	return (struct walk){ .samples = t->samples,
			      .last = SIZE_MAX,
			      .gap_ns = t->samples->nprobes
						? (double)t->total_ns / (double)t->samples->nprobes
						: 0 };
}

/** walk_on() - to probe @i;  Return: is it the next behind the last one? */
static bool walk_on(struct walk *w, size_t i)
{
	const struct bo_link_sample *probes = w->samples->probes;
	size_t before = w->last, trains = w->train;
	double apart_ns;

	while (w->train < w->samples->ntrains &&
	       w->samples->trains[w->train].sent_ns <= probes[i].sent_ns)
		w->train++;
	w->last = i;
	if (before == SIZE_MAX || w->train != trains)
		return false;
	apart_ns = (double)(probes[i].sent_ns - probes[before].sent_ns);
	return w->gap_ns <= 0 || apart_ns <= GAPS * w->gap_ns * (double)(i - before);
}

/* --- chances ---------------------------------------------------------------------------------- */

/* In the words of the verdict. */
static const char *const were[BO_HIT_COUNT] = {
	[BO_HIT_LOST] = "lost",
	[BO_HIT_TWICE] = "duplicated",
	[BO_HIT_DAMAGED] = "damaged or lost",
	[BO_HIT_AHEAD] = "sent ahead",
};

int64_t bo_trial_ahead_ns(const struct bo_trial *t)
{
	int64_t least = t->im->delay_ns - bo_link_reach(t->im);

	return t->base_ns + (least > 0 ? least / 2 : 0);
}

static bool happened(const struct bo_link_sample *probe, enum bo_hit what, int64_t ahead_ns)
{
	switch (what) {
	case BO_HIT_LOST:
		return probe->delay_ns < 0;
	case BO_HIT_TWICE:
		return probe->arrivals > 1;
	case BO_HIT_DAMAGED:
		return probe->damaged || probe->delay_ns < 0;
	default:
		return probe->delay_ns < ahead_ns;
	}
}

/** struct behind - @n probes that are the next behind one that was hit, @k of them hit as well */
struct behind {
	uint64_t n;
	uint64_t k;
};

static struct behind count_behind(const struct bo_trial *t, enum bo_hit what)
{
	int64_t ahead_ns = bo_trial_ahead_ns(t);
	struct walk walk = walk_of(t);
	struct behind b = { 0 };
	bool before = false;

	for (size_t i = 0; i < t->samples->nprobes; i++) {
		const struct bo_link_sample *probe = &t->samples->probes[i];
		bool hit, next;

		if (what == BO_HIT_AHEAD && probe->delay_ns < 0)
			continue;
		hit = happened(probe, what, ahead_ns);
		next = walk_on(&walk, i);
		b.n += next && before;
		b.k += next && before && hit;
		before = hit;
	}
	return b;
}

/** needed_behind() - to tell @c from a share of @p */
static double needed_behind(double c, double p, double inflation)
{
	double apart = fabs(c - p);
	double errors = SIGMAS * (sqrt(c * (1 - c) * inflation) + sqrt(p * (1 - p)));

	return apart > 0 ? fmax(ceil(errors * errors / (apart * apart)), 2) : INFINITY;
}

void bo_judge_again(struct bo_trial *t, enum bo_hit what)
{
	struct bo_again e = bo_expect_again(t->im, what);
	double low = what == BO_HIT_DAMAGED ? e.again * NOTICED_SHARE : e.again;
	double needed = needed_behind(low, e.share, e.inflation);
	bool shared = strcmp(t->record->driver, "wire") != 0;
	char takes[BO_UNIT_BUF] = "too long";
	struct behind b;
	uint64_t n, k;
	bool few, many;

	if (!t->samples || e.share >= 1)
		return;
	b = count_behind(t, what);
	n = (uint64_t)llrint((double)b.n / e.inflation);
	k = (uint64_t)llrint((double)b.k / e.inflation);
	k = k < n ? k : n;
	few = bo_fault_too_few(k, n, low, t->alike);
	many = bo_fault_too_many(k, n, e.again, t->alike);
	bo_text_add(t->achieved, ", %llu of %llu behind one %s too", (unsigned long long)b.k,
		    (unsigned long long)b.n, were[what]);
	if (e.share > 0 && needed / e.share / BO_PROBES_PER_S < 1e8)
		bo_format_duration((int64_t)(needed / e.share / BO_PROBES_PER_S * 1e9), takes);
	if (many && bo_trial_paced(t) && what != BO_HIT_AHEAD)
		few = true; /* A queue that is full loses one behind the other. */
	else if (e.seen >= SEEN_MIN && (many || (few && !shared && !bo_trial_paced(t)))) {
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: %llu of %llu probes behind one that was %s were %s too, outside the %.6g%% interval of %.3g%%: the correlation is not as asked",
			t->name, (unsigned long long)b.k, (unsigned long long)b.n, were[what],
			were[what], bo_fault_interval(t->alike), e.again * 100);
		return;
	}
	if (few)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %llu of %llu probes behind one that was %s were %s too, expected %.3g%%: %s",
			t->name, (unsigned long long)b.k, (unsigned long long)b.n, were[what],
			were[what], e.again * 100,
			bo_trial_paced(t) ? "a queue hides the correlation"
					  : "other traffic may have had its part");
	else if (e.seen < SEEN_MIN || (double)b.n < needed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %llu probes behind one that was %s do not show a correlation: that takes %.0f, about %s",
			t->name, (unsigned long long)b.n, were[what], needed, takes);
	else
		bo_fault_verdict_ok(t->record);
}

/* --- delays ----------------------------------------------------------------------------------- */

/** pairs_of() - [owned] delays of consecutive probes, in bins */
static int64_t (*pairs_of(const struct bo_trial *t, size_t *ret_n))[2]
{
	int64_t(*pairs)[2] = calloc(t->samples->nprobes + 1, sizeof(*pairs));
	int64_t ahead_ns = t->im->reorder.ppm ? bo_trial_ahead_ns(t) : 0, last = 0;
	struct walk walk = walk_of(t);
	size_t n = 0;
	bool copied = false;

	for (size_t i = 0; pairs && i < t->samples->nprobes; i++) {
		const struct bo_link_sample *probe = &t->samples->probes[i];
		bool next;

		if (probe->delay_ns < ahead_ns)
			continue;
		next = walk_on(&walk, i);
		/* A copy draws a delay of its own, and which of them came first nobody knows. */
		if (next && !copied && probe->arrivals <= 1) {
			pairs[n][0] = last;
			pairs[n++][1] = probe->delay_ns / RANK_BIN_NS;
		}
		last = probe->delay_ns / RANK_BIN_NS;
		copied = probe->arrivals > 1;
	}
	*ret_n = n;
	return pairs;
}

void bo_judge_delay_corr(struct bo_trial *t)
{
	double rho = (double)t->own->delay_corr_ppm / BO_PPM_ALL, sigma, error, found, least,
	       needed;
	double expected = bo_expect_rank_correlation(t->own, RANK_BIN_NS, &sigma);
	double spread_ns = (double)t->own->jitter_ns / sqrt(3) * sqrt((1 - rho) / (1 + rho));
	bool through = !bo_trial_paced(t) && !t->own->in_order && spread_ns >= RANK_SPREAD_NS;
	char takes[BO_UNIT_BUF] = "too long";
	size_t n = 0;
	int64_t(*pairs)[2];

	if (!t->samples)
		return;
	pairs = pairs_of(t, &n);
	found = pairs ? bo_rank_correlation((const int64_t(*)[2])pairs, n) : NAN;
	free(pairs);
	error = SIGMAS * sigma / sqrt(fmax((double)n, 1));
	least = RANK_LEAST * expected - error;
	/* Both what was asked and nothing at all stay on their side of the middle. */
	needed = fmax(ceil(pow(SIGMAS * (sigma + 1) / (RANK_LEAST * expected), 2)), PAIRS_MIN);
	if (needed / BO_PROBES_PER_S < 1e8)
		bo_format_duration((int64_t)(needed / BO_PROBES_PER_S * 1e9), takes);
	bo_text_add(t->achieved, ", rank correlation %.2f of %.2f", found, expected);
	if (n < PAIRS_MIN || isnan(found) || isnan(expected))
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %zu pairs of probes do not show whether delays correlate: that takes %.0f, %s",
			t->name, n, isnan(needed) ? PAIRS_MIN : needed, takes);
	else if (found < least || found > expected + RANK_MORE + error)
		bo_fault_verdict(
			t->record, through ? BO_CONFIRM_OFF : BO_CONFIRM_UNKNOWN,
			"%s: delays correlate by %.2f from one probe to the next, expected %.2f to %.2f%s",
			t->name, found, fmax(least, -1), fmin(expected + RANK_MORE + error, 1),
			through                      ? ""
			: spread_ns < RANK_SPREAD_NS ? ": the path may hide such a small jitter"
			: t->own->in_order           ? ": keeping them in order may hide it"
						     : ": a queue may hide it");
	else if ((double)n < needed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %zu pairs of probes cannot tell a correlation of delays of %.0f%% from none: that takes %.0f, about %s",
			t->name, n, rho * 100, needed, takes);
	else
		bo_fault_verdict_ok(t->record);
}
