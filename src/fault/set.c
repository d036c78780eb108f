/* SPDX-License-Identifier: Apache-2.0 */
/* fault/set.c — all faults of a plan while it runs.
 *
 * Links.  A driver knows only whole impairments, one per direction.  So a direction ("lane") is
 * always given the merge of all faults that are active on it, and each change is logged with the
 * time before and after the call.  Between two changes a lane has one known state: such a stretch
 * is what a fault is measured in.
 *
 * Confirmation.  When a fault ends, its windows are the stretches in which it was in force and the
 * lane did not change in anything that matters to it, all in the state of the longest one; each less
 * a tail: the last probes need the delay and some time to arrive, or they would be counted as lost.
 * Probing starts with bo_fault_set_watch(), so that the path is
 * also known as it was before.
 *
 * Owns: faults and lanes.  Threads: the conductor's main thread.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>

#include "brownout/base/rng.h"
#include "fault-internal.h"

#define PROBE_GRACE_NS (100 * BO_NSEC_PER_MSEC)
/* A probe that is under way at a change still arrives; so late may it be. */
#define CHANGE_GRACE_NS (20 * BO_NSEC_PER_MSEC)
/* How much of the time before the first fault is looked at for the unimpaired path. */
#define BASE_WINDOW_NS (2 * BO_NSEC_PER_SEC)

uint64_t bo_fault_seed(const struct bo_fault *fault)
{
	uint64_t seed = fault->plan->seed;

	for (const char *c = fault->spec->id; c && *c; c++)
		seed = bo_mix64(seed ^ (uint8_t)*c);
	return seed;
}

unsigned bo_fault_alike(const struct bo_plan *plan)
{
	unsigned n = 0;

	for (size_t i = 0; i < plan->faults.len; i++)
		for (int dir = 0; dir < BO_DIR_COUNT; dir++)
			n += plan->faults.items[i].target == BO_TARGET_LINK &&
			     bo_link_covers(plan, &plan->faults.items[i], (enum bo_dir)dir);
	return n;
}

/* --- lanes ------------------------------------------------------------------------------------ */

struct bo_fault_lane *bo_fault_lane_of(struct bo_fault_set *set, int link, enum bo_dir dir)
{
	return &set->lanes[(size_t)link * BO_DIR_COUNT + (size_t)dir];
}

static uint32_t dir_claims(const struct bo_fault *fault, enum bo_dir dir)
{
	uint32_t mask = (1u << BO_CLAIM_DIR_BITS) - 1;
	uint32_t claims = fault->kind->claims ? fault->kind->claims(fault->plan, fault->spec) : 0;

	return claims >> (BO_CLAIM_DIR_BITS * (uint32_t)dir) & mask;
}

static bool fault_uses(const struct bo_fault *fault, int link, enum bo_dir dir)
{
	return fault->kind->target == BO_TARGET_LINK && fault->kind->impair &&
	       fault->spec->index == link && dir_claims(fault, dir);
}

int bo_fault_lane_update(struct bo_fault_set *set, int link, enum bo_dir dir, struct bo_err *err)
{
	struct bo_fault_lane *lane = bo_fault_lane_of(set, link, dir);
	struct bo_fault_change change = { 0 };
	int r;

	for (size_t i = 0; i < set->nfaults; i++) {
		const struct bo_fault *fault = &set->faults[i];

		if (!fault->active || !fault_uses(fault, link, dir))
			continue;
		if (fault->kind->impair_now)
			fault->kind->impair_now(fault, dir, &change.im);
		else
			fault->kind->impair(fault->plan, fault->spec, dir, &change.im);
	}
	/* While a ramp is at 0 there is nobody to be ahead of. */
	if (!change.im.delay_ns)
		change.im.reorder = (struct bo_chance){ 0 };
	if (bo_impair_equal(&change.im, &lane->now))
		return 0;
	/* The log must not fail after the deed. */
	if (!bo_vec_reserve(&lane->changes, lane->changes.len + 1))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_FAULT, "out of memory");
	change.before_ns = set->clock();
	r = set->hands->link_impair(set->hands->self, link, dir, &change.im, err);
	change.after_ns = set->clock();
	if (r < 0)
		return r;
	lane->changes.items[lane->changes.len++] = change;
	lane->now = change.im;
	return 0;
}

int bo_fault_lane_probe(struct bo_fault_set *set, int link, enum bo_dir dir, struct bo_err *err)
{
	struct bo_fault_lane *lane = bo_fault_lane_of(set, link, dir);
	int r;

	if (lane->probing)
		return 0;
	r = set->hands->link_probe(set->hands->self, link, dir, true, err);
	if (r < 0)
		return r;
	lane->probing = true;
	lane->probing_since_ns = set->clock();
	return 0;
}

