/* SPDX-License-Identifier: Apache-2.0 */
/* fault/judge_vary.c — ramps in pieces, and what comes and goes.
 *
 *   ramp   its time, and that after it, is cut into pieces of at least 20 probes, eight at most.  Of each:
 *          delay  the median of (delay of a probe - what the ramp asked for when it was sent) is not
 *                 below 0 by more than a step and 100 ms of the ramp, nor above base path + max(1 ms,
 *                 5 %) by more than that;
 *          loss   the count is inside the 99.9 % interval of the mean of what was asked;
 *          rate   each train against the rate of its moment: the median of these ratios is within 15 %,
 *                 from at least 3 trains, whatever the pieces.
 *   flap   the share of time in force, as the link was told, is that of the schedule within 2 % of the
 *          fault's time and 60 ms per turn; of a blackhole all probes sent while it was there, less the
 *          last moments of each turn, are lost (at least 20), and of those sent and due while it was not no more than another loss explains.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdlib.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define PIECES_MAX 8
#define LAG_NS (100 * BO_NSEC_PER_MSEC)
#define RATE_TOLERANCE 0.15
#define TRAINS_MIN 3u
#define TURN_TOLERANCE_NS (60 * BO_NSEC_PER_MSEC)
#define TIME_TOLERANCE 0.02
#define LATE_SHARE 0.01
#define GRACE_NS (100 * BO_NSEC_PER_MSEC)

static int compare64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* --- ramps ------------------------------------------------------------------------------------ */

/** struct piece - of a ramp: probes [from, to), @since_ns: of the first and the last since it began */
struct piece {
	size_t from;
	size_t to;
	int64_t since_ns[2];
};

static int64_t asked_at(const struct bo_link_vary *vary, int64_t since_ns)
{
	struct bo_impair im = { 0 };

	bo_link_ramp_set(vary, bo_link_ramp_step(vary, since_ns), &im);
	return vary->ramp == BO_RAMP_DELAY  ? im.delay_ns
	       : vary->ramp == BO_RAMP_LOSS ? im.loss.random.ppm
					    : im.rate_bps;
}

/** slack_of() - what a step and a tick that comes late are worth */
static int64_t slack_of(const struct bo_link_vary *vary)
{
	double range = fabs((double)(vary->to - vary->from));

	return (int64_t)(range / (double)(vary->steps - 1) +
			 range * (double)LAG_NS / (double)vary->over_ns);
}

static void judge_delay_piece(struct bo_trial *t, const struct bo_link_vary *vary,
			      const struct piece *piece, int64_t began_ns, int64_t *residuals)
{
	int64_t asked = 0, slack = slack_of(vary), median, tolerance;
	size_t n = 0;
	char found[BO_UNIT_BUF], want[BO_UNIT_BUF], a[BO_UNIT_BUF], b[BO_UNIT_BUF];

	for (size_t i = piece->from; i < piece->to; i++) {
		const struct bo_link_sample *probe = &t->samples->probes[i];
		int64_t at = asked_at(vary, probe->sent_ns - began_ns);

		asked = at > asked ? at : asked;
		if (probe->delay_ns >= 0)
			residuals[n++] = probe->delay_ns - at;
	}
	if (n < BO_PROBES_MIN) {
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %zu probes arrived from %s to %s of the ramp, %u are needed",
			t->name, n, bo_format_duration(piece->since_ns[0], a),
			bo_format_duration(piece->since_ns[1], b), BO_PROBES_MIN);
		return;
	}
	qsort(residuals, n, sizeof(*residuals), compare64);
	median = residuals[n / 2];
	tolerance = bo_trial_tolerance(asked);
	if (median < -slack - t->own->jitter_ns / 2 ||
	    (median > t->base_ns + tolerance + slack + t->own->jitter_ns / 2 && !bo_trial_paced(t)))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: from %s to %s of the ramp delay is %s%s of what was asked, expected within %s",
			t->name, bo_format_duration(piece->since_ns[0], a),
			bo_format_duration(piece->since_ns[1], b),
			bo_format_duration(median < 0 ? -median : median, found),
			median < 0 ? " short" : " beyond",
			bo_format_duration(median < 0 ? slack : t->base_ns + tolerance + slack,
					   want));
	else
		bo_fault_verdict_ok(t->record);
}

