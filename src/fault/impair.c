/* SPDX-License-Identifier: Apache-2.0 */
/* fault/impair.c — faults on links: delay, loss, rate, blackhole, and `impair`, which is several of
 * them at once. They differ only in which options they know.  What they do to a direction is a
 * struct bo_impair; set.c merges the shares of all active faults and hands the whole to the driver,
 * judge.c says whether the probes agree.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/sys/netem.h"
#include "fault-internal.h"

#define DELAY_MAX (3600 * BO_NSEC_PER_SEC)
#define RATE_MIN INT64_C(8000)
#define RATE_MAX INT64_C(100000000000)
#define LIMIT_MAX 1000000

#define ARG_DELAY(is_positional, is_required)                                            \
	{                                                                                \
		.key = "delay", .unit = BO_UNIT_DURATION, .positional = (is_positional), \
		.required = (is_required), .min = BO_NSEC_PER_USEC, .max = DELAY_MAX,    \
		.help = "one-way delay of each direction"                                \
	}
#define ARG_JITTER                                                                     \
	{                                                                              \
		.key = "jitter", .unit = BO_UNIT_DURATION, .min = 0, .max = DELAY_MAX, \
		.help = "uniform, delay ± jitter; at most the delay"                  \
	}
#define ARG_LOSS(is_positional, is_required)                                         \
	{                                                                            \
		.key = "loss", .unit = BO_UNIT_RATIO, .positional = (is_positional), \
		.required = (is_required), .min = 1, .max = BO_PPM_ALL,              \
		.help = "share of packets lost, each on its own"                     \
	}
#define ARG_RATE(is_positional, is_required)                                           \
	{                                                                              \
		.key = "rate", .unit = BO_UNIT_BITRATE, .positional = (is_positional), \
		.required = (is_required), .min = RATE_MIN, .max = RATE_MAX,           \
		.help = "bits per second of IP packets"                                \
	}
#define ARG_LIMIT                                                                  \
	{                                                                          \
		.key = "limit", .unit = BO_UNIT_COUNT, .min = 1, .max = LIMIT_MAX, \
		.help = "packets that may wait or be under way"                    \
	}
#define ARG_BLACKHOLE                                                                     \
	{                                                                                 \
		.key = "blackhole", .unit = BO_UNIT_BOOL, .help = "every packet vanishes" \
	}
#define ARG_TOWARD                                                                                  \
	{                                                                                           \
		.key = "toward", .unit = BO_UNIT_NODE,                                              \
		.help = "only the direction that ends at this node; default: both, each on its own" \
	}

static const struct bo_arg_schema delay_args[] = {
	ARG_DELAY(true, true), ARG_JITTER, ARG_TOWARD, { 0 }
};
static const struct bo_arg_schema loss_args[] = { ARG_LOSS(true, true), ARG_TOWARD, { 0 } };
static const struct bo_arg_schema rate_args[] = {
	ARG_RATE(true, true), ARG_LIMIT, ARG_TOWARD, { 0 }
};
static const struct bo_arg_schema blackhole_args[] = { ARG_TOWARD, { 0 } };
static const struct bo_arg_schema impair_args[] = {
	ARG_DELAY(false, false),
	ARG_JITTER,
	ARG_LOSS(false, false),
	ARG_RATE(false, false),
	ARG_LIMIT,
	ARG_BLACKHOLE,
	ARG_TOWARD,
	{ 0 },
};

static int64_t option(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
		      const char *key)
{
	for (const struct bo_arg_schema *s = kind->args; s->key; s++)
		if (strcmp(s->key, key) == 0)
			return bo_fault_arg_int(spec, kind, key, 0);
	return 0;
}

/** own_impair() - what the fault asks for, whatever the direction */
static struct bo_impair own_impair(const struct bo_fault_spec *spec)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, BO_TARGET_LINK);

	return (struct bo_impair){
		.delay_ns = option(spec, kind, "delay"),
		.jitter_ns = option(spec, kind, "jitter"),
		.loss.random.ppm = option(spec, kind, "loss"),
		.rate_bps = option(spec, kind, "rate"),
		.limit_packets = option(spec, kind, "limit"),
		.blackhole = kind == &bo_fault_kind_blackhole || option(spec, kind, "blackhole"),
	};
}

