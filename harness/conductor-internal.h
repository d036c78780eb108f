/* SPDX-License-Identifier: Apache-2.0 */
/* harness/conductor-internal.h — shared between a run's set-up and end (conductor.c) and what happens in between
 * (conductor_walk.c).
 * Owns: see struct bo_conductor.  Threads: the main thread.  Privilege: none. */
#pragma once
#include "brownout/base/clock.h"
#include "brownout/base/err.h"
#include "brownout/fault/fault.h"
#include "brownout/load/load.h"
#include "brownout/probe/sampler.h"
#include "harness/conductor.h"
#include "harness/early.h"
#include "harness/evidence.h"
#include "harness/guards.h"
#include "harness/labctl.h"
#include "harness/recordings.h"
#include "harness/timeline.h"

struct bo_conductor {
	struct bo_keeper *keeper;
	const struct bo_machine *machine;
	const struct bo_plan *plan;
	struct bo_run *run;
	struct bo_labctl *lab;
	struct bo_sampler *sampler;
	struct bo_evidence *evidence;
	struct bo_guards *guards;
	struct bo_recordings *recordings;
	struct bo_early *early;
	struct bo_load **loads;
	struct bo_fault_set faults;
	bool faults_ready;
	struct bo_timeline timeline;
	int sigfd;
	int64_t began_ns;
	int64_t t0_ns; /* 0 until fixed */
	int64_t shown_ns;
	enum bo_phase phase;
	int64_t reverted_ns; /* when the last fault was off, after t0 */
	int reverted;        /* which that was */
	int64_t give_up_ns;  /* after t0: what is being taken back then, no longer matters; INT64_MAX: all that matters */
	bool over;
	bool tick_failed;
};

/** bo_conductor_since_t0() - ns since t0, INT64_MIN before it is fixed */
int64_t bo_conductor_since_t0(const struct bo_conductor *c);
/** bo_conductor_note() - a line for the person who watches, and the same in the run's timeline */
void bo_conductor_note(struct bo_conductor *c, enum bo_event_kind kind, int node, const char *fmt,
		       ...) BO_PRINTF(4, 5);
/** bo_conductor_keep() - a copy that lives as long as the run */
const char *bo_conductor_keep(struct bo_conductor *c, const char *text);
/** bo_conductor_idle() - a bo_labctl_idle_fn: signals, limits, the status line */
int bo_conductor_idle(void *self, struct bo_err *err);
/** bo_conductor_revert() - fault @i off, and what its confirmation found said; harmless when it is off */
void bo_conductor_revert(struct bo_conductor *c, int i);
/** bo_conductor_walk() - the schedule, from t0 to its end or to whatever ends it before */
void bo_conductor_walk(struct bo_conductor *c);