static void judge_loss_piece(struct bo_trial *t, const struct bo_link_vary *vary,
			     const struct piece *piece, unsigned alike, int64_t began_ns)
{
	double sum = 0, slack = (double)slack_of(vary) / BO_PPM_ALL, mean, n;
	uint64_t lost = 0;
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];

	n = (double)(piece->to - piece->from);
	for (size_t i = piece->from; i < piece->to; i++) {
		sum += (double)asked_at(vary, t->samples->probes[i].sent_ns - began_ns) /
		       BO_PPM_ALL;
		lost += t->samples->probes[i].delay_ns < 0;
	}
	mean = sum / n;
	if (bo_fault_too_few(lost, (uint64_t)n, fmax(mean - slack, 0), alike) ||
	    (bo_fault_too_many(lost, (uint64_t)n, fmin(mean + slack, 1), alike) &&
	     !bo_trial_paced(t)))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: from %s to %s of the ramp %llu of %.0f probes were lost, outside the %.6g%% interval of %.4g%%",
			t->name, bo_format_duration(piece->since_ns[0], a),
			bo_format_duration(piece->since_ns[1], b), (unsigned long long)lost, n,
			bo_fault_interval(alike), mean * 100);
	else
		bo_fault_verdict_ok(t->record);
}

static void judge_rate_ramp(struct bo_trial *t, const struct bo_link_vary *vary, int64_t began_ns)
{
	double *ratios = calloc(t->samples->ntrains + 1, sizeof(*ratios));
	size_t n = 0;

	for (size_t i = 0; ratios && i < t->samples->ntrains; i++) {
		const struct bo_link_train *train = &t->samples->trains[i];
		int64_t goodput = bo_link_train_goodput(train);
		int64_t middle_ns = (train->first_ns + train->last_ns) / 2;

		if (goodput)
			ratios[n++] = (double)goodput /
				      ((double)asked_at(vary, middle_ns - began_ns) *
				       bo_rate_share(t->own));
	}
	bo_trial_item(t);
	if (n < TRAINS_MIN) {
		bo_text_add(t->achieved, "rate not measured");
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %zu packet trains came through, a ramp needs %u, about %us",
			t->name, n, TRAINS_MIN, TRAINS_MIN + 1);
	} else {
		qsort(ratios, n, sizeof(*ratios), compare_double);
		bo_text_add(t->achieved, "rate %.3g%% of the ramp (%zu trains)",
			    ratios[n / 2] * 100, n);
		if (fabs(ratios[n / 2] - 1) > RATE_TOLERANCE)
			bo_fault_verdict(
				t->record, BO_CONFIRM_OFF,
				"%s: the rate is %.3g%% of the ramp's, expected 100%% within %.0f%%",
				t->name, ratios[n / 2] * 100, RATE_TOLERANCE * 100);
		else
			bo_fault_verdict_ok(t->record);
	}
	free(ratios);
}

static void judge_pieces(struct bo_trial *t, const struct bo_link_vary *vary, int64_t began_ns,
			 size_t n, size_t pieces)
{
	int64_t *residuals = calloc(n, sizeof(*residuals));
	const struct bo_link_sample *probes = t->samples->probes;
	double first = 0, last = 0;
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];

	for (size_t i = 0; residuals && i < pieces; i++) {
		struct piece piece = { .from = n * i / pieces, .to = n * (i + 1) / pieces };

		piece.since_ns[0] = probes[piece.from].sent_ns - began_ns;
		piece.since_ns[1] = probes[piece.to - 1].sent_ns - began_ns;
		if (vary->ramp == BO_RAMP_DELAY)
			judge_delay_piece(t, vary, &piece, began_ns, residuals);
		else
			judge_loss_piece(t, vary, &piece,
					 (t->alike ? t->alike : 1) * (unsigned)pieces, began_ns);
	}
	free(residuals);
	bo_trial_item(t);
	if (vary->ramp == BO_RAMP_LOSS) {
		for (size_t i = 0; i < n / 4; i++) {
			first += probes[i].delay_ns < 0;
			last += probes[n - 1 - i].delay_ns < 0;
		}
		bo_text_add(t->achieved,
			    "loss %.3g%% in the first quarter, %.3g%% in the last (%zu probes)",
			    first / (double)(n / 4) * 100, last / (double)(n / 4) * 100, n);
		return;
	}
	bo_text_add(t->achieved, "delay %s at first, %s at last (%zu probes in %zu pieces)",
		    bo_format_duration(probes[0].delay_ns > 0 ? probes[0].delay_ns : 0, a),
		    bo_format_duration(probes[n - 1].delay_ns > 0 ? probes[n - 1].delay_ns : 0, b),
		    n, pieces);
}

