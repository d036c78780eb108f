/* SPDX-License-Identifier: Apache-2.0 */
/* fault/impair.c — faults on links.  They differ only in which options they know (link_args.c).
 * What they do to a direction is a struct bo_impair; set.c merges the shares of all active faults and
 * hands the whole to the driver, judge.c says whether the probes agree.  Those that move (link_vary.c)
 * change their share in ticks.
 * Owns: the state of those that move.  Threads: the conductor's main thread.  Privilege: none. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/sys/netem.h"
#include "fault-internal.h"

/** brings_delay() - does @spec delay this direction for all of [@start_ns, @end_ns)? */
static bool brings_delay(const struct bo_plan *plan, const struct bo_fault_spec *spec, int link,
			 enum bo_dir dir, int64_t start_ns, int64_t end_ns)
{
	int64_t from_ns, to_ns;

	if (spec->target != BO_TARGET_LINK || spec->index != link ||
	    !bo_fault_kind_find(spec->kind, BO_TARGET_LINK) || !bo_link_covers(plan, spec, dir))
		return false;
	bo_plan_fault_window(plan, spec, &from_ns, &to_ns);
	return from_ns <= start_ns && to_ns >= end_ns && !bo_link_given(spec, "every") &&
	       bo_link_asked(plan, spec, dir).delay_ns > 0;
}

/** check_reorder() - a packet can only be ahead of others that are delayed */
static int check_reorder(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			 enum bo_dir dir, struct bo_err *err)
{
	struct bo_impair im = bo_link_asked(plan, spec, dir);
	int64_t start_ns, end_ns;

	if (!im.reorder.ppm || im.delay_ns || !bo_link_covers(plan, spec, dir))
		return 0;
	bo_plan_fault_window(plan, spec, &start_ns, &end_ns);
	bo_vec_foreach(other, &plan->faults)
		if (brings_delay(plan, other, spec->index, dir, start_ns, end_ns))
			return 0;
	return bo_err_set(
		err, EINVAL, BO_SUBSYS_FAULT,
		"%s: reorder: needs packets that are delayed, to be ahead of: give delay = \"10ms\"",
		spec->kind);
}

static int check_end(const struct bo_plan *plan, const struct bo_fault_spec *spec, const char *key,
		     struct bo_err *err)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *node = bo_fault_arg_str(spec, key, NULL);

	if (!node || bo_plan_node(plan, node) == link->a || bo_plan_node(plan, node) == link->b)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
			  "%s: %s: expected '%s' or '%s', the ends of this link, found '%s'",
			  spec->kind, key, bo_fault_node_name(plan, link->a),
			  bo_fault_node_name(plan, link->b), node);
}

static int check_profile(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			 struct bo_err *err)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const struct bo_profile *profile = bo_profile_of(spec);

	if (!profile || bo_profile_is_symmetric(profile) || link->a == BO_NODE_CLIENT ||
	    bo_link_given(spec, "access"))
		return 0;
	return bo_err_set(
		err, EINVAL, BO_SUBSYS_FAULT,
		"profile: \"%s\" differs between the directions: say which end has it, access = \"%s\" or \"%s\"",
		profile->name, bo_fault_node_name(plan, link->a),
		bo_fault_node_name(plan, link->b));
}

/** does_nothing() - in every direction that it covers, whatever the time */
static bool does_nothing(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	struct bo_link_vary vary = bo_link_vary_of(spec);

	if (vary.ramp)
		return false;
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = bo_link_asked(plan, spec, (enum bo_dir)dir);

		if (bo_link_covers(plan, spec, (enum bo_dir)dir) && !bo_impair_is_none(&im))
			return false;
	}
	return true;
}

/** check_main() - what a fault is named after, or something that stands for it */
static int check_main(const struct bo_fault_spec *spec, struct bo_err *err)
{
	static const struct {
		const char *kind;
		const char *instead;
		const char *expected;
	} mains[] = {
		{ "delay", "samples", "a duration such as \"250ms\"" },
		{ "loss", "model", "a ratio such as \"2%\"" },
		{ "rate", "rate", "a bit rate such as \"10Mbit/s\"" },
	};
	static const char *const ramp[] = { "from", "to", "over", "steps" };
	bool there = false;

	for (size_t i = 0; i < sizeof(ramp) / sizeof(ramp[0]); i++)
		there = there || bo_link_given(spec, ramp[i]);
	for (size_t i = 0; i < sizeof(mains) / sizeof(mains[0]) && !there; i++)
		if (strcmp(mains[i].kind, spec->kind) == 0 && !bo_link_given(spec, spec->kind) &&
		    !bo_link_given(spec, mains[i].instead))
			return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
					  "%s: '%s' is missing: expected %s", spec->kind,
					  spec->kind, mains[i].expected);
	return 0;
}

