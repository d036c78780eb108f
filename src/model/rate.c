/* SPDX-License-Identifier: Apache-2.0 */
/* model/rate.c — how many requests of an open loop are due by when.
 * The integral of a piecewise linear rate and its inverse, in closed form: the n-th arrival is
 * computed from n and never from the one before it, so rounding cannot add up. */
#include "brownout/model/rate.h"

#include <math.h>

#define NS 1e9

static double ramp_over_s(const struct bo_load_spec *load, int64_t stretch_ns)
{
	return (double)(load->rate.over_ns ? load->rate.over_ns : stretch_ns) / NS;
}

static double step_s(const struct bo_load_spec *load, int64_t stretch_ns)
{
	return load->rate.each_ns ? (double)load->rate.each_ns / NS
				  : (double)stretch_ns / NS / (double)load->rate.nsteps;
}

static double ramp_due(const struct bo_load_spec *load, double over_s, double t)
{
	double a = load->rate_per_s, b = load->rate.to_per_s, in = fmin(t, over_s);
	double sum = over_s > 0 ? a * in + (b - a) * in * in / (2 * over_s) : 0;

	return t > over_s ? sum + b * (t - over_s) : sum;
}

static double ramp_when(const struct bo_load_spec *load, double over_s, double n)
{
	double a = load->rate_per_s, b = load->rate.to_per_s, all = ramp_due(load, over_s, over_s);

	if (n <= 0)
		return 0;
	if (n > all)
		return over_s + (n - all) / b;
	/* The form of the quadratic's root that subtracts nothing. */
	return 2 * n / (a + sqrt(fmax(a * a + 2 * (b - a) * n / over_s, 0)));
}

static double steps_due(const struct bo_load_spec *load, double each_s, double t)
{
	double sum = 0;

	for (size_t i = 0; i < load->rate.nsteps && t > 0; i++) {
		double in = i + 1 < load->rate.nsteps ? fmin(t, each_s) : t;

		sum += load->rate.steps[i] * in;
		t -= in;
	}
	return sum;
}

static double steps_when(const struct bo_load_spec *load, double each_s, double n)
{
	double t = 0;
	size_t i = 0;

	for (; i + 1 < load->rate.nsteps && n >= load->rate.steps[i] * each_s; i++) {
		n -= load->rate.steps[i] * each_s;
		t += each_s;
	}
	return t + n / load->rate.steps[i];
}

double bo_rate_due(const struct bo_load_spec *load, int64_t stretch_ns, int64_t at_ns)
{
	double t = (double)at_ns / NS;

	if (load->arrivals == BO_ARRIVALS_CLOSED || at_ns <= 0)
		return 0;
	if (load->arrivals == BO_ARRIVALS_BURST)
		return (double)((at_ns + load->burst_every_ns - 1) / load->burst_every_ns) *
		       (double)load->burst_count;
	switch (load->rate.shape) {
	case BO_RATE_RAMP:
		return ramp_due(load, ramp_over_s(load, stretch_ns), t);
	case BO_RATE_STEPS:
		return steps_due(load, step_s(load, stretch_ns), t);
	case BO_RATE_FLAT:
		break;
	}
	return load->rate_per_s * t;
}

double bo_rate_when(const struct bo_load_spec *load, int64_t stretch_ns, double n)
{
	switch (load->rate.shape) {
	case BO_RATE_RAMP:
		return ramp_when(load, ramp_over_s(load, stretch_ns), n) * NS;
	case BO_RATE_STEPS:
		return steps_when(load, step_s(load, stretch_ns), n) * NS;
	case BO_RATE_FLAT:
		break;
	}
	return n * (NS / load->rate_per_s);
}

/* Does load go on through @p?  A phase that lasts no time interrupts nothing. */
static bool goes_on(const struct bo_plan *plan, int p)
{
	return bo_phase_has_load((enum bo_phase)p) || !plan->phase_ns[p];
}

double bo_rate_due_in_phase(const struct bo_plan *plan, const struct bo_load_spec *load,
			    enum bo_phase phase, int64_t lasts_ns)
{
	int first = (int)phase, end = (int)phase;
	int64_t start_ns, stretch_ns, from_ns;

	if (!bo_phase_has_load(phase))
		return 0;
	while (first > 0 && goes_on(plan, first - 1))
		first--;
	while (end < BO_PHASE_COUNT && goes_on(plan, end))
		end++;
	start_ns = bo_plan_phase_start(plan, (enum bo_phase)first);
	from_ns = bo_plan_phase_start(plan, phase) - start_ns;
	stretch_ns = bo_plan_phase_start(plan, (enum bo_phase)(end - 1)) + plan->phase_ns[end - 1] -
		     start_ns;
	return bo_rate_due(load, stretch_ns, from_ns + lasts_ns) -
	       bo_rate_due(load, stretch_ns, from_ns);
}
