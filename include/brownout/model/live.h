/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/live.h — how a run stands at one instant, for guards and displays.
 * Filled by the conductor every 100 to 250 ms.  Owns: nothing.  Threads: the conductor's.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/model/plan.h"

/**
 * struct bo_live_load - one load, over its last full second
 * @p50_ns, @p99_ns: of what ended in that second; without meaning when nothing did
 * @inflight, @connections: now
 */
struct bo_live_load {
	double offered_per_s;
	double done_per_s;
	double errors_per_s;
	int64_t p50_ns;
	int64_t p99_ns;
	uint64_t inflight;
	uint64_t connections;
};

/**
 * struct bo_live_state - the run now
 * @t_ns: ns after t0; never falls between two states of one run
 * @loads, @nloads: [borrowed: during the call] parallel to plan->loads; nloads 0 while no load runs
 * @value: newest sample of a series of a node (BO_SERIES_*), NAN when there is none; NULL: nothing is
 *         sampled;  @arg: its first argument
 */
struct bo_live_state {
	int64_t t_ns;
	enum bo_phase phase;
	const struct bo_live_load *loads;
	size_t nloads;
	double (*value)(void *arg, const char *series, int node);
	void *arg;
};