void bo_fault_judge_ramp(struct bo_trial *t, const struct bo_link_vary *vary, int64_t began_ns)
{
	size_t n = t->samples->nprobes, pieces = n / BO_PROBES_MIN;
	/* The last ones may be under way. */
	int64_t most = vary->from > vary->to ? vary->from : vary->to;
	int64_t end_ns, tail_ns = GRACE_NS + t->base_ns + t->own->jitter_ns +
				  (vary->ramp == BO_RAMP_DELAY ? most : t->im->delay_ns);

	if (vary->ramp == BO_RAMP_RATE) {
		judge_rate_ramp(t, vary, began_ns);
		return;
	}
	end_ns = t->total_ns ? began_ns + t->total_ns - tail_ns : INT64_MAX;
	while (n > 0 && t->samples->probes[n - 1].sent_ns >= end_ns)
		n--;
	pieces = n / BO_PROBES_MIN;
	pieces = pieces > PIECES_MAX ? PIECES_MAX : pieces;
	if (!pieces) {
		bo_trial_item(t);
		bo_text_add(t->achieved, "not measured");
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %zu probes of the ramp had time to arrive, %u are needed",
			t->name, n, BO_PROBES_MIN);
		return;
	}
	judge_pieces(t, vary, began_ns, n, pieces);
}

/* --- flaps ------------------------------------------------------------------------------------ */

/** struct duty - of a flap: time in force and number of turns; probes sent while it was and was not */
struct duty {
	int64_t down_ns;
	int64_t turns;
	uint64_t down_sent;
	uint64_t down_lost;
	uint64_t up_sent;
	uint64_t up_lost;
};

/** scheduled() - what it should have been */
static struct duty scheduled(const struct bo_link_vary *vary, uint64_t seed, int64_t lasts_ns)
{
	struct bo_link_state state;
	struct duty d = { 0 };
	int64_t at_ns = 0;

	bo_link_vary_start(vary, seed, &state);
	while (at_ns < lasts_ns) {
		int64_t until = state.turn_at_ns < lasts_ns ? state.turn_at_ns : lasts_ns;

		d.down_ns += state.turns % 2 ? until - at_ns : 0;
		d.turns = state.turns;
		at_ns = until;
		(void)bo_link_vary_tick(vary, seed, at_ns, &state);
	}
	return d;
}

/** add_probes() - those that were sent in [@from_ns, @to_ns) */
static void add_probes(const struct bo_trial *t, size_t *at, int64_t from_ns, int64_t to_ns,
		       uint64_t *sent, uint64_t *lost)
{
	const struct bo_link_samples *s = t->samples;

	while (*at < s->nprobes && s->probes[*at].sent_ns < from_ns)
		++*at;
	for (; *at < s->nprobes && s->probes[*at].sent_ns < to_ns; ++*at) {
		++*sent;
		*lost += s->probes[*at].delay_ns < 0;
	}
}

/** closing_ns() - the last moments of a hole of this length. A probe has its time before it is sent, and meets the
 * link when a busy machine lets it: that of the last moments may meet the next state. */
static int64_t closing_ns(int64_t lasts_ns)
{
	return lasts_ns / 4 < GRACE_NS / 2 ? lasts_ns / 4 : GRACE_NS / 2;
}

