/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/load/schedule.h — when each request is due: a function of the windows, the rate and the
 * seed alone. Nothing that happens in a run can move an arrival; that is what makes the loop open.
 * Owns: nothing; borrows the windows.  Threads: one per schedule.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/rng.h"
#include "brownout/load/load.h"

/** struct bo_schedule - a schedule; only through the functions below */
struct bo_schedule {
	const struct bo_load_window *windows;
	size_t nwindows;
	size_t window;
	const struct bo_load_spec *load;
	double due; /* Poisson: the integral of the rate up to the last arrival */
	uint64_t n; /* arrivals in this window so far */
	struct bo_rng rng;
};

/**
 * bo_schedule_init() - start the schedule
 * @windows: [borrowed: as long as the schedule] ascending, not overlapping
 * @load: [borrowed: as long as the schedule] its arrivals and rate; with CLOSED nothing is ever due
 * Constant: the first request at the start of each window, then every 1/rate.  Poisson: exponential
 * gaps with that mean, begun anew in each window (the process has no memory, so this changes
 * nothing).  Where the rate moves, so do the gaps: the n-th request is due when the integral of the
 * rate reaches n.  Burst: burst_count at the start of each window, then every burst_every_ns.
 */
void bo_schedule_init(struct bo_schedule *a, const struct bo_load_window *windows, size_t nwindows,
		      const struct bo_load_spec *load, uint64_t seed, uint64_t stream);
/** bo_schedule_next() - CLOCK_MONOTONIC ns of the next arrival, INT64_MAX after the last */
int64_t bo_schedule_next(struct bo_schedule *a);