/** lane_measure_base() - the path as it is before its first impairment; best effort */
static void lane_measure_base(struct bo_fault_set *set, int link, enum bo_dir dir)
{
	struct bo_fault_lane *lane = bo_fault_lane_of(set, link, dir);
	int64_t to_ns = set->clock() - PROBE_GRACE_NS;
	int64_t from_ns = to_ns - BASE_WINDOW_NS;
	struct bo_link_measure m = { 0 };

	if (!lane->probing || lane->changes.len)
		return;
	if (from_ns < lane->probing_since_ns)
		from_ns = lane->probing_since_ns;
	if (from_ns < to_ns &&
	    set->hands->link_measure(set->hands->self, link, dir, from_ns, to_ns, &m, NULL) == 0 &&
	    m.received)
		lane->base_p50_ns = m.delay_p50_ns;
}

bool bo_fault_in_force(const struct bo_impair *own, const struct bo_impair *im)
{
	struct bo_impair both = *im;

	bo_link_merge(own, &both);
	return bo_impair_equal(&both, im);
}

/** relevant() - the parts of a direction's state that matter to what is measured of @own */
static struct bo_impair relevant(const struct bo_impair *own, const struct bo_impair *im)
{
	static const struct {
		uint32_t own;
		uint32_t matters;
	} rules[] = {
		{ BO_CLAIM_DELAY, BO_CLAIM_RATE | BO_CLAIM_REORDER | BO_CLAIM_SLOT },
		{ BO_CLAIM_LOSS, BO_CLAIM_RATE | BO_CLAIM_DUPLICATE | BO_CLAIM_CORRUPT },
		{ BO_CLAIM_RATE, BO_CLAIM_DELAY | BO_CLAIM_REORDER | BO_CLAIM_SLOT },
		{ BO_CLAIM_DUPLICATE, BO_CLAIM_LOSS | BO_CLAIM_CORRUPT },
		{ BO_CLAIM_CORRUPT, BO_CLAIM_LOSS | BO_CLAIM_RATE | BO_CLAIM_DUPLICATE },
		{ BO_CLAIM_REORDER, BO_CLAIM_DELAY | BO_CLAIM_RATE | BO_CLAIM_SLOT },
		{ BO_CLAIM_SLOT, BO_CLAIM_DELAY | BO_CLAIM_RATE },
	};
	uint32_t groups = bo_link_groups(own), keep = groups | BO_CLAIM_BLACKHOLE;
	struct bo_impair kept = { 0 };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (groups & rules[i].own)
			keep |= rules[i].matters;
	bo_link_keep(im, keep, &kept);
	return kept;
}

/** tail_ns() - so long before the end of a window probes are still under way; one that ends with the next change
 * needs no time for stragglers */
static int64_t tail_ns(const struct bo_fault_lane *lane, const struct bo_impair *im, bool last)
{
	int64_t tail = lane->base_p50_ns + (last ? PROBE_GRACE_NS : CHANGE_GRACE_NS);

	if (!im->blackhole)
		tail += im->delay_ns + bo_link_reach(im) + im->slot.max_ns;
	return tail;
}

/** next_window() - the window that begins with change @i; returns the first change that it does not cover */
static size_t next_window(const struct bo_fault_lane *lane, const struct bo_impair *own, size_t i,
			  int64_t now_ns, struct bo_fault_window *ret)
{
	const struct bo_fault_change *first = &lane->changes.items[i];
	struct bo_impair state = relevant(own, &first->im);
	int64_t tail = 0;

	*ret = (struct bo_fault_window){ .from_ns = first->after_ns,
					 .to_ns = now_ns,
					 .im = first->im };
	for (; i < lane->changes.len; i++) {
		const struct bo_fault_change *change = &lane->changes.items[i];
		struct bo_impair other = relevant(own, &change->im);
		bool last = i + 1 == lane->changes.len;
		int64_t needs = tail_ns(lane, &change->im, last);

		if (!bo_impair_equal(&state, &other))
			break;
		tail = needs > tail ? needs : tail;
		ret->to_ns = last ? now_ns : lane->changes.items[i + 1].before_ns;
	}
	ret->to_ns -= tail;
	return i;
}

static void windows_add(struct bo_fault_windows *windows, const struct bo_fault_window *w)
{
	if (windows->len == BO_FAULT_WINDOWS_MAX)
		return;
	windows->at[windows->len++] = *w;
	windows->total_ns += w->to_ns - w->from_ns;
}

