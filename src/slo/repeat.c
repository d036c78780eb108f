/* SPDX-License-Identifier: Apache-2.0 */
/* slo/repeat.c — several runs of one scenario as one verdict, and two sets of runs compared.
 *
 * Every run stands for itself: one FAIL is not outvoted by nine PASSes, for it says what the service
 * can do; and a run that could not tell is not covered up by those that could.  How often verdicts
 * change their mind is said beside it, with its interval, since five runs say little of that.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/model/run.h"
#include "brownout/slo/repeat.h"
#include "rank.h"
#include "stats.h"

/* Two-sided 95 %, as people expect of an interval that decides nothing. */
#define REPORT_ALPHA 0.025

static enum bo_outcome overall(const struct bo_repeat *r)
{
	if (r->count[BO_FAIL])
		return BO_FAIL;
	if (r->count[BO_ABORTED])
		return BO_ABORTED;
	return r->runs && r->count[BO_PASS] == r->runs ? BO_PASS : BO_INCONCLUSIVE;
}

static void say(struct bo_repeat *r)
{
	static const enum bo_outcome order[] = { BO_PASS, BO_FAIL, BO_INCONCLUSIVE, BO_ABORTED };
	enum bo_outcome most = BO_PASS;
	size_t used;

	if (!r->runs) {
		snprintf(r->text, sizeof(r->text), "no run");
		return;
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (r->count[order[i]] > r->count[most])
			most = order[i];
	}
	snprintf(r->text, sizeof(r->text), "%zu of %zu %s", r->count[most], r->runs,
		 bo_outcome_name(most));
	/* Of two kinds the other is what is left. */
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		used = strlen(r->text);
		if (order[i] != most && r->count[order[i]] &&
		    !(r->flaky && r->count[BO_PASS] + r->count[BO_FAIL] == r->runs))
			snprintf(r->text + used, sizeof(r->text) - used, ", %zu %s",
				 r->count[order[i]], bo_outcome_name(order[i]));
	}
	used = strlen(r->text);
	if (r->flaky)
		snprintf(r->text + used, sizeof(r->text) - used,
			 ": flaky (%.0f %%, 95 %% CI %.0f–%.0f %%)", 100 * r->flake_ratio,
			 100 * r->flake_lower, 100 * r->flake_upper);
	else if (!isnan(r->flake_ratio))
		snprintf(r->text + used, sizeof(r->text) - used, " (flake rate 95 %% CI 0–%.0f %%)",
			 100 * r->flake_upper);
}

void bo_repeat_judge(const enum bo_outcome *outcomes, size_t n, struct bo_repeat *ret)
{
	size_t decided, lesser;

	*ret = (struct bo_repeat){
		.runs = n, .flake_ratio = NAN, .flake_lower = 0, .flake_upper = 1
	};
	for (size_t i = 0; i < n; i++)
		ret->count[outcomes[i]]++;
	ret->outcome = overall(ret);
	decided = ret->count[BO_PASS] + ret->count[BO_FAIL];
	lesser = ret->count[BO_PASS] < ret->count[BO_FAIL] ? ret->count[BO_PASS]
							   : ret->count[BO_FAIL];
	ret->flaky = lesser > 0;
	if (decided) {
		ret->flake_ratio = (double)lesser / (double)decided;
		slo_share_interval((double)lesser, (double)decided, REPORT_ALPHA, &ret->flake_lower,
				   &ret->flake_upper);
	}
	say(ret);
}

/* ---- two sets of runs ---- */

static size_t logs(const double *v, size_t n, double *ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (isfinite(v[i]) && v[i] > 0)
			ret[kept++] = log(v[i]);
	}
	return kept;
}

static void put_percent(char *buf, size_t size, double ratio)
{
	if (isinf(ratio))
		snprintf(buf, size, "unknown");
	else
		snprintf(buf, size, "%+.1f", 100 * (ratio - 1));
}

static void say_shift(struct bo_shift *s)
{
	char lower[32], upper[32];

	if (isnan(s->ratio)) {
		snprintf(s->text, sizeof(s->text), "nothing to compare, n %zu and %zu", s->na,
			 s->nb);
		return;
	}
	put_percent(lower, sizeof(lower), s->lower > 0 ? s->lower : INFINITY);
	put_percent(upper, sizeof(upper), s->upper);
	snprintf(s->text, sizeof(s->text), "%+.1f %% (95 %% CI %s to %s %%), p %.2g, n %zu and %zu",
		 100 * (s->ratio - 1), lower, upper, s->p, s->na, s->nb);
}

int bo_shift_compare(const double *a, size_t na, const double *b, size_t nb, struct bo_shift *ret,
		     struct bo_err *err)
{
	double *la = calloc(na + 1, sizeof(*la)), *lb = calloc(nb + 1, sizeof(*lb));
	struct bo_shift out = { .ratio = NAN, .upper = INFINITY, .p = NAN, .superiority = NAN };
	struct slo_rank rank;
	int r = 0;

	if (!la || !lb)
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	if (r == 0) {
		out.na = logs(a, na, la);
		out.nb = logs(b, nb, lb);
	}
	if (r == 0 && out.na && out.nb) {
		r = slo_rank(&(struct slo_sample){ la, NULL, out.na },
			     &(struct slo_sample){ lb, NULL, out.nb }, REPORT_ALPHA, 1, 1, &rank,
			     err);
		if (r == 0) {
			out.ratio = exp(rank.shift);
			out.lower = exp(rank.lower);
			out.upper = exp(rank.upper);
			out.p = rank.p;
			out.superiority = rank.superiority;
		}
	}
	free(la);
	free(lb);
	if (r < 0)
		return r;
	say_shift(&out);
	*ret = out;
	return 0;
}