/** covers() - does the fault concern this direction? */
static bool covers(const struct bo_plan *plan, const struct bo_fault_spec *spec, enum bo_dir dir)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);

	return !toward || bo_plan_node(plan, toward) == (dir == BO_DIR_A_TO_B ? link->b : link->a);
}

static int link_check(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		      struct bo_err *err)
{
	const struct bo_link_spec *link = &plan->links.items[spec->index];
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);
	struct bo_impair im = own_impair(spec);
	char jitter[BO_UNIT_BUF], delay[BO_UNIT_BUF];

	if (im.jitter_ns > im.delay_ns)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: jitter: expected at most the delay (%s), found %s",
				  spec->kind, bo_format_duration(im.delay_ns, delay),
				  bo_format_duration(im.jitter_ns, jitter));
	if (bo_impair_is_none(&im))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: nothing to do: expected at least one of delay, loss, rate, blackhole",
			spec->kind);
	if (toward && bo_plan_node(plan, toward) != link->a &&
	    bo_plan_node(plan, toward) != link->b)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: toward: expected '%s' or '%s', the ends of this link, found '%s'",
			spec->kind, bo_fault_node_name(plan, link->a),
			bo_fault_node_name(plan, link->b), toward);
	return 0;
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
	struct bo_impair im = own_impair(spec);

	(void)plan;
	return bo_netem_cannot(&im);
}

static uint32_t link_claims(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	struct bo_impair im = own_impair(spec);
	uint32_t one = (im.delay_ns ? BO_CLAIM_DELAY : 0) |
		       (!bo_loss_is_none(&im.loss) ? BO_CLAIM_LOSS : 0) |
		       (im.rate_bps || im.limit_packets ? BO_CLAIM_RATE : 0) |
		       (im.blackhole ? BO_CLAIM_BLACKHOLE : 0);
	uint32_t claims = 0;

	for (uint32_t dir = 0; dir < BO_DIR_COUNT; dir++)
		if (covers(plan, spec, (enum bo_dir)dir))
			claims |= one << (dir * BO_CLAIM_DIR_BITS);
	return claims;
}

static void link_impair(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			enum bo_dir dir, struct bo_impair *into)
{
	struct bo_impair own = own_impair(spec);

	if (!covers(plan, spec, dir))
		return;
	/* No two active faults have the same field: bo_fault_check_overlap() saw to that. */
	if (own.delay_ns) {
		into->delay_ns = own.delay_ns;
		into->jitter_ns = own.jitter_ns;
	}
	if (!bo_loss_is_none(&own.loss))
		into->loss = own.loss;
	if (own.rate_bps)
		into->rate_bps = own.rate_bps;
	if (own.limit_packets)
		into->limit_packets = own.limit_packets;
	into->blackhole = into->blackhole || own.blackhole;
}

/** add_part() - one more item of a list with commas */
static void add_part(struct bo_text *text, bool *first)
{
	bo_text_add(text, "%s", *first ? "" : ", ");
	*first = false;
}

static void link_describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			  size_t size)
{
	const char *toward = bo_fault_arg_str(spec, "toward", NULL);
	struct bo_text text = bo_text_of(buf, size);
	struct bo_impair im = own_impair(spec);
	char unit[BO_UNIT_BUF], target[96];
	bool first = true;

	if (im.delay_ns) {
		add_part(&text, &first);
		bo_text_add(&text, "delay %s", bo_format_duration(im.delay_ns, unit));
		if (im.jitter_ns)
			bo_text_add(&text, " ±%s", bo_format_duration(im.jitter_ns, unit));
	}
	if (!bo_loss_is_none(&im.loss)) {
		add_part(&text, &first);
		bo_text_add(&text, "loss %.4g%%", bo_loss_expected(&im.loss) * 100);
	}
	if (im.rate_bps) {
		add_part(&text, &first);
		bo_text_add(&text, "rate %s", bo_format_bitrate(im.rate_bps, unit));
	}
	if (im.limit_packets) {
		add_part(&text, &first);
		bo_text_add(&text, "limit %lld packets", (long long)im.limit_packets);
	}
	if (im.blackhole) {
		add_part(&text, &first);
		bo_text_add(&text, "blackhole");
	}
	bo_fault_target_name(plan, spec, target, sizeof(target));
	bo_text_add(&text, " on %s (%s%s)", target, toward ? "only toward " : "both directions",
		    toward ? toward : "");
}

