/* SPDX-License-Identifier: Apache-2.0 */
/* slo/steps.c — for how long something was true without interruption, told from one step to the next.
 * A run of steps that are true for sure proves that it was; a run that also holds steps of which nobody knows only
 * keeps it possible.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "check.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "steps.h"
#include "syntax.h"

#define STEP_REQUESTS 10

void slo_steps_init(struct slo_steps *steps, int64_t need_ns)
{
	*steps = (struct slo_steps){ .need_ns = need_ns,
				     .sure_ns = SLO_NEVER,
				     .maybe_ns = SLO_NEVER,
				     .found_ns = SLO_NEVER,
				     .possible_ns = SLO_NEVER };
}

void slo_steps_break(struct slo_steps *steps)
{
	steps->sure_ns = steps->maybe_ns = SLO_NEVER;
}

static void extend_sure(struct slo_steps *steps, int64_t from_ns, int64_t to_ns)
{
	if (steps->sure_ns == SLO_NEVER)
		steps->sure_ns = from_ns;
	if (to_ns - steps->sure_ns > steps->longest_ns)
		steps->longest_ns = to_ns - steps->sure_ns;
	if (steps->found_ns == SLO_NEVER && to_ns - steps->sure_ns >= steps->need_ns)
		steps->found_ns = steps->sure_ns;
}

static void extend_maybe(struct slo_steps *steps, int64_t from_ns, int64_t to_ns)
{
	if (steps->maybe_ns == SLO_NEVER)
		steps->maybe_ns = from_ns;
	if (steps->possible_ns == SLO_NEVER && to_ns - steps->maybe_ns >= steps->need_ns)
		steps->possible_ns = steps->maybe_ns;
}

void slo_steps_add(struct slo_steps *steps, int64_t from_ns, int64_t to_ns, enum slo_truth truth)
{
	switch (truth) {
	case SLO_EMPTY:
		break;
	case SLO_TRUE:
		extend_sure(steps, from_ns, to_ns);
		extend_maybe(steps, from_ns, to_ns);
		break;
	case SLO_UNKNOWN:
		steps->sure_ns = SLO_NEVER;
		extend_maybe(steps, from_ns, to_ns);
		break;
	case SLO_FALSE:
		slo_steps_break(steps);
		break;
	}
}

enum slo_truth slo_truth_and(enum slo_truth a, enum slo_truth b)
{
	return a < b ? a : b;
}

enum slo_truth slo_truth_or(enum slo_truth a, enum slo_truth b)
{
	if (a == SLO_TRUE || b == SLO_TRUE)
		return SLO_TRUE;
	if (a == SLO_UNKNOWN || b == SLO_UNKNOWN)
		return SLO_UNKNOWN;
	return a == SLO_EMPTY || b == SLO_EMPTY ? SLO_EMPTY : SLO_FALSE;
}

bool slo_seen(const struct slo_ask *ask, struct slo_span step)
{
	struct slo_span spans[BO_PHASE_COUNT];
	struct slo_ask in = *ask;

	in.clip = step;
	return slo_ask_spans(&in, spans) > 0;
}

bool slo_any_due(const struct slo_ask *ask, struct slo_span step)
{
	const struct slo_ctx *ctx = ask->ctx;
	size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, step.from_ns);

	for (; i < ctx->nreqs && ctx->by_intended[i]->intended_ns < step.to_ns; i++) {
		if (slo_req_counts(ctx->plan, ask->cmp, ctx->by_intended[i]))
			return true;
	}
	return false;
}

int64_t slo_step_length(const struct slo_ask *ask, int64_t whole_ns, int64_t most_ns)
{
	double least = (double)SLO_MIN_STRETCH_NS;
	int64_t n;

	if (ask->cmp->metric->flags & SLO_M_REQUESTS) {
		double rate = slo_planned_rate(ask->cmp, ask->ctx->plan);

		if (rate > 0 && STEP_REQUESTS * 1e9 / rate > least)
			least = STEP_REQUESTS * 1e9 / rate;
	} else if (ask->cmp->select) {
		least = 2 * (double)SLO_SNAPSHOT_INTERVAL_NS;
	} else if (ask->cmp->metric->series) {
		const struct bo_series *s = bo_run_series(ask->ctx->run, ask->cmp->metric->series,
							  ask->node);

		if (s && 2 * slo_interval(ask->ctx->plan, s) > (int64_t)least)
			least = 2 * (double)slo_interval(ask->ctx->plan, s);
	}
	if ((double)most_ns < least)
		n = (int64_t)((double)whole_ns / least);
	else
		n = (whole_ns + most_ns - 1) / most_ns;
	return n > 1 ? whole_ns / n : whole_ns;
}
