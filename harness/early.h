/* SPDX-License-Identifier: Apache-2.0 */
/* harness/early.h — is the verdict of a run certain before its end (--stop-early)?
 * Owns: what it has counted.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include "brownout/load/load.h"
#include "brownout/model/run.h"

struct bo_early;

/** bo_early_new() - for @run [borrowed: as long as it], whose phases and fault records it watches */
BO_NODISCARD int bo_early_new(struct bo_early **ret, const struct bo_run *run, struct bo_err *err);
/**
 * bo_early_look() - take up what has ended, and ask.  Asks once a second; call it more often
 * @loads: parallel to plan->loads, running
 * @phase: the one that has begun last;  @t_ns: now, after t0
 * @buf: [out] when true: what is certain
 * True when a budget is broken beyond doubt; or when all are kept beyond doubt, no later phase can change that, and every
 * fault of the plan has been on long enough to be confirmed.
 */
bool bo_early_look(struct bo_early *early, struct bo_load *const *loads, enum bo_phase phase,
		   int64_t t_ns, char *buf, size_t size);
/** bo_early_inflight() - requests of all loads that are due and have not ended */
size_t bo_early_inflight(const struct bo_early *early, struct bo_load *const *loads);
void bo_early_free(struct bo_early *early);
