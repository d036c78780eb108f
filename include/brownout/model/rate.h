/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/rate.h — how many requests of an open loop are due by when.
 * A rate may be flat, a ramp or a row of steps; time counts from the start of a stretch of load
 * (neighbouring phases with load are one stretch).
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/model/plan.h"

/**
 * bo_rate_due() - requests due in the first @at_ns of a stretch that lasts @stretch_ns: the integral
 * of the rate; of BURST the exact number, of CLOSED 0 (nobody can know)
 */
double bo_rate_due(const struct bo_load_spec *load, int64_t stretch_ns, int64_t at_ns);

/**
 * bo_rate_when() - the inverse: ns after the start of the stretch at which @n requests (a real
 * number) are due; INFINITY when that never happens.  Not for BURST and CLOSED.
 */
double bo_rate_when(const struct bo_load_spec *load, int64_t stretch_ns, double n);

/**
 * bo_rate_due_in_phase() - requests due in the first @lasts_ns of a phase that begins when the plan
 * says; neighbouring phases with load are one stretch, over which a rate moves.  0 for CLOSED.
 */
double bo_rate_due_in_phase(const struct bo_plan *plan, const struct bo_load_spec *load,
			    enum bo_phase phase, int64_t lasts_ns);
