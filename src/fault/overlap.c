/* SPDX-License-Identifier: Apache-2.0 */
/* fault/overlap.c — two faults must not set the same thing at the same time: neither could be
 * confirmed, and reverting one would silently end or change the other.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>

#include "brownout/base/units.h"
#include "conn-internal.h"
#include "fault-internal.h"

static uint32_t claims_of(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);

	return kind && kind->claims ? kind->claims(plan, spec) : 0;
}

static const char *claim_phrase(uint32_t claims)
{
	static const struct {
		uint32_t claim;
		const char *phrase;
	} phrases[] = {
		{ BO_CLAIM_BLACKHOLE, "a blackhole" },
		{ BO_CLAIM_DELAY, "the delay" },
		{ BO_CLAIM_LOSS, "the loss" },
		{ BO_CLAIM_RATE, "the rate" },
		{ BO_CLAIM_DUPLICATE, "the duplicates" },
		{ BO_CLAIM_CORRUPT, "the corruption" },
		{ BO_CLAIM_REORDER, "the reordering" },
		{ BO_CLAIM_SLOT, "the slots" },
	};
	uint32_t link = claims | claims >> BO_CLAIM_DIR_BITS;

	if (!claims)
		return "what becomes of the same connections";
	if (claims & BO_CLAIM_PROCESS)
		return "the process";
	if (claims & BO_CLAIM_MEMORY)
		return "the memory limit";
	if (claims & BO_CLAIM_DNS)
		return "the name server";
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (link & phrases[i].claim)
			return phrases[i].phrase;
	return "the link";
}

int bo_fault_check_overlap(const struct bo_plan *plan, size_t *ret_index, struct bo_err *err)
{
	for (size_t later = 1; later < plan->faults.len; later++) {
		const struct bo_fault_spec *b = &plan->faults.items[later];
		char target[96], from[BO_UNIT_BUF], to[BO_UNIT_BUF];
		int64_t b_start, b_end;

		bo_plan_fault_window(plan, b, &b_start, &b_end);
		for (size_t earlier = 0; earlier < later; earlier++) {
			const struct bo_fault_spec *a = &plan->faults.items[earlier];
			uint32_t both = claims_of(plan, a) & claims_of(plan, b);
			int64_t a_start, a_end, start, end;

			if (a->target != b->target || a->index != b->index ||
			    (!both && !bo_fault_conn_clash(plan, a, b)))
				continue;
			bo_plan_fault_window(plan, a, &a_start, &a_end);
			start = a_start > b_start ? a_start : b_start;
			end = a_end < b_end ? a_end : b_end;
			if (start >= end)
				continue;
			bo_fault_target_name(plan, b, target, sizeof(target));
			*ret_index = later;
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_FAULT,
				"'%s' and '%s' both set %s of %s from %s to %s of the run", a->kind,
				b->kind, claim_phrase(both), target,
				bo_format_duration(start, from), bo_format_duration(end, to));
		}
	}
	return 0;
}