static int link_check(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		      struct bo_err *err)
{
	int r = check_end(plan, spec, "toward", err);

	if (r == 0)
		r = check_end(plan, spec, "access", err);
	if (r == 0)
		r = check_main(spec, err);
	if (r == 0)
		r = bo_link_check_vary(plan, spec, err);
	if (r == 0)
		r = bo_link_check_args(plan, spec, err);
	for (int dir = 0; r == 0 && dir < BO_DIR_COUNT; dir++)
		r = check_reorder(plan, spec, (enum bo_dir)dir, err);
	if (r == 0)
		r = check_profile(plan, spec, err);
	if (r == 0 && does_nothing(plan, spec))
		r = bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: nothing to do: expected at least one of %s", spec->kind,
			strcmp(spec->kind, "impair") == 0
				? "delay, loss, duplicate, corrupt, reorder, rate, trace, slot_min, blackhole"
			: strcmp(spec->kind, "slot") == 0 ? "min, max"
							  : spec->kind);
	return r;
}

static bool link_lint(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		      size_t size)
{
	char delay[BO_UNIT_BUF], lasts[BO_UNIT_BUF];
	int64_t start_ns, end_ns, most_ns = 0;
	struct bo_link_vary vary = bo_link_vary_of(spec);

	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = bo_link_asked(plan, spec, (enum bo_dir)dir);

		if (bo_link_covers(plan, spec, (enum bo_dir)dir) && im.delay_ns > most_ns)
			most_ns = im.delay_ns;
	}
	if (vary.ramp == BO_RAMP_DELAY && vary.from > most_ns)
		most_ns = vary.from;
	bo_plan_fault_window(plan, spec, &start_ns, &end_ns);
	if (most_ns < end_ns - start_ns)
		return false;
	snprintf(
		buf, size,
		"%s: a delay of %s in a fault of %s: nothing that is sent in it arrives before its end, so it cannot be confirmed",
		spec->kind, bo_format_duration(most_ns, delay),
		bo_format_duration(end_ns - start_ns, lasts));
	return true;
}

static int link_supported(const struct bo_machine *machine, const struct bo_plan *plan,
			  const struct bo_fault_spec *spec, struct bo_err *err)
{
	if (plan->driver != BO_DRIVER_WIRE && machine->netem)
		return 0;
	if (plan->driver != BO_DRIVER_NETEM && machine->tun)
		return 0;
	if (plan->driver == BO_DRIVER_NETEM)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT, "%s needs netem: %s", spec->kind,
				  machine->why_not_netem);
	if (plan->driver == BO_DRIVER_WIRE)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT, "%s needs TUN: %s", spec->kind,
				  machine->why_not_tun);
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT, "%s needs netem (%s) or TUN (%s)",
			  spec->kind, machine->why_not_netem, machine->why_not_tun);
}

static const char *link_wire_only(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	struct bo_impair im = bo_link_asked(plan, spec, BO_DIR_A_TO_B);

	return bo_netem_cannot(&im);
}

static uint32_t link_claims(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	struct bo_link_vary vary = bo_link_vary_of(spec);
	uint32_t claims = 0;

	for (uint32_t dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = bo_link_asked(plan, spec, (enum bo_dir)dir);
		uint32_t groups = bo_link_groups(&im);

		/* A ramp that ends at 0. */
		groups |= vary.ramp == BO_RAMP_DELAY ? BO_CLAIM_DELAY : 0;
		groups |= vary.ramp == BO_RAMP_LOSS ? BO_CLAIM_LOSS : 0;
		if (bo_link_covers(plan, spec, (enum bo_dir)dir))
			claims |= groups << (dir * BO_CLAIM_DIR_BITS);
	}
	return claims;
}

