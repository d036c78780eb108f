/* SPDX-License-Identifier: Apache-2.0 */
/* model/impair.c — what can be said of an impairment without a link.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/impair.h"

#include <errno.h>

#define SLOT_MAX_NS INT64_C(3600000000000)
#define DELAY_MAX_NS (24 * INT64_C(3600000000000))

const char *bo_loss_model_name(enum bo_loss_model model)
{
	static const char *const names[BO_LOSS_MODEL_COUNT] = {
		[BO_LOSS_RANDOM] = "random",
		[BO_LOSS_GE] = "gemodel",
		[BO_LOSS_STATE] = "state",
	};

	return (unsigned int)model < BO_LOSS_MODEL_COUNT ? names[model] : "?";
}

static double share(int64_t ppm)
{
	return (double)ppm / BO_PPM_ALL;
}

static double ge_expected(const struct bo_loss *loss)
{
	double p = share(loss->p_ppm), r = share(loss->r_ppm);
	double bad = p > 0 ? p / (p + r) : 0; /* the chain begins in the good state */

	return bad * share(loss->bad_loss_ppm) + (1 - bad) * share(loss->good_loss_ppm);
}

static double state_expected(const struct bo_loss *loss)
{
	double p14 = share(loss->p14_ppm);
	double one, two;

	if (!loss->p13_ppm)
		return p14 / (1 + p14);
	/* Time spent in each state, in units of that spent in state 3 (flows balance). */
	one = share(loss->p31_ppm) / share(loss->p13_ppm);
	two = loss->p32_ppm ? share(loss->p32_ppm) / share(loss->p23_ppm) : 0;
	return (1 + one * p14) / (1 + one + two + one * p14);
}

double bo_loss_expected(const struct bo_loss *loss)
{
	switch (loss->model) {
	case BO_LOSS_GE:
		return ge_expected(loss);
	case BO_LOSS_STATE:
		return state_expected(loss);
	default:
		return share(loss->random.ppm);
	}
}

bool bo_loss_is_none(const struct bo_loss *loss)
{
	switch (loss->model) {
	case BO_LOSS_GE:
		return !loss->good_loss_ppm && (!loss->p_ppm || !loss->bad_loss_ppm);
	case BO_LOSS_STATE:
		return !loss->p13_ppm && !loss->p14_ppm;
	default:
		return !loss->random.ppm;
	}
}

static bool slot_is_none(const struct bo_slot *slot)
{
	return !slot->max_ns;
}

bool bo_impair_is_none(const struct bo_impair *im)
{
	return !im->delay_ns && !im->jitter_ns && bo_loss_is_none(&im->loss) &&
	       !im->duplicate.ppm && !im->corrupt.ppm && !im->reorder.ppm && !im->rate_bps &&
	       slot_is_none(&im->slot) && !im->trace && !im->blackhole;
}

bool bo_impair_per_packet(const struct bo_impair *im)
{
	return im->jitter_ns || !bo_loss_is_none(&im->loss) || im->duplicate.ppm ||
	       im->corrupt.ppm || im->reorder.ppm || im->rate_bps || !slot_is_none(&im->slot) ||
	       im->trace;
}

static bool chance_equal(const struct bo_chance *a, const struct bo_chance *b)
{
	return a->ppm == b->ppm && a->corr_ppm == b->corr_ppm;
}

static bool loss_equal(const struct bo_loss *a, const struct bo_loss *b)
{
	return a->model == b->model && chance_equal(&a->random, &b->random) &&
	       a->p_ppm == b->p_ppm && a->r_ppm == b->r_ppm && a->bad_loss_ppm == b->bad_loss_ppm &&
	       a->good_loss_ppm == b->good_loss_ppm && a->p13_ppm == b->p13_ppm &&
	       a->p31_ppm == b->p31_ppm && a->p32_ppm == b->p32_ppm && a->p23_ppm == b->p23_ppm &&
	       a->p14_ppm == b->p14_ppm;
}

static bool slot_equal(const struct bo_slot *a, const struct bo_slot *b)
{
	return a->min_ns == b->min_ns && a->max_ns == b->max_ns && a->packets == b->packets &&
	       a->bytes == b->bytes;
}

bool bo_impair_equal(const struct bo_impair *a, const struct bo_impair *b)
{
	return a->delay_ns == b->delay_ns && a->jitter_ns == b->jitter_ns &&
	       a->delay_corr_ppm == b->delay_corr_ppm && a->dist == b->dist &&
	       a->table == b->table && a->in_order == b->in_order &&
	       loss_equal(&a->loss, &b->loss) && chance_equal(&a->duplicate, &b->duplicate) &&
	       chance_equal(&a->corrupt, &b->corrupt) && chance_equal(&a->reorder, &b->reorder) &&
	       a->reorder_gap == b->reorder_gap && a->rate_bps == b->rate_bps &&
	       a->rate_overhead == b->rate_overhead && a->rate_cell_bytes == b->rate_cell_bytes &&
	       a->rate_cell_overhead == b->rate_cell_overhead && slot_equal(&a->slot, &b->slot) &&
	       a->trace == b->trace && a->limit_packets == b->limit_packets &&
	       a->blackhole == b->blackhole;
}

