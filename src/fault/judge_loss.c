/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge_loss.c — losses, duplicates and damage: counts of probes against what to expect.
 *
 *   loss       lost probes are inside the 99.9 % interval of the binomial distribution around the
 *              expected share (99.9 % for all of a run together: expect.c), and there were enough probes to tell such
 *              a loss from none.  A
 *              correlation or a chain makes the count vary more: then as if there were so many times
 *              fewer probes (expect.c).  A duplicate whose original is lost arrives (netem).
 *   bursts     of gemodel and state: the mean length of runs of lost probes is within 3.3 standard
 *              errors, from at least 10 runs.  netem has one chain for all packets of a direction,
 *              so other traffic takes part in a burst and the probes see a shorter one: that cannot
 *              be told.  The wire has one for each flow.
 *   duplicate  probes that arrived twice, likewise; a loss takes some of the copies.
 *   corrupt    probes that arrived with a bit flipped, likewise, where any bit of the frame may be
 *              the one: what hits a header loses the probe.  Damaged and lost ones together must be
 *              as many as corruption and loss ask for.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define RUNS_MIN 10u
#define SIGMAS 3.3
/* Of a probe's frame, 90 bytes with an Ethernet header, 48 are payload; header bits that nobody looks at (a
 * source address of Ethernet) are a tenth. */
#define PAYLOAD_SHARE 0.45
#define NOTICED_SHARE 0.85

/** struct count - so many of so many, and what was asked for: between both shares */
struct count {
	const char *what; /* "were lost" */
	uint64_t k;
	uint64_t n;
	double low;
	double high;
	double inflation;
	bool from_below; /* more is no fault of the fault */
};

static void judge_count(struct bo_trial *t, const struct count *c)
{
	uint64_t k = (uint64_t)llrint((double)c->k / c->inflation);
	uint64_t n = (uint64_t)llrint((double)c->n / c->inflation);
	double needed = bo_fault_needed(c->low) * c->inflation;
	bool none = c->k == 0 && (double)c->n >= needed;
	char takes[BO_UNIT_BUF], share[64];

	k = k < n ? k : n;
	snprintf(share, sizeof(share), c->low < c->high ? "%.4g%% to %.4g%%" : "%.4g%%",
		 c->low * 100, c->high * 100);
	if (none || bo_fault_too_few(k, n, c->low, t->alike) ||
	    (bo_fault_too_many(k, n, c->high, t->alike) && !c->from_below))
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %llu of %llu probes %s, outside the %.6g%% interval of %s",
				 t->name, (unsigned long long)c->k, (unsigned long long)c->n,
				 c->what, bo_fault_interval(t->alike), share);
	else if ((double)c->n < needed)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: %llu probes cannot tell a %s of %.4g%% from none: that takes %.0f, about %s",
			t->name, (unsigned long long)c->n,
			strcmp(c->what, "were lost") == 0 ? "loss" : "share", c->low * 100, needed,
			bo_format_duration((int64_t)(needed / BO_PROBES_PER_S * 1e9), takes));
	else
		bo_fault_verdict_ok(t->record);
}

static double chance_share(const struct bo_chance *chance)
{
	return chance->ppm ? bo_expect_chance(chance).share : 0;
}

static double loss_share(const struct bo_impair *im)
{
	return bo_loss_is_none(&im->loss) ? 0 : bo_expect_loss(&im->loss).share;
}

static void judge_runs(struct bo_trial *t, const struct bo_expect *e, uint64_t lost)
{
	double runs = (double)t->m->loss_runs, mean = runs > 0 ? (double)lost / runs : 0;
	double error = SIGMAS * e->run_sigma / sqrt(fmax(runs, 1)) + 0.02 * e->run;
	bool shared = strcmp(t->record->driver, "wire") != 0;
	double takes_s = e->share > 0 ? RUNS_MIN * e->run / e->share / BO_PROBES_PER_S : 0;
	char takes[BO_UNIT_BUF];

	bo_text_add(t->achieved, " in runs of %.2f", mean);
	if (e->share >= 1 || e->share <= 0)
		return;
	if (t->m->loss_runs < RUNS_MIN)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %llu runs of lost probes, their length needs %u, about %s",
			t->name, (unsigned long long)t->m->loss_runs, RUNS_MIN,
			bo_format_duration((int64_t)(takes_s * 1e9), takes));
	else if (mean > e->run + error || (mean < e->run - error && !shared))
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: lost probes come in runs of %.2f, expected %.2f ± %.2f",
				 t->name, mean, e->run, error);
	else if (mean < e->run - error)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: lost probes come in runs of %.2f, expected %.2f ± %.2f: other traffic may have had its part of them",
			t->name, mean, e->run, error);
}