static void link_impair(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			enum bo_dir dir, struct bo_impair *into)
{
	struct bo_impair own = bo_link_asked(plan, spec, dir);

	if (bo_link_covers(plan, spec, dir))
		bo_link_merge(&own, into);
}

static void link_impair_now(const struct bo_fault *fault, enum bo_dir dir, struct bo_impair *into)
{
	struct bo_link_vary vary = bo_link_vary_of(fault->spec);
	struct bo_impair own = bo_link_asked(fault->plan, fault->spec, dir);

	if (bo_link_covers(fault->plan, fault->spec, dir) &&
	    bo_link_vary_now(&vary, fault->state, &own))
		bo_link_merge(&own, into);
}

static void link_describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			  size_t size)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);
	struct bo_link_vary vary = bo_link_vary_of(spec);
	const struct bo_profile *profile = bo_profile_of(spec);
	struct bo_text text = bo_text_of(buf, size);
	bool split = profile && !toward && !bo_profile_is_symmetric(profile);
	char target[96];

	if (profile)
		bo_text_add(&text, "profile %s: ", profile->name);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = bo_link_asked(plan, spec, (enum bo_dir)dir);

		if (!bo_link_covers(plan, spec, (enum bo_dir)dir))
			continue;
		if (vary.ramp)
			bo_link_vary_hide(&vary, &im);
		bo_link_text(&text, &im);
		if (!split)
			break;
		bo_text_add(&text, " toward %s%s",
			    bo_fault_node_name(plan, dir == BO_DIR_A_TO_B ? link->b : link->a),
			    dir == 0 ? "; " : "");
	}
	bo_link_vary_text(&text, &vary);
	bo_fault_target_name(plan, spec, target, sizeof(target));
	bo_text_add(&text, " on %s (%s%s)", target, toward ? "only toward " : "both directions",
		    toward ? toward : "");
}

/** link_update() - both directions as they are to be now */
static int link_update(struct bo_fault *fault, struct bo_err *err)
{
	int r = 0;

	for (int dir = 0; dir < BO_DIR_COUNT && r == 0; dir++)
		if (bo_link_covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = bo_fault_lane_update(fault->set, fault->spec->index, (enum bo_dir)dir,
						 err);
	return r;
}

static int link_tick(struct bo_fault *fault, int64_t now_ns, struct bo_err *err)
{
	struct bo_link_vary vary = bo_link_vary_of(fault->spec);

	if (!bo_link_vary_tick(&vary, bo_fault_seed(fault), now_ns - fault->applied_mono_ns,
			       fault->state))
		return 0;
	return link_update(fault, err);
}

static int link_apply(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_link_vary vary = bo_link_vary_of(fault->spec);
	int r = 0;

	if (!fault->set)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: a fault on a link runs in a set", fault->spec->kind);
	snprintf(fault->record->driver, sizeof(fault->record->driver), "%s",
		 fault->hands->link_driver);
	bo_link_vary_start(&vary, bo_fault_seed(fault), fault->state);
	for (int dir = 0; dir < BO_DIR_COUNT && r == 0; dir++)
		if (bo_link_covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = bo_fault_lane_probe(fault->set, fault->spec->index, (enum bo_dir)dir,
						err);
	return r < 0 ? r : link_update(fault, err);
}

/** link_judge() - of one direction, with what was sent since the fault began */
static int link_judge(struct bo_fault *fault, enum bo_dir dir, struct bo_trial *t,
		      struct bo_link_samples *samples, int64_t now_ns, struct bo_err *err)
{
	const struct bo_fault_lane *lane = bo_fault_lane_of(fault->set, fault->spec->index, dir);
	struct bo_link_vary vary = bo_link_vary_of(fault->spec);
	struct bo_fault_windows *windows = calloc(1, sizeof(*windows));
	struct bo_link_measure m = { 0 };

	if (!windows)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_FAULT, "out of memory");
	t->base_ns = lane->base_p50_ns;
	t->samples = samples;
	if (vary.ramp) {
		t->im = &lane->now;
		t->total_ns = now_ns - fault->applied_mono_ns;
		bo_fault_judge_ramp(t, &vary, fault->applied_mono_ns);
		free(windows);
		return 0;
	}
	if (vary.every_ns)
		bo_fault_judge_flap(t, &vary, bo_fault_seed(fault), lane, fault->applied_mono_ns,
				    now_ns);
	bo_fault_lane_windows(lane, t->own, fault->applied_mono_ns, now_ns, windows);
	bo_fault_windows_pick(windows, samples);
	t->im = &windows->im;
	t->total_ns = windows->total_ns;
	t->trace_ns = windows->len ? windows->at[0].from_ns : 0;
	t->m = &m;
	if (bo_link_summarise(samples, &m) < 0) {
		free(windows);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_FAULT, "out of memory");
	}
	/* A blackhole that comes and goes is judged as a whole. */
	if (!vary.every_ns || !t->own->blackhole)
		bo_fault_judge(t);
	free(windows);
	return 0;
}

