/* SPDX-License-Identifier: Apache-2.0 */
/* fault/link_vary.c — faults on links that move: ramps and flaps.  Pure: what is due is a function of
 * the options, the seed and the time since the fault began.
 *
 *   ramp   from → to over a time, in even steps; the first at once, the last at the end of it, where
 *          the fault then stays.  A step that is late is skipped, so the ramp never lags.
 *   flap   not in force, then in force, and again; each turn at its own time since the beginning.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/rng.h"
#include "brownout/base/units.h"
#include "fault-internal.h"

#define STEP_NS (100 * BO_NSEC_PER_MSEC)
#define STEPS_MAX 1000

static enum bo_ramp ramp_of(const struct bo_fault_spec *spec)
{
	if (!bo_link_given(spec, "over"))
		return BO_RAMP_NONE;
	if (strcmp(spec->kind, "delay") == 0)
		return BO_RAMP_DELAY;
	return strcmp(spec->kind, "loss") == 0 ? BO_RAMP_LOSS : BO_RAMP_RATE;
}

struct bo_link_vary bo_link_vary_of(const struct bo_fault_spec *spec)
{
	struct bo_link_vary vary = {
		.ramp = ramp_of(spec),
		.from = bo_link_option(spec, "from", 0),
		.to = bo_link_option(spec, "to", 0),
		.over_ns = bo_link_option(spec, "over", 0),
		.every_ns = bo_link_option(spec, "every", 0),
		.down_ns = bo_link_option(spec, "down", 0),
		.random = bo_link_option(spec, "random", 0),
	};
	int64_t steps = vary.over_ns / STEP_NS + 1;

	steps = steps < 2 ? 2 : steps;
	vary.steps = bo_link_option(spec, "steps", steps < STEPS_MAX ? steps : STEPS_MAX);
	return vary;
}

static int check_ramp(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		      const struct bo_link_vary *vary, struct bo_err *err)
{
	static const char *const parts[] = { "from", "to", "over" };
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];
	int64_t jitter_ns = bo_link_option(spec, "jitter", 0);
	int64_t start_ns, end_ns;
	bool some = bo_link_given(spec, "steps");

	for (size_t i = 0; i < 3; i++)
		some = some || bo_link_given(spec, parts[i]);
	if (!some)
		return 0;
	for (size_t i = 0; i < 3; i++)
		if (!bo_link_given(spec, parts[i]))
			return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
					  "%s: %s: is missing: a ramp has from, to and over",
					  spec->kind, parts[i]);
	if (bo_link_given(spec, spec->kind) || bo_link_given(spec, "model"))
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: expected either a ramp (from, to, over) or a fixed %s",
				  spec->kind, spec->kind);
	if (vary->from == vary->to)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: to: expected something else than from", spec->kind);
	if (jitter_ns > (vary->from < vary->to ? vary->from : vary->to))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: jitter: expected at most the least delay of the ramp (%s), found %s",
			spec->kind,
			bo_format_duration(vary->from < vary->to ? vary->from : vary->to, a),
			bo_format_duration(jitter_ns, b));
	bo_plan_fault_window(plan, spec, &start_ns, &end_ns);
	if (end_ns > start_ns && vary->over_ns >= end_ns - start_ns)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: over: expected less than the %s that the fault lasts, found %s",
			spec->kind, bo_format_duration(end_ns - start_ns, a),
			bo_format_duration(vary->over_ns, b));
	return 0;
}

static int check_flap(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		      const struct bo_link_vary *vary, struct bo_err *err)
{
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];
	int64_t start_ns, end_ns;
	bool flap = strcmp(spec->kind, "flap") == 0 || bo_link_given(spec, "every") ||
		    bo_link_given(spec, "down") || bo_link_given(spec, "random");

	if (!flap)
		return 0;
	if (!vary->every_ns || !vary->down_ns)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: %s: is missing: what comes and goes has every and down",
				  spec->kind, vary->every_ns ? "down" : "every");
	if (vary->every_ns - vary->down_ns < BO_FLAP_LEAST_NS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: down: expected at least %s less than every (%s), found %s",
				  spec->kind,
				  bo_format_duration(BO_FLAP_LEAST_NS, (char[BO_UNIT_BUF]){ 0 }),
				  bo_format_duration(vary->every_ns, a),
				  bo_format_duration(vary->down_ns, b));
	if (vary->ramp)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "%s: every: a ramp does not come and go", spec->kind);
	bo_plan_fault_window(plan, spec, &start_ns, &end_ns);
	if (end_ns > start_ns && vary->every_ns > end_ns - start_ns)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"%s: every: expected at most the %s that the fault lasts, found %s",
			spec->kind, bo_format_duration(end_ns - start_ns, a),
			bo_format_duration(vary->every_ns, b));
	return 0;
}

int bo_link_check_vary(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		       struct bo_err *err)
{
	struct bo_link_vary vary = bo_link_vary_of(spec);
	int r = check_ramp(plan, spec, &vary, err);

	return r < 0 ? r : check_flap(plan, spec, &vary, err);
}

static const char *format_value(enum bo_ramp ramp, int64_t value, char buf[BO_UNIT_BUF])
{
	switch (ramp) {
	case BO_RAMP_DELAY:
		return bo_format_duration(value, buf);
	case BO_RAMP_RATE:
		return bo_format_bitrate(value, buf);
	default:
		snprintf(buf, BO_UNIT_BUF, "%.4g%%", (double)value / BO_PPM_ALL * 100);
		return buf;
	}
}

void bo_link_vary_text(struct bo_text *text, const struct bo_link_vary *vary)
{
	static const char *const names[] = {
		[BO_RAMP_DELAY] = "delay", [BO_RAMP_LOSS] = "loss", [BO_RAMP_RATE] = "rate"
	};
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF], c[BO_UNIT_BUF];

	if (vary->ramp)
		bo_text_add(text, "%s%s from %s to %s over %s", text->len ? ", " : "",
			    names[vary->ramp], format_value(vary->ramp, vary->from, a),
			    format_value(vary->ramp, vary->to, b),
			    bo_format_duration(vary->over_ns, c));
	if (vary->every_ns)
		bo_text_add(text, ", for %s of every %s%s", bo_format_duration(vary->down_ns, a),
			    bo_format_duration(vary->every_ns, b),
			    vary->random ? " on average, at random" : "");
}

int64_t bo_link_ramp_step(const struct bo_link_vary *vary, int64_t since_ns)
{
	if (!vary->ramp || since_ns >= vary->over_ns)
		return vary->steps - 1;
	return (int64_t)((double)since_ns / (double)vary->over_ns * (double)(vary->steps - 1));
}

void bo_link_ramp_set(const struct bo_link_vary *vary, int64_t step, struct bo_impair *im)
{
	int64_t value = vary->from + llrint((double)(vary->to - vary->from) * (double)step /
					    (double)(vary->steps - 1));

	if (vary->ramp == BO_RAMP_DELAY)
		im->delay_ns = value;
	else if (vary->ramp == BO_RAMP_LOSS)
		im->loss.random.ppm = value;
	else if (vary->ramp == BO_RAMP_RATE)
		im->rate_bps = value;
}

void bo_link_vary_hide(const struct bo_link_vary *vary, struct bo_impair *im)
{
	if (vary->ramp == BO_RAMP_DELAY)
		im->delay_ns = 0;
	else if (vary->ramp == BO_RAMP_LOSS)
		im->loss = (struct bo_loss){ 0 };
	else if (vary->ramp == BO_RAMP_RATE)
		im->rate_bps = 0;
}

/** turn_ns() - how long the state after @turns turns lasts */
static int64_t turn_ns(const struct bo_link_vary *vary, uint64_t seed, int64_t turns)
{
	int64_t mean = turns % 2 ? vary->down_ns : vary->every_ns - vary->down_ns;
	struct bo_rng rng;
	double drawn;

	if (!vary->random)
		return mean;
	bo_rng_init(&rng, seed, (uint64_t)turns);
	drawn = bo_rng_exp(&rng) * (double)mean;
	return drawn < (double)BO_FLAP_LEAST_NS ? BO_FLAP_LEAST_NS : (int64_t)drawn;
}

void bo_link_vary_start(const struct bo_link_vary *vary, uint64_t seed, struct bo_link_state *state)
{
	*state = (struct bo_link_state){ .turn_at_ns = INT64_MAX };
	if (vary->every_ns)
		state->turn_at_ns = turn_ns(vary, seed, 0);
}

bool bo_link_vary_tick(const struct bo_link_vary *vary, uint64_t seed, int64_t since_ns,
		       struct bo_link_state *state)
{
	struct bo_link_state before = *state;

	if (vary->ramp)
		state->step = bo_link_ramp_step(vary, since_ns);
	while (state->turn_at_ns <= since_ns)
		state->turn_at_ns += turn_ns(vary, seed, ++state->turns);
	return state->step != before.step || state->turns % 2 != before.turns % 2;
}

bool bo_link_vary_now(const struct bo_link_vary *vary, const struct bo_link_state *state,
		      struct bo_impair *im)
{
	if (vary->ramp)
		bo_link_ramp_set(vary, state->step, im);
	return !vary->every_ns || state->turns % 2;
}
