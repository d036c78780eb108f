/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c — constant and Poisson arrival schedules.
 * Owns: nothing.  Threads: one per schedule.  Privilege: none. */
#include "brownout/load/schedule.h"
#include "brownout/base/clock.h"

void bo_schedule_init(struct bo_schedule *a, const struct bo_load_window *windows, size_t nwindows,
		      enum bo_arrivals kind, double rate_per_s, uint64_t seed, uint64_t stream)
{
	*a = (struct bo_schedule){
		.windows = windows,
		.nwindows = nwindows,
		.kind = kind,
		.gap_ns = (double)BO_NSEC_PER_SEC / rate_per_s,
	};
	bo_rng_init(&a->rng, seed, stream);
}

int64_t bo_schedule_next(struct bo_schedule *a)
{
	for (; a->window < a->nwindows; a->window++, a->n = 0, a->offset_ns = 0) {
		const struct bo_load_window *w = &a->windows[a->window];

		/* The n-th arrival is computed from n and not from the one before it, so that
		 * rounding cannot add up to a wrong rate. */
		if (a->kind == BO_ARRIVALS_CONSTANT)
			a->offset_ns = (double)a->n * a->gap_ns;
		else
			a->offset_ns += bo_rng_exp(&a->rng) * a->gap_ns;
		if (a->offset_ns < (double)(w->until_ns - w->from_ns)) {
			a->n++;
			return w->from_ns + (int64_t)a->offset_ns;
		}
	}
	return INT64_MAX;
}