void bo_fault_lane_windows(const struct bo_fault_lane *lane, const struct bo_impair *own,
			   int64_t since_ns, int64_t now_ns, struct bo_fault_windows *ret)
{
	struct bo_fault_window best = { .im = *own }, w;
	struct bo_impair state;
	bool best_is_clear = false;

	*ret = (struct bo_fault_windows){ .im = *own };
	for (int round = 0; round < 2; round++) {
		state = relevant(own, &best.im);
		for (size_t i = 0; i < lane->changes.len;) {
			const struct bo_fault_change *change = &lane->changes.items[i];
			struct bo_impair here = relevant(own, &change->im);
			/* Somebody else's jitter pulls packet trains apart: a rate is better
			 * measured without. */
			bool clear = !own->rate_bps || own->jitter_ns || !change->im.jitter_ns;

			if (change->before_ns < since_ns || !bo_fault_in_force(own, &change->im) ||
			    (change->im.blackhole && !own->blackhole)) {
				i++;
				continue;
			}
			i = next_window(lane, own, i, now_ns, &w);
			if (w.to_ns <= w.from_ns)
				continue;
			if (round == 1 && bo_impair_equal(&state, &here))
				windows_add(ret, &w);
			if (round == 1 || clear < best_is_clear)
				continue;
			if (clear > best_is_clear ||
			    w.to_ns - w.from_ns > best.to_ns - best.from_ns)
				best = w;
			best_is_clear = clear;
		}
		ret->im = best.im;
	}
}

/** in_window() - windows ascend, and so does what is asked of them */
static bool in_window(const struct bo_fault_windows *windows, size_t *at, int64_t ns)
{
	while (*at < windows->len && ns >= windows->at[*at].to_ns)
		++*at;
	return *at < windows->len && ns >= windows->at[*at].from_ns;
}

void bo_fault_windows_pick(const struct bo_fault_windows *windows, struct bo_link_samples *samples)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < samples->nprobes; i++)
		if (in_window(windows, &at, samples->probes[i].sent_ns))
			samples->probes[kept++] = samples->probes[i];
	samples->nprobes = kept;
	for (size_t i = kept = at = 0; i < samples->ntrains; i++)
		if (in_window(windows, &at, samples->trains[i].sent_ns))
			samples->trains[kept++] = samples->trains[i];
	samples->ntrains = kept;
}

/* --- the set ---------------------------------------------------------------------------------- */

static int64_t real_clock(void)
{
	return bo_now_ns();
}

int bo_fault_set_init(struct bo_fault_set *set, const struct bo_plan *plan, struct bo_hands *hands,
		      struct bo_fault_record *records, struct bo_err *err)
{
	int r = 0;

	*set = (struct bo_fault_set){
		.plan = plan, .hands = hands, .records = records, .clock = real_clock
	};
	set->faults = calloc(plan->faults.len + 1, sizeof(*set->faults));
	set->lanes = calloc(plan->links.len * BO_DIR_COUNT + 1, sizeof(*set->lanes));
	if (!set->faults || !set->lanes)
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_FAULT, "out of memory");
	for (size_t i = 0; r == 0 && i < plan->faults.len; i++) {
		const struct bo_fault_spec *spec = &plan->faults.items[i];

		records[i] = (struct bo_fault_record){ .applied_ns = INT64_MIN,
						       .reverted_ns = INT64_MIN };
		r = bo_fault_init(&set->faults[i], plan, spec, hands, &records[i], err);
		if (r < 0)
			break;
		set->faults[i].set = set;
		set->nfaults++;
		set->faults[i].kind->describe(plan, spec, records[i].requested,
					      sizeof(records[i].requested));
	}
	if (r < 0)
		bo_fault_set_done(set);
	return r;
}