/** found_duty() - what the link was told, and what the probes met then */
static struct duty found_duty(const struct bo_trial *t, const struct bo_fault_lane *lane,
			      int64_t began_ns, int64_t now_ns)
{
	struct duty d = { 0 };
	size_t at = 0;
	bool was_down = false;
	int64_t from_ns = began_ns;

	for (size_t i = 0; i <= lane->changes.len; i++) {
		bool end = i == lane->changes.len;
		const struct bo_fault_change *change = end ? NULL : &lane->changes.items[i];
		int64_t to_ns = end ? now_ns : change->before_ns;

		if (!end && change->before_ns < began_ns)
			continue;
		d.down_ns += was_down ? to_ns - from_ns : 0;
		if (was_down)
			add_probes(t, &at, from_ns, to_ns - closing_ns(to_ns - from_ns),
				   &d.down_sent, &d.down_lost);
		else
			/* What is under way when the hole opens may be lost as well. */
			add_probes(t, &at, from_ns,
				   to_ns - lane->now.delay_ns - bo_link_reach(&lane->now) -
					   t->base_ns - (end ? GRACE_NS : GRACE_NS / 10),
				   &d.up_sent, &d.up_lost);
		if (end)
			break;
		d.turns += bo_fault_in_force(t->own, &change->im) != was_down;
		was_down = bo_fault_in_force(t->own, &change->im);
		from_ns = change->after_ns;
	}
	return d;
}

static void judge_hole(struct bo_trial *t, const struct duty *d, double other_loss)
{
	bo_text_add(t->achieved,
		    ", of the probes %llu of %llu lost in it and %llu of %llu out of it",
		    (unsigned long long)d->down_lost, (unsigned long long)d->down_sent,
		    (unsigned long long)d->up_lost, (unsigned long long)d->up_sent);
	if (d->down_sent < BO_PROBES_MIN || d->up_sent < BO_PROBES_MIN)
		bo_fault_verdict(
			t->record, BO_CONFIRM_UNKNOWN,
			"%s: only %llu probes in the hole and %llu out of it, %u of each are needed",
			t->name, (unsigned long long)d->down_sent, (unsigned long long)d->up_sent,
			BO_PROBES_MIN);
	else if (d->down_lost < d->down_sent)
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: %llu of %llu probes came through the blackhole", t->name,
				 (unsigned long long)(d->down_sent - d->down_lost),
				 (unsigned long long)d->down_sent);
	else if (bo_fault_too_many(d->up_lost, d->up_sent, other_loss + LATE_SHARE, t->alike))
		bo_fault_verdict(
			t->record, BO_CONFIRM_OFF,
			"%s: %llu of %llu probes were lost while the link should have been up",
			t->name, (unsigned long long)d->up_lost, (unsigned long long)d->up_sent);
	else
		bo_fault_verdict_ok(t->record);
}

void bo_fault_judge_flap(struct bo_trial *t, const struct bo_link_vary *vary, uint64_t seed,
			 const struct bo_fault_lane *lane, int64_t began_ns, int64_t now_ns)
{
	int64_t lasts_ns = now_ns - began_ns;
	struct duty want = scheduled(vary, seed, lasts_ns),
		    found = found_duty(t, lane, began_ns, now_ns);
	int64_t off_ns = found.down_ns > want.down_ns ? found.down_ns - want.down_ns
						      : want.down_ns - found.down_ns;
	double other_loss = bo_loss_is_none(&lane->now.loss) ? 0
							     : bo_loss_expected(&lane->now.loss);
	char down[BO_UNIT_BUF], asked[BO_UNIT_BUF];

	bo_trial_item(t);
	bo_text_add(t->achieved, "in force %s (%.3g%%) in %lld turns",
		    bo_format_duration(found.down_ns, down),
		    lasts_ns > 0 ? (double)found.down_ns / (double)lasts_ns * 100 : 0,
		    (long long)found.turns);
	if (!want.turns)
		bo_fault_verdict(t->record, BO_CONFIRM_UNKNOWN,
				 "%s: the fault ended before its first turn", t->name);
	else if (!found.turns || (double)off_ns > TIME_TOLERANCE * (double)lasts_ns +
							  (double)(TURN_TOLERANCE_NS * want.turns))
		bo_fault_verdict(t->record, BO_CONFIRM_OFF,
				 "%s: in force for %s in %lld turns, expected %s in %lld", t->name,
				 down, (long long)found.turns,
				 bo_format_duration(want.down_ns, asked), (long long)want.turns);
	else if (!t->own->blackhole)
		bo_fault_verdict_ok(t->record);
	if (t->own->blackhole)
		judge_hole(t, &found, other_loss);
}
