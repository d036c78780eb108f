/* SPDX-License-Identifier: Apache-2.0 */
/* harness/timeline.c — phases and faults never drift: each action is due at t0 plus a planned offset, however long
 * the one before it took. */
#include "harness/timeline.h"

#include <errno.h>
#include <stdlib.h>

static int by_time(const void *pa, const void *pb)
{
	const struct bo_action *a = pa, *b = pb;

	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	/* reverting goes last in, first out */
	if (a->kind == BO_ACTION_REVERT)
		return (a->index < b->index) - (a->index > b->index);
	return (a->index > b->index) - (a->index < b->index);
}

int bo_timeline_init(struct bo_timeline *timeline, const struct bo_plan *plan, struct bo_err *err)
{
	bool ok = true;

	for (int p = 0; p < BO_PHASE_COUNT; p++)
		if (plan->phase_ns[p])
			ok &= bo_vec_push(&timeline->actions,
					  (struct bo_action){ bo_plan_phase_start(plan, p),
							      BO_ACTION_PHASE, p });
	for (size_t i = 0; i < plan->faults.len; i++) {
		int64_t start, end;

		bo_plan_fault_window(plan, &plan->faults.items[i], &start, &end);
		ok &= bo_vec_push(&timeline->actions,
				  (struct bo_action){ start, BO_ACTION_APPLY, (int)i });
		ok &= bo_vec_push(&timeline->actions,
				  (struct bo_action){ end, BO_ACTION_REVERT, (int)i });
	}
	ok &= bo_vec_push(&timeline->actions,
			  (struct bo_action){ bo_plan_total(plan), BO_ACTION_END, 0 });
	if (!ok) {
		bo_timeline_done(timeline);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	qsort(timeline->actions.items, timeline->actions.len, sizeof(*timeline->actions.items),
	      by_time);
	return 0;
}

void bo_timeline_done(struct bo_timeline *timeline)
{
	bo_vec_done(&timeline->actions);
}

size_t bo_timeline_load_windows(const struct bo_plan *plan, int64_t t0_ns,
				struct bo_load_window windows[BO_PHASE_COUNT])
{
	size_t n = 0;

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		int64_t from = t0_ns + bo_plan_phase_start(plan, p),
			until = from + plan->phase_ns[p];

		if (!plan->phase_ns[p] || !bo_phase_has_load(p))
			continue;
		if (n && windows[n - 1].until_ns == from)
			windows[n - 1].until_ns = until;
		else
			windows[n++] = (struct bo_load_window){ from, until };
	}
	return n;
}