static int ppm_check(const char *name, int64_t ppm, struct bo_err *err)
{
	if (ppm >= 0 && ppm <= BO_PPM_ALL)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN, "%s: expected 0%% to 100%%, found %g%%",
			  name, share(ppm) * 100);
}

static int shares_check(const struct bo_impair *im, struct bo_err *err)
{
	const struct {
		const char *name;
		int64_t ppm;
	} shares[] = {
		{ "delay correlation", im->delay_corr_ppm },
		{ "loss", im->loss.random.ppm },
		{ "loss correlation", im->loss.random.corr_ppm },
		{ "loss p", im->loss.p_ppm },
		{ "loss r", im->loss.r_ppm },
		{ "loss in the bad state", im->loss.bad_loss_ppm },
		{ "loss in the good state", im->loss.good_loss_ppm },
		{ "loss p13", im->loss.p13_ppm },
		{ "loss p31", im->loss.p31_ppm },
		{ "loss p32", im->loss.p32_ppm },
		{ "loss p23", im->loss.p23_ppm },
		{ "loss p14", im->loss.p14_ppm },
		{ "duplicate", im->duplicate.ppm },
		{ "duplicate correlation", im->duplicate.corr_ppm },
		{ "corrupt", im->corrupt.ppm },
		{ "corrupt correlation", im->corrupt.corr_ppm },
		{ "reorder", im->reorder.ppm },
		{ "reorder correlation", im->reorder.corr_ppm },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		int r = ppm_check(shares[i].name, shares[i].ppm, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int wrong(struct bo_err *err, const char *what)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_PLAN, "%s", what);
}

static int trace_check(const struct bo_trace *trace, struct bo_err *err)
{
	if (!trace->count || !trace->at_ms || !trace->at_ms[trace->count - 1])
		return wrong(err, "trace: expected at least one time, and the last above 0 ms");
	for (uint32_t i = 1; i < trace->count; i++)
		if (trace->at_ms[i] < trace->at_ms[i - 1])
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_PLAN,
				"trace: expected ascending times, found %u ms after %u ms",
				(unsigned int)trace->at_ms[i], (unsigned int)trace->at_ms[i - 1]);
	return 0;
}

int bo_impair_check(const struct bo_impair *im, struct bo_err *err)
{
	const struct bo_loss *loss = &im->loss;
	int r = shares_check(im, err);

	if (r < 0)
		return r;
	if (im->delay_ns < 0 || im->rate_bps < 0 || im->limit_packets < 0 || im->reorder_gap < 0)
		return wrong(err, "delay, rate, limit and gap: expected 0 or more");
	if (im->delay_ns > DELAY_MAX_NS || im->jitter_ns > DELAY_MAX_NS)
		return wrong(err, "delay and jitter: expected 24 h at most");
	/* What was measured never lies below zero, however far its deviation reaches. */
	if (im->jitter_ns < 0 || (im->jitter_ns > im->delay_ns && im->dist != BO_DIST_TABLE))
		return wrong(err, "jitter: expected 0 up to the delay");
	if ((unsigned int)im->dist >= BO_DIST_COUNT || (im->dist == BO_DIST_TABLE && !im->table))
		return wrong(err, "distribution: unknown, or a table that is not there");
	if ((unsigned int)loss->model >= BO_LOSS_MODEL_COUNT)
		return wrong(err, "loss: unknown model");
	if (loss->p13_ppm + loss->p14_ppm > BO_PPM_ALL ||
	    loss->p31_ppm + loss->p32_ppm > BO_PPM_ALL)
		return wrong(err, "loss: p13 + p14 and p31 + p32 are at most 100% each");
	if (loss->p32_ppm && !loss->p23_ppm)
		return wrong(err, "loss: p32 without p23 is a state that is never left");
	if (im->reorder.ppm && !im->delay_ns)
		return wrong(err, "reorder: needs a delay for packets to be ahead of");
	if (im->reorder.ppm && im->in_order)
		return wrong(err,
			     "reorder: not on a link that keeps the order, expected one of them");
	if (im->rate_cell_bytes < 0 || im->rate_overhead < INT16_MIN ||
	    im->rate_overhead > INT16_MAX || im->rate_cell_overhead < INT16_MIN ||
	    im->rate_cell_overhead > INT16_MAX || im->rate_cell_bytes > INT16_MAX)
		return wrong(err, "rate: overhead and cell are at most 32767 bytes");
	if (im->rate_cell_overhead && !im->rate_cell_bytes)
		return wrong(err, "rate: cell overhead without cells");
	if (im->slot.min_ns < 0 || im->slot.max_ns < im->slot.min_ns ||
	    im->slot.max_ns > SLOT_MAX_NS || im->slot.packets < 0 || im->slot.bytes < 0)
		return wrong(err, "slot: expected 0 <= min <= max <= 1 h");
	if (im->rate_bps && im->trace)
		return wrong(err, "rate: a trace is the rate, expected one of them");
	return im->trace ? trace_check(im->trace, err) : 0;
}
