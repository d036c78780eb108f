/* SPDX-License-Identifier: Apache-2.0 */
/* slo/live.c — metrics as they stand at one instant, which is what guards see: the last full second of
 * load, the newest sample of a node.  At face value, without bounds of confidence.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <string.h>

#include "live.h"
#include "request.h"
#include "scope.h"
#include "syntax.h"

/* One failed request of three is no pattern. */
#define MIN_ENDED_PER_S 5

/* The slowest of the loads that count. */
static double slowest(const struct slo_now *now, double (*of)(const struct bo_load_live *, double),
		      double q)
{
	double worst = NAN;

	for (size_t i = 0; i < now->state->nloads; i++) {
		if (slo_load_counts(now->plan, now->cmp, (unsigned)i))
			worst = fmax(worst, of(&now->state->loads[i], q));
	}
	return worst;
}

static double mean_of(const struct bo_load_live *load, double unused)
{
	double done = bo_live_done_per_s(load);

	(void)unused;
	return done > 0 ? load->latency_sum_ns / done : NAN;
}

double slo_live_quantile(const struct slo_now *now)
{
	return slowest(now, bo_live_quantile, now->cmp->quantile);
}

double slo_live_max(const struct slo_now *now)
{
	return slowest(now, bo_live_quantile, 1);
}

double slo_live_mean(const struct slo_now *now)
{
	return slowest(now, mean_of, 0);
}

/** struct ended - requests of the loads that count: all that ended in the last full second, the bad and the good ones
 * of them, and all bad ones since the start */
struct ended {
	double offered;
	double all;
	double bad;
	double good;
	double ever_bad;
};

static struct ended count(const struct slo_now *now)
{
	struct ended ret = { 0 };

	for (size_t i = 0; i < now->state->nloads; i++) {
		const struct bo_load_live *load = &now->state->loads[i];

		if (!slo_load_counts(now->plan, now->cmp, (unsigned)i))
			continue;
		ret.offered += load->offered_per_s;
		ret.good += load->ended_per_s[BO_REQ_OK];
		for (int c = 0; c < BO_REQ_CLASS_COUNT; c++) {
			bool bad = now->cmp->cls
					   ? slo_class_matches(now->cmp->cls, (enum bo_req_class)c)
					   : bo_req_class_is_error((enum bo_req_class)c);

			ret.all += c != BO_REQ_INFLIGHT ? load->ended_per_s[c] : 0;
			ret.bad += bad ? load->ended_per_s[c] : 0;
			ret.ever_bad += bad ? load->ended_all[c] : 0;
		}
	}
	return ret;
}

double slo_live_error_ratio(const struct slo_now *now)
{
	struct ended n = count(now);

	return n.all >= MIN_ENDED_PER_S ? n.bad / n.all : NAN;
}

double slo_live_availability(const struct slo_now *now)
{
	return 1 - slo_live_error_ratio(now);
}

double slo_live_error_rate(const struct slo_now *now)
{
	return count(now).bad;
}

double slo_live_error_count(const struct slo_now *now)
{
	return count(now).ever_bad;
}

double slo_live_throughput(const struct slo_now *now)
{
	struct ended n = count(now);

	return n.offered > 0 ? n.good : NAN;
}

static double newest(const struct slo_now *now, const char *series)
{
	return now->state->value ? now->state->value(now->state->arg, series, now->node) : NAN;
}

double slo_live_sample(const struct slo_now *now)
{
	double value = newest(now, now->cmp->metric->series), limit;

	if (now->cmp->limit_kind != SLO_LIMIT_OF_LIMIT || isnan(value))
		return value;
	limit = newest(now, BO_SERIES_MEMORY_LIMIT);
	if (!(limit > 0))
		limit = (double)now->plan->nodes.items[now->node].memory_bytes;
	return limit > 0 ? value / limit : NAN;
}

static double rise(const struct slo_now *now, bool from_zero)
{
	struct slo_counter *counter = now->counter;
	double value = newest(now, now->cmp->metric->series);

	if (isnan(value))
		return NAN;
	if (!counter->seen)
		counter->last = from_zero ? 0 : value;
	counter->seen = true;
	/* A node that was started again counts from 0 again. */
	counter->risen += value >= counter->last ? value - counter->last : value;
	counter->last = value;
	return counter->risen;
}

double slo_live_rise(const struct slo_now *now)
{
	return rise(now, true);
}

double slo_live_rise_since(const struct slo_now *now)
{
	return rise(now, false);
}