void bo_judge_loss(struct bo_trial *t)
{
	struct bo_expect e = bo_expect_loss(&t->own->loss);
	double once = e.share * (1 - chance_share(&t->im->duplicate));
	double damage = chance_share(&t->im->corrupt);
	uint64_t lost = t->m->sent - t->m->received;
	struct count count = {
		.what = "were lost",
		.k = lost,
		.n = t->m->sent,
		.low = once,
		.high = once + (1 - once) * damage,
		.inflation = e.inflation,
		.from_below = bo_trial_paced(t),
	};

	bo_trial_item(t);
	bo_text_add(t->achieved, "loss %.3g%% (%llu of %llu probes)",
		    (double)lost / (double)t->m->sent * 100, (unsigned long long)lost,
		    (unsigned long long)t->m->sent);
	if (t->own->loss.model != BO_LOSS_RANDOM && !bo_trial_paced(t))
		judge_runs(t, &e, lost);
	judge_count(t, &count);
	if (t->own->loss.model == BO_LOSS_RANDOM && t->own->loss.random.corr_ppm)
		bo_judge_again(t, BO_HIT_LOST);
}

void bo_judge_duplicate(struct bo_trial *t)
{
	struct bo_expect e = bo_expect_chance(&t->own->duplicate);
	double kept = (1 - loss_share(t->im)) * (1 - chance_share(&t->im->corrupt));
	struct count count = {
		.what = "arrived twice",
		.k = t->m->duplicated,
		.n = t->m->sent,
		.low = e.share * kept * kept,
		.high = e.share,
		.inflation = e.inflation,
	};

	/* A full queue drops copies as it drops the rest. */
	if (bo_trial_paced(t))
		count.n = t->m->received ? t->m->received : 1;
	bo_trial_item(t);
	bo_text_add(t->achieved, "duplicate %.3g%% (%llu of %llu probes)",
		    (double)count.k / (double)count.n * 100, (unsigned long long)count.k,
		    (unsigned long long)count.n);
	judge_count(t, &count);
	if (t->own->duplicate.corr_ppm)
		bo_judge_again(t, BO_HIT_TWICE);
}

void bo_judge_corrupt(struct bo_trial *t)
{
	struct bo_expect e = bo_expect_chance(&t->own->corrupt);
	double loss = loss_share(t->im), copies = 1 + chance_share(&t->im->duplicate);
	struct count damaged = {
		.what = "arrived damaged",
		.k = t->m->damaged,
		.n = t->m->sent,
		.low = e.share * PAYLOAD_SHARE * (1 - loss),
		.high = fmin(e.share * copies, 1),
		.inflation = e.inflation,
	};
	struct count missing = {
		.what = "were damaged or lost",
		.k = t->m->damaged + t->m->sent - t->m->received,
		.n = t->m->sent,
		.low = 1 - (1 - loss * (2 - copies)) * (1 - e.share * NOTICED_SHARE),
		.high = fmin(loss + e.share * copies, 1),
		.inflation = e.inflation,
		.from_below = bo_trial_paced(t),
	};

	bo_trial_item(t);
	bo_text_add(t->achieved, "corrupt: %llu damaged and %llu lost of %llu probes",
		    (unsigned long long)damaged.k, (unsigned long long)(missing.k - damaged.k),
		    (unsigned long long)damaged.n);
	judge_count(t, &damaged);
	/* Of a duplicate the damaged and the lost copy may be two. */
	if (copies <= 1)
		judge_count(t, &missing);
	if (t->own->corrupt.corr_ppm)
		bo_judge_again(t, BO_HIT_DAMAGED);
}
