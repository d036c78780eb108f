/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c — when requests of an open loop are due.
 * Owns: nothing.  Threads: one per schedule.  Privilege: none. */
#include "brownout/load/schedule.h"
#include "brownout/base/clock.h"
#include "brownout/model/rate.h"

void bo_schedule_init(struct bo_schedule *a, const struct bo_load_window *windows, size_t nwindows,
		      const struct bo_load_spec *load, uint64_t seed, uint64_t stream)
{
	*a = (struct bo_schedule){
		.windows = windows,
		.nwindows = load->arrivals == BO_ARRIVALS_CLOSED ? 0 : nwindows,
		.load = load,
	};
	bo_rng_init(&a->rng, seed, stream);
}

/* ns after the start of a window of @stretch_ns at which the next request is due */
static double next_offset(struct bo_schedule *a, int64_t stretch_ns)
{
	const struct bo_load_spec *load = a->load;

	switch (load->arrivals) {
	case BO_ARRIVALS_POISSON:
		a->due += bo_rng_exp(&a->rng);
		return bo_rate_when(load, stretch_ns, a->due);
	case BO_ARRIVALS_BURST:
		return (double)(a->n / (uint64_t)load->burst_count) * (double)load->burst_every_ns;
	default:
		/* The n-th arrival is computed from n and not from the one before it, so that
		 * rounding cannot add up to a wrong rate. */
		return bo_rate_when(load, stretch_ns, (double)a->n);
	}
}

int64_t bo_schedule_next(struct bo_schedule *a)
{
	for (; a->window < a->nwindows; a->window++, a->n = 0, a->due = 0) {
		const struct bo_load_window *w = &a->windows[a->window];
		double offset_ns = next_offset(a, w->until_ns - w->from_ns);

		if (offset_ns < (double)(w->until_ns - w->from_ns)) {
			a->n++;
			return w->from_ns + (int64_t)offset_ns;
		}
	}
	return INT64_MAX;
}