int bo_fault_set_watch(struct bo_fault_set *set, struct bo_err *err)
{
	for (size_t i = 0; i < set->nfaults; i++) {
		const struct bo_fault *fault = &set->faults[i];

		for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
			int r;

			if (!fault_uses(fault, fault->spec->index, (enum bo_dir)dir))
				continue;
			r = bo_fault_lane_probe(set, fault->spec->index, (enum bo_dir)dir, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int bo_fault_set_apply(struct bo_fault_set *set, size_t i, int64_t now_ns, struct bo_err *err)
{
	struct bo_fault *fault = &set->faults[i];
	struct bo_err why = { 0 };
	int64_t start_ns, end_ns, before_ns;
	int r;

	if (fault->active)
		return 0;
	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		if (fault_uses(fault, fault->spec->index, (enum bo_dir)dir))
			lane_measure_base(set, fault->spec->index, (enum bo_dir)dir);
	bo_plan_fault_window(set->plan, fault->spec, &start_ns, &end_ns);
	before_ns = set->clock();
	fault->applied_mono_ns = before_ns;
	fault->ends_mono_ns = now_ns + (end_ns - start_ns);
	fault->active = true;
	r = fault->kind->apply(fault, &why);
	if (r < 0) {
		fault->active = false;
		(void)fault->kind->revert(fault, NULL);
		bo_fault_verdict(fault->record, BO_CONFIRM_OFF, "could not be applied: %s",
				 why.msg);
		if (err)
			*err = why;
		return r;
	}
	fault->record->apply_cost_ns = set->clock() - before_ns;
	fault->record->applied_ns = before_ns + fault->record->apply_cost_ns - set->t0_ns;
	return 0;
}

int bo_fault_set_tick(struct bo_fault_set *set, int64_t now_ns, struct bo_err *err)
{
	int first = 0;

	for (size_t i = 0; i < set->nfaults; i++) {
		struct bo_fault *fault = &set->faults[i];
		int r;

		if (!fault->active || !fault->kind->tick)
			continue;
		r = fault->kind->tick(fault, now_ns, first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	return first;
}

/** lanes_rest() - stop probing where no fault is active any more and none is still to come */
static void lanes_rest(struct bo_fault_set *set, const struct bo_fault *ended)
{
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_fault_lane *lane;
		bool needed = false;

		if (!fault_uses(ended, ended->spec->index, (enum bo_dir)dir))
			continue;
		lane = bo_fault_lane_of(set, ended->spec->index, (enum bo_dir)dir);
		for (size_t i = 0; i < set->nfaults; i++) {
			const struct bo_fault *fault = &set->faults[i];

			if (fault_uses(fault, ended->spec->index, (enum bo_dir)dir) &&
			    (fault->active || fault->record->reverted_ns == INT64_MIN))
				needed = true;
		}
		if (!needed && lane->probing)
			lane->probing = set->hands->link_probe(set->hands->self, ended->spec->index,
							       (enum bo_dir)dir, false, NULL) < 0;
	}
}

int bo_fault_set_revert(struct bo_fault_set *set, size_t i, struct bo_err *err)
{
	struct bo_fault *fault = &set->faults[i];
	struct bo_fault_record *record = fault->record;
	struct bo_err why = { 0 };
	int64_t before_ns;
	int r;

	if (!fault->active)
		return 0;
	/* Only once: a second try to revert finds what the first one left, not what the fault did. */
	if (record->confirm == BO_CONFIRM_PENDING && fault->kind->confirm(fault, &why) < 0)
		bo_fault_verdict(record, BO_CONFIRM_UNKNOWN, "could not be measured: %s", why.msg);
	if (record->confirm == BO_CONFIRM_PENDING)
		bo_fault_verdict(record, BO_CONFIRM_UNKNOWN, "was not measured");
	before_ns = set->clock();
	fault->active = false;
	r = fault->kind->revert(fault, err);
	if (r < 0) {
		fault->active =
			true; /* still in force as far as anybody knows: a second try must not be a no-op */
		return r;
	}
	record->revert_cost_ns = set->clock() - before_ns;
	record->reverted_ns = before_ns + record->revert_cost_ns - set->t0_ns;
	lanes_rest(set, fault);
	return 0;
}

/** latest_active() - of the active faults whose reverting was not tried yet the one applied last,
 * or NULL */
static struct bo_fault *latest_active(struct bo_fault_set *set)
{
	struct bo_fault *latest = NULL;

	for (size_t i = 0; i < set->nfaults; i++) {
		struct bo_fault *fault = &set->faults[i];

		if (fault->active && !fault->revert_tried &&
		    (!latest || fault->applied_mono_ns >= latest->applied_mono_ns))
			latest = fault;
	}
	return latest;
}

int bo_fault_set_revert_all(struct bo_fault_set *set, struct bo_err *err)
{
	struct bo_fault *fault;
	int first = 0;

	for (size_t i = 0; i < set->nfaults; i++)
		set->faults[i].revert_tried = false;
	while ((fault = latest_active(set))) {
		int r = bo_fault_set_revert(set, (size_t)(fault - set->faults),
					    first < 0 ? NULL : err);

		fault->revert_tried = true;
		first = first < 0 ? first : r;
	}
	for (size_t i = 0; i < set->plan->links.len * BO_DIR_COUNT; i++) {
		struct bo_fault_lane *lane = &set->lanes[i];

		if (lane->probing)
			lane->probing = set->hands->link_probe(set->hands->self,
							       (int)(i / BO_DIR_COUNT),
							       (enum bo_dir)(i % BO_DIR_COUNT),
							       false, NULL) < 0;
	}
	return first;
}

void bo_fault_set_done(struct bo_fault_set *set)
{
	for (size_t i = 0; set->faults && i < set->nfaults; i++)
		bo_fault_done(&set->faults[i]);
	for (size_t i = 0; set->lanes && i < set->plan->links.len * BO_DIR_COUNT; i++)
		bo_vec_done(&set->lanes[i].changes);
	free(set->faults);
	free(set->lanes);
	set->faults = NULL;
	set->lanes = NULL;
	set->nfaults = 0;
}
