/* SPDX-License-Identifier: Apache-2.0 */
/* harness/timeline.h — the plan's timeline as a sorted list of actions with absolute times.
 * Owns: the list.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/base/vec.h"
#include "brownout/load/load.h"
#include "brownout/model/plan.h"

/** enum bo_action_kind - in the order in which actions of the same instant happen */
enum bo_action_kind { BO_ACTION_REVERT, BO_ACTION_PHASE, BO_ACTION_APPLY, BO_ACTION_END };

struct bo_action {
	int64_t at_ns; /* after t0 */
	enum bo_action_kind kind;
	int index; /* fault or phase */
};

struct bo_timeline {
	BO_VEC(struct bo_action) actions;
};

BO_NODISCARD int bo_timeline_init(struct bo_timeline *timeline, const struct bo_plan *plan,
				  struct bo_err *err);
void bo_timeline_done(struct bo_timeline *timeline);
/** bo_timeline_load_windows() - when load is offered: runs of phases with load, merged; at most BO_PHASE_COUNT
 * @t0_ns: CLOCK_MONOTONIC;  Return: how many */
size_t bo_timeline_load_windows(const struct bo_plan *plan, int64_t t0_ns,
				struct bo_load_window windows[BO_PHASE_COUNT]);