static int link_apply(struct bo_fault *fault, struct bo_err *err)
{
	int r = 0;

	if (!fault->set)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: a fault on a link runs in a set", fault->spec->kind);
	snprintf(fault->record->driver, sizeof(fault->record->driver), "%s",
		 fault->hands->link_driver);
	for (int dir = 0; dir < BO_DIR_COUNT && r == 0; dir++) {
		if (!covers(fault->plan, fault->spec, (enum bo_dir)dir))
			continue;
		r = bo_fault_lane_probe(fault->set, fault->spec->index, (enum bo_dir)dir, err);
		if (r == 0)
			r = bo_fault_lane_update(fault->set, fault->spec->index, (enum bo_dir)dir,
						 err);
	}
	return r;
}

static int link_confirm_dir(struct bo_fault *fault, enum bo_dir dir, struct bo_text *achieved,
			    struct bo_err *err)
{
	const struct bo_link_spec *link = &fault->plan->links.items[fault->spec->index];
	const struct bo_fault_lane *lane = bo_fault_lane_of(fault->set, fault->spec->index, dir);
	struct bo_impair own = own_impair(fault->spec);
	struct bo_fault_window window = bo_fault_lane_window(lane, &own, fault->applied_mono_ns,
							     fault->set->clock());
	struct bo_link_measure m = { 0 };
	char name[96];
	int r = 0;

	snprintf(name, sizeof(name), "%s → %s",
		 bo_fault_node_name(fault->plan, dir ? link->b : link->a),
		 bo_fault_node_name(fault->plan, dir ? link->a : link->b));
	if (window.from_ns < window.to_ns)
		r = fault->hands->link_measure(fault->hands->self, fault->spec->index, dir,
					       window.from_ns, window.to_ns, &m, err);
	if (r < 0)
		return r;
	bo_fault_judge(fault->record, achieved, name, &own, &window, &m, lane->base_p50_ns);
	return 0;
}

static int link_confirm(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_text achieved = bo_text_of(fault->record->achieved,
					     sizeof(fault->record->achieved));
	int r = 0;

	for (int dir = 0; dir < BO_DIR_COUNT && r == 0; dir++)
		if (covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = link_confirm_dir(fault, (enum bo_dir)dir, &achieved, err);
	return r;
}

static int link_revert(struct bo_fault *fault, struct bo_err *err)
{
	int first = 0;

	for (int dir = 0; fault->set && dir < BO_DIR_COUNT; dir++) {
		int r = 0;

		/* The fault is no longer active, so the merge is what the others ask for. */
		if (covers(fault->plan, fault->spec, (enum bo_dir)dir))
			r = bo_fault_lane_update(fault->set, fault->spec->index, (enum bo_dir)dir,
						 first ? NULL : err);
		first = first < 0 ? first : r;
	}
	return first;
}

#define LINK_KIND(kind_name, kind_help, kind_args)               \
	const struct bo_fault_kind bo_fault_kind_##kind_name = { \
		.name = #kind_name,                              \
		.help = (kind_help),                             \
		.target = BO_TARGET_LINK,                        \
		.args = (kind_args),                             \
		.check = link_check,                             \
		.supported = link_supported,                     \
		.apply = link_apply,                             \
		.confirm = link_confirm,                         \
		.revert = link_revert,                           \
		.describe = link_describe,                       \
		.claims = link_claims,                           \
		.wire_only = link_wire_only,                     \
		.impair = link_impair,                           \
	}

LINK_KIND(delay, "every packet arrives later", delay_args);
LINK_KIND(loss, "packets are lost at random", loss_args);
LINK_KIND(rate, "the link is slow: so many bits per second", rate_args);
LINK_KIND(blackhole, "every packet vanishes without a word", blackhole_args);
LINK_KIND(impair, "several of delay, jitter, loss, rate, limit and blackhole at once", impair_args);
