/* SPDX-License-Identifier: Apache-2.0 */
/* fault/registry.c — the list of all faults, and what can be said about a declared one without a
 * machine.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "fault-internal.h"

static const struct bo_fault_kind *const kinds[] = {
	&bo_fault_kind_delay,   &bo_fault_kind_loss,       &bo_fault_kind_duplicate,
	&bo_fault_kind_corrupt, &bo_fault_kind_reorder,    &bo_fault_kind_rate,
	&bo_fault_kind_trace,   &bo_fault_kind_slot,       &bo_fault_kind_blackhole,
	&bo_fault_kind_flap,    &bo_fault_kind_profile,    &bo_fault_kind_impair,
	&bo_fault_kind_drop,    &bo_fault_kind_syn_drop,   &bo_fault_kind_refuse,
	&bo_fault_kind_reset,   &bo_fault_kind_half_open,  &bo_fault_kind_stall,
	&bo_fault_kind_drip,    &bo_fault_kind_data_limit, &bo_fault_kind_kill,
	&bo_fault_kind_term,    &bo_fault_kind_restart,    &bo_fault_kind_pause,
	&bo_fault_kind_memory,  &bo_fault_kind_dns,        NULL,
};

const struct bo_fault_kind *const *bo_fault_kinds(void)
{
	return kinds;
}

const struct bo_fault_kind *bo_fault_kind_find(const char *name, enum bo_target target)
{
	for (size_t i = 0; kinds[i]; i++)
		if (kinds[i]->target == target && strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

static const char *target_phrase(enum bo_target target)
{
	return target == BO_TARGET_LINK ? "on a link" : "on a node";
}

static int unknown_kind(const struct bo_fault_spec *spec, struct bo_err *err)
{
	const char *names[sizeof(kinds) / sizeof(kinds[0])];
	enum bo_target other = spec->target == BO_TARGET_LINK ? BO_TARGET_NODE : BO_TARGET_LINK;
	const char *here = bo_fault_foreign_kind(spec->kind, spec->target);
	char hint[80], known[220] = "";
	struct bo_text list = bo_text_of(known, sizeof(known));
	size_t n = 0;

	if (bo_fault_kind_find(spec->kind, other))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "fault '%s' goes %s, not %s",
				  spec->kind, target_phrase(other), target_phrase(spec->target));
	for (size_t i = 0; kinds[i]; i++)
		if (kinds[i]->target == spec->target)
			names[n++] = kinds[i]->name;
	names[n] = NULL;
	if (here)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "unknown fault '%s' %s; here that is %s", spec->kind,
				  target_phrase(spec->target), here);
	if (!bo_nearest_hint(spec->kind, names, hint, sizeof(hint))[0])
		for (size_t i = 0; i < n; i++)
			bo_text_add(&list, "%s%s", i == 0 ? "; known: " : " ", names[i]);
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "unknown fault '%.20s' %s%s%s", spec->kind,
			  target_phrase(spec->target), hint, known);
}

static int check_window(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			struct bo_err *err)
{
	int64_t start, end;
	char after[BO_UNIT_BUF];

	bo_plan_fault_window(plan, spec, &start, &end);
	if (end > start)
		return 0;
	if (spec->after_ns > 0)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s would never be active: it starts %s after the start of '%s', when that is over",
			spec->kind, bo_format_duration(spec->after_ns, after),
			bo_phase_name(spec->from));
	return bo_err_set(
		err, EINVAL, BO_SUBSYS_FAULT,
		"%s would never be active: expected a phase that lasts, found '%s' with 0s",
		spec->kind, bo_phase_name(spec->from));
}

int bo_fault_check(const struct bo_plan *plan, const struct bo_fault_spec *spec, struct bo_err *err)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);
	size_t ntargets = spec->target == BO_TARGET_LINK ? plan->links.len : plan->nodes.len;
	int r;

	if (!kind)
		return unknown_kind(spec, err);
	if (spec->index < 0 || (size_t)spec->index >= ntargets)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT, "%s: no such %s in this plan",
				  spec->kind, spec->target == BO_TARGET_LINK ? "link" : "node");
	r = bo_fault_check_args(plan, spec, kind, err);
	if (r == 0 && kind->check)
		r = kind->check(plan, spec, err);
	return r < 0 ? r : check_window(plan, spec, err);
}

bool bo_fault_lint(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		   size_t size)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);

	return kind && kind->lint && kind->lint(plan, spec, buf, size);
}

const char *bo_fault_wire_only(const struct bo_plan *plan, size_t *ret_index)
{
	for (size_t i = 0; i < plan->faults.len; i++) {
		const struct bo_fault_spec *spec = &plan->faults.items[i];
		const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);
		const char *why = kind && kind->wire_only ? kind->wire_only(plan, spec) : NULL;

		if (why) {
			*ret_index = i;
			return why;
		}
	}
	return NULL;
}

bool bo_fault_link_tracks(const struct bo_plan *plan, int link)
{
	for (size_t i = 0; i < plan->faults.len; i++) {
		const struct bo_fault_spec *spec = &plan->faults.items[i];
		const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);

		if (kind && kind->conn && spec->index == link)
			return true;
	}
	return false;
}

int bo_fault_supported(const struct bo_plan *plan, const struct bo_machine *machine,
		       size_t *ret_index, struct bo_err *err)
{
	for (size_t i = 0; i < plan->faults.len; i++) {
		const struct bo_fault_spec *spec = &plan->faults.items[i];
		const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);
		int r = kind && kind->supported ? kind->supported(machine, plan, spec, err) : 0;

		if (r < 0) {
			*ret_index = i;
			return r;
		}
	}
	return 0;
}

int bo_fault_init(struct bo_fault *fault, const struct bo_plan *plan,
		  const struct bo_fault_spec *spec, struct bo_hands *hands,
		  struct bo_fault_record *record, struct bo_err *err)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);
	void *state = NULL;

	if (!kind)
		return unknown_kind(spec, err);
	if (kind->state_size) {
		state = calloc(1, kind->state_size);
		if (!state)
			return bo_err_set(err, ENOMEM, BO_SUBSYS_FAULT, "%s: out of memory",
					  spec->kind);
	}
	*fault = (struct bo_fault){
		.plan = plan,
		.spec = spec,
		.kind = kind,
		.hands = hands,
		.record = record,
		.state = state,
	};
	return 0;
}

void bo_fault_done(struct bo_fault *fault)
{
	free(fault->state);
	fault->state = NULL;
}
