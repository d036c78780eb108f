/* SPDX-License-Identifier: Apache-2.0 */
/* slo/sustain.c — "latency.p99 <= 250ms sustained for 2s": broken only when it is broken for so long without
 * interruption.
 *
 * Time is cut into steps of a tenth of that (longer ones where a step would hold fewer than ten requests or two
 * samples), and each is judged as it was seen, like a window.  Of a sampled value every sample of a step must be out
 * of bounds: that is, the opposite of the comparison must hold for the worst of them.  A step without a request says
 * nothing and interrupts nothing.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "eval.h"
#include "metric.h"
#include "scope.h"
#include "steps.h"
#include "syntax.h"

struct story {
	struct slo_steps steps;
	size_t seen;
	double worst;
	bool at_least;
	char why[256];
};

static enum slo_op opposite(enum slo_op op)
{
	switch (op) {
	case SLO_LE:
		return SLO_GT;
	case SLO_LT:
		return SLO_GE;
	case SLO_GE:
		return SLO_LT;
	case SLO_GT:
		return SLO_LE;
	case SLO_EQ:
		break;
	}
	return SLO_EQ;
}

static enum slo_truth truth_of(enum bo_outcome broken, bool negated)
{
	if (broken == BO_INCONCLUSIVE)
		return SLO_UNKNOWN;
	return (broken == BO_FAIL) != negated ? SLO_TRUE : SLO_FALSE;
}

static void note_worst(const struct slo_ask *ask, const struct slo_estimate *est, struct story *st)
{
	bool caps = slo_op_caps(ask->cmp->op);

	if (isnan(est->value) ||
	    (!isnan(st->worst) && (caps ? est->value <= st->worst : est->value >= st->worst)))
		return;
	st->worst = est->value;
	st->at_least = est->at_least;
}

static int one_step(const struct slo_ask *ask, struct slo_span step, struct story *st,
		    struct bo_err *err)
{
	bool sampled = ask->cmp->metric->flags & SLO_M_AT;
	struct slo_estimate est;
	enum bo_outcome outcome;
	int r = slo_windowed(ask, step, &est, &outcome, err);

	if (r < 0)
		return r;
	note_worst(ask, &est, st);
	if (outcome == BO_INCONCLUSIVE && !st->why[0])
		snprintf(st->why, sizeof(st->why), "%.250s", est.why);
	if ((ask->cmp->metric->flags & SLO_M_REQUESTS) && isnan(est.value) &&
	    !slo_any_due(ask, step)) {
		slo_steps_add(&st->steps, step.from_ns, step.to_ns, SLO_EMPTY);
		return 0;
	}
	st->seen++;
	if (sampled && outcome != BO_PASS) {
		struct slo_cmp not = *ask->cmp;
		struct slo_ask in = *ask;

		not .op = opposite(not .op);
		in.cmp = &not ;
		r = slo_windowed(&in, step, &est, &outcome, err);
		if (r < 0)
			return r;
	} else {
		sampled = false;
	}
	slo_steps_add(&st->steps, step.from_ns, step.to_ns, truth_of(outcome, sampled));
	return 0;
}

static int walk(const struct slo_ask *ask, struct story *st, struct bo_err *err)
{
	int64_t length = slo_step_length(ask, ask->cmp->sustained_ns, ask->cmp->sustained_ns / 10);
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_spans(ask->ctx->run, ask->phases, spans);

	for (size_t s = 0; s < n; s++) {
		for (int64_t at = spans[s].from_ns; spans[s].to_ns - at >= (length + 1) / 2;
		     at += length) {
			int64_t end = spans[s].to_ns - at < length ? spans[s].to_ns : at + length;
			int r = one_step(ask, (struct slo_span){ at, end }, st, err);

			if (r < 0)
				return r;
		}
		slo_steps_break(&st->steps); /* nothing is judged until the next of them */
	}
	return 0;
}

int slo_eval_sustained(const struct slo_ask *ask, const char *node, struct slo_result *ret,
		       struct bo_err *err)
{
	struct story st = { .worst = NAN };
	struct slo_estimate est;
	char buf[BO_UNIT_BUF], at[BO_UNIT_BUF];
	int r;

	/* Rounding of the steps' length must not ask for one more. */
	slo_steps_init(&st.steps, ask->cmp->sustained_ns - ask->cmp->sustained_ns / 1000);
	r = walk(ask, &st, err);
	if (r < 0)
		return r;
	slo_estimate_none(&est);
	est.value = st.worst;
	est.at_least = st.at_least;
	est.breach_ns = st.steps.found_ns;
	if (st.steps.longest_ns)
		snprintf(est.detail, sizeof(est.detail), "worst; broken for %s in a row",
			 bo_format_duration(st.steps.longest_ns, buf));
	else
		snprintf(est.detail, sizeof(est.detail), "worst");
	if (st.steps.found_ns != SLO_NEVER) {
		ret->outcome = BO_FAIL;
	} else if (!st.seen) {
		snprintf(ret->reason, sizeof(ret->reason), "%s",
			 st.why[0] ? st.why : "there was nothing to judge");
	} else if (st.steps.possible_ns == SLO_NEVER) {
		ret->outcome = BO_PASS;
	} else {
		snprintf(ret->reason, sizeof(ret->reason),
			 "it may have been broken for so long from %s on: %.180s",
			 bo_format_duration(st.steps.possible_ns, at), st.why);
	}
	slo_describe(ask->cmp, &est, ask->limit, node, ret);
	return 0;
}
