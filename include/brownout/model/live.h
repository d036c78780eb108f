/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/live.h — how a run stands at one instant, for guards and displays.
 * Filled by the conductor every 100 to 250 ms.  Owns: nothing.  Threads: the conductor's.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/model/plan.h"
#include "brownout/model/run.h"

/* Buckets of latencies: 32 steps per power of two, 3 % wide, enough for what people look at and fuses; 1 ns … 2^42 ns
 * (1.2 h). */
#define BO_LIVE_SUB 32
#define BO_LIVE_BUCKETS (BO_LIVE_SUB * 38)

/**
 * struct bo_load_live - one load
 * @offered_per_s: requests that were due in its last full second
 * @ended_per_s: those that ended in it, by class;  @ended_all: since the start
 * @latency_sum_ns, @latencies: of those that ended in it, failures too: a percentile of successes only flatters.  What
 *         was shed was never sent, and has none
 * @inflight, @connections: now
 * @offered, @ended: requests since the start; equal when nothing is in flight
 */
struct bo_load_live {
	double offered_per_s;
	double ended_per_s[BO_REQ_CLASS_COUNT];
	double ended_all[BO_REQ_CLASS_COUNT];
	double latency_sum_ns;
	uint32_t latencies[BO_LIVE_BUCKETS];
	uint64_t inflight;
	uint64_t connections;
	uint64_t offered;
	uint64_t ended;
};

/** bo_live_bucket() - where in @latencies a latency belongs */
size_t bo_live_bucket(int64_t latency_ns);
/** bo_live_quantile() - the highest latency of the bucket in which the @q-quantile (0 < q <= 1) of the last full second
 * lies, in ns: never shown better than it was.  NAN when nothing ended */
double bo_live_quantile(const struct bo_load_live *live, double q);
/** bo_live_done_per_s() - answered, failed or given up in the last full second, so that it has a latency */
double bo_live_done_per_s(const struct bo_load_live *live);
/** bo_live_errors_per_s() - what counts in errors.ratio */
double bo_live_errors_per_s(const struct bo_load_live *live);

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
	const struct bo_load_live *loads;
	size_t nloads;
	double (*value)(void *arg, const char *series, int node);
	void *arg;
};