static int link_confirm_dir(struct bo_fault *fault, enum bo_dir dir, struct bo_text *achieved,
			    struct bo_err *err)
{
	const struct bo_link_spec *link = &fault->plan->links.items[fault->spec->index];
	struct bo_impair own = bo_link_asked(fault->plan, fault->spec, dir);
	struct bo_link_samples samples = { 0 };
	int64_t now_ns = fault->set->clock();
	char name[96];
	struct bo_trial t = { .record = fault->record,
			      .achieved = achieved,
			      .name = name,
			      .own = &own,
			      .alike = bo_fault_alike(fault->plan),
			      .first = true };
	int r = fault->hands->link_samples(fault->hands->self, fault->spec->index, dir,
					   fault->applied_mono_ns, now_ns, &samples, err);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s → %s",
		 bo_fault_node_name(fault->plan, dir ? link->b : link->a),
		 bo_fault_node_name(fault->plan, dir ? link->a : link->b));
	bo_text_add(achieved, "%s%s:", achieved->len ? "; " : "", name);
	r = link_judge(fault, dir, &t, &samples, now_ns, err);
	bo_link_samples_done(&samples);
	return r;
}

static int link_confirm(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_text achieved = bo_text_of(fault->record->achieved,
					     sizeof(fault->record->achieved));
	int r = 0;

	for (int dir = 0; dir < BO_DIR_COUNT && r == 0; dir++)
		if (bo_link_covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = link_confirm_dir(fault, (enum bo_dir)dir, &achieved, err);
	return r;
}

static int link_revert(struct bo_fault *fault, struct bo_err *err)
{
	int first = 0;

	for (int dir = 0; fault->set && dir < BO_DIR_COUNT; dir++) {
		int r = 0;

		/* The fault is no longer active, so the merge is what the others ask for. */
		if (bo_link_covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = bo_fault_lane_update(fault->set, fault->spec->index, (enum bo_dir)dir,
						 first ? NULL : err);
		first = first < 0 ? first : r;
	}
	return first;
}

#define LINK_KIND(kind_name, kind_help)                          \
	const struct bo_fault_kind bo_fault_kind_##kind_name = { \
		.name = #kind_name,                              \
		.help = (kind_help),                             \
		.target = BO_TARGET_LINK,                        \
		.args = bo_link_args_##kind_name,                \
		.state_size = sizeof(struct bo_link_state),      \
		.check = link_check,                             \
		.supported = link_supported,                     \
		.apply = link_apply,                             \
		.tick = link_tick,                               \
		.confirm = link_confirm,                         \
		.revert = link_revert,                           \
		.describe = link_describe,                       \
		.claims = link_claims,                           \
		.wire_only = link_wire_only,                     \
		.impair = link_impair,                           \
		.impair_now = link_impair_now,                   \
		.lint = link_lint,                               \
	}

LINK_KIND(delay, "every packet arrives later");
LINK_KIND(loss, "packets are lost, each on its own or in bursts");
LINK_KIND(duplicate, "packets arrive twice");
LINK_KIND(corrupt, "packets arrive with one bit flipped");
LINK_KIND(reorder, "packets overtake those that are delayed");
LINK_KIND(rate, "the link is slow: so many bits per second");
LINK_KIND(trace, "the link's rate follows a recorded trace");
LINK_KIND(slot, "packets are held and let go in bursts");
LINK_KIND(blackhole, "every packet vanishes without a word");
LINK_KIND(flap, "a blackhole that comes and goes");
LINK_KIND(impair, "several of the others at once");
LINK_KIND(profile, "a kind of access line or path by its name");
