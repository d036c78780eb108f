/* SPDX-License-Identifier: Apache-2.0 */
/* harness/guards.h — the guards of a plan while it runs.
 * Owns: their parsed form.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include "brownout/load/load.h"
#include "brownout/model/live.h"
#include "brownout/probe/sampler.h"

struct bo_guards;

/** struct bo_guards_view - where the state of the run is to be had; [borrowed: during the call], NULL: not (any more)
 * @loads: parallel to plan->loads, with NULL for one that does not run */
struct bo_guards_view {
	int64_t t_ns;
	enum bo_phase phase;
	struct bo_load *const *loads;
	struct bo_sampler *sampler;
};

/** bo_guards_new() - those of a checked @plan [borrowed: as long as them] */
BO_NODISCARD int bo_guards_new(struct bo_guards **ret, const struct bo_plan *plan,
			       struct bo_err *err);
/**
 * bo_guards_look() - has one of them fired?  Looks at most every 100 ms; call it more often
 * @buf: [out] when true: which guard, and what was seen
 */
bool bo_guards_look(struct bo_guards *guards, const struct bo_guards_view *view, char *buf,
		    size_t size);
/** bo_guards_longest_ns() - the longest time from one look to the next */
int64_t bo_guards_longest_ns(const struct bo_guards *guards);
void bo_guards_free(struct bo_guards *guards);
