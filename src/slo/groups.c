/* SPDX-License-Identifier: Apache-2.0 */
/* slo/groups.c — selected goroutines as a series, so that every aggregate of goroutines works on them.
 *
 * A snapshot holds groups; a selector means some of their members.  The members of each snapshot
 * make a sample of a derived series, and the metric (worst, last, growth, slope …) is measured on
 * that series with all its rules about holes and base.  Where members are an interval there are two
 * series, the fewest and the most, and the answer lies between those of both.
 *
 * Owns: the derived series, for as long as a run is being judged.  Threads: none.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/nearest.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "eval.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "select.h"
#include "syntax.h"

/* Seen in so few snapshots that a lot may have been missed: what is in no group, above this share. */
#define HIDDEN_SHARE 0.01

/**
 * struct derived - what one selector found at one node
 * @few, @many: fewest and most members;  @exact: they are the same
 * @hidden, @cut, @blind: why they are not: goroutines in no group, in no dump, ages and stuck not known
 * @first_ns: when the node was first looked at
 * @remark: that nothing ever matched, and what comes near
 */
struct derived {
	const struct slo_cmp *cmp;
	int node;
	struct bo_series few;
	struct bo_series many;
	bool exact;
	bool hidden;
	bool cut;
	bool blind;
	int64_t first_ns;
	char remark[160];
};

struct slo_derived_cache {
	BO_VEC(struct derived *) items;
};

static void derived_free(struct derived *d)
{
	if (!d)
		return;
	bo_vec_done(&d->few.samples);
	bo_vec_done(&d->many.samples);
	free(d);
}

struct slo_derived_cache *slo_derived_new(void)
{
	return calloc(1, sizeof(struct slo_derived_cache));
}

void slo_derived_free(struct slo_derived_cache *cache)
{
	if (!cache)
		return;
	bo_vec_foreach(d, &cache->items)
		derived_free(*d);
	bo_vec_done(&cache->items);
	free(cache);
}

const struct bo_group_snapshot *slo_snapshot_next(const struct bo_run *run, int node, size_t *at)
{
	while (*at < run->snapshots.len) {
		const struct bo_group_snapshot *snap = &run->snapshots.items[(*at)++];

		if (snap->node == node)
			return snap;
	}
	return NULL;
}

static bool is_other(const struct bo_group *g)
{
	return strcmp(g->site, BO_GROUPS_OTHER) == 0;
}

uint64_t slo_snapshot_hidden(const struct bo_group_snapshot *snap, bool stuck)
{
	uint64_t known = 0, hidden;

	for (size_t i = 0; i < snap->ngroups; i++) {
		const struct bo_group *g = &snap->groups[i];

		if (!is_other(g))
			known += g->count;
		else if (stuck)
			known += g->count > g->stuck ? g->count - g->stuck : 0;
	}
	hidden = snap->total > known ? snap->total - known : 0;
	/* Of a text that was cut nobody knows what is missing, but that something is. */
	if (snap->truncated)
		return hidden ? hidden : 1;
	/* A few that came and went between two reads are no cause for doubt. */
	return (double)hidden > HIDDEN_SHARE * (double)snap->total ? hidden : 0;
}

bool slo_snapshot_tracks(const struct bo_group_snapshot *snap)
{
	/* Only who looks again and again at the same goroutines can tell; a dump cannot. */
	return strncmp(snap->source, "pprof", 5) != 0;
}

void slo_no_snapshots(const struct slo_ask *ask, char *buf, size_t size)
{
	const struct bo_series *s = bo_run_series(ask->ctx->run, BO_SERIES_GOROUTINES, ask->node);

	snprintf(buf, size, "no snapshot of the goroutines of %s was taken%s%s",
		 ask->ctx->plan->nodes.items[ask->node].name,
		 s && s->gaps.len && s->gaps.items[0].reason ? ": " : "",
		 s && s->gaps.len && s->gaps.items[0].reason ? s->gaps.items[0].reason : "");
}

/* ---- nothing matched ---- */

/* The text of @g that a selector's @key is held against. */
static const char *text_of(const struct bo_group *g, int key)
{
	return key == 0 ? g->site : key == 1 ? g->blocked_at : g->state;
}

/* The group whose text comes nearest to @wanted; the largest of equally near ones. */
static const char *nearest_text(const struct slo_ask *ask, int key, const char *wanted)
{
	const struct bo_group_snapshot *snap;
	const char *best = NULL;
	size_t at = 0, best_distance = SIZE_MAX;
	uint64_t best_count = 0;

	while ((snap = slo_snapshot_next(ask->ctx->run, ask->node, &at))) {
		for (size_t i = 0; i < snap->ngroups; i++) {
			const struct bo_group *g = &snap->groups[i];
			const char *text = text_of(g, key);
			size_t d = bo_nearest_distance(slo_short_name(wanted),
						       slo_short_name(text));

			if (!*text || d > best_distance ||
			    (d == best_distance && g->count <= best_count))
				continue;
			best = text;
			best_distance = d;
			best_count = g->count;
		}
	}
	return best;
}

static bool ever_matches(const struct slo_ask *ask, const struct slo_select *sel)
{
	const struct bo_group_snapshot *snap;
	size_t at = 0;

	while ((snap = slo_snapshot_next(ask->ctx->run, ask->node, &at))) {
		for (size_t i = 0; i < snap->ngroups; i++) {
			if (slo_select_group(sel, &snap->groups[i]))
				return true;
		}
	}
	return false;
}

static void remark_unseen(const struct slo_ask *ask, char *buf, size_t size)
{
	const struct slo_select *sel = ask->cmp->select;
	const struct {
		const char *what;
		const char *wanted;
		struct slo_select alone;
	} parts[] = { { "site", sel->site, { .site = sel->site } },
		      { "blocking site", sel->blocked_at, { .blocked_at = sel->blocked_at } },
		      { "state", sel->state, { .state = sel->state } } };
	const struct slo_select label = { .label = sel->label };

	for (int i = 0; i < (int)(sizeof(parts) / sizeof(parts[0])); i++) {
		const char *near;

		if (!parts[i].wanted || ever_matches(ask, &parts[i].alone))
			continue;
		near = nearest_text(ask, i, parts[i].wanted);
		snprintf(buf, size, "no goroutine of that %s was ever seen%s%.90s", parts[i].what,
			 near ? i == 0 ? "; nearest site seen: " : "; nearest seen: " : "",
			 near ? slo_short_name(near) : "");
		return;
	}
	if (sel->label && !ever_matches(ask, &label))
		snprintf(buf, size, "no goroutine with that label was ever seen");
	else
		snprintf(buf, size, "no goroutine ever matched all of that at once");
}

/* ---- the series ---- */

static int add_sample(struct derived *d, const struct slo_cmp *cmp,
		      const struct bo_group_snapshot *snap, bool *any, struct bo_err *err)
{
	const struct slo_select *sel = cmp->select;
	bool places = sel->site || sel->state || sel->blocked_at || sel->label;
	bool blind = (sel->older_ns || sel->stuck_text) && !slo_snapshot_tracks(snap);
	uint64_t few = 0, many = places ? slo_snapshot_hidden(snap, false) : 0;
	double whole = cmp->metric->unit == SLO_UNIT_RATIO && !(cmp->metric->flags & SLO_M_OVER)
			       ? (double)snap->total
			       : 1;

	for (size_t i = 0; i < snap->ngroups; i++) {
		uint64_t lo, hi;

		if ((places && is_other(&snap->groups[i])) ||
		    !slo_select_group(sel, &snap->groups[i]))
			continue;
		*any = true;
		slo_select_members(sel, &snap->groups[i], &lo, &hi);
		if (blind) {
			lo = 0;
			hi = snap->groups[i].count;
		}
		few += lo;
		many += hi;
	}
	if (whole < 1) /* a share of nothing */
		return 0;
	if (!slo_snapshot_tracks(snap))
		d->few.source = d->many.source = snap->source;
	d->exact &= few == many;
	d->hidden |= places && slo_snapshot_hidden(snap, false) > 0;
	d->cut |= snap->truncated;
	d->blind |= blind;
	if (!bo_vec_push(&d->few.samples, (struct bo_sample){ snap->t_ns, (double)few / whole }) ||
	    !bo_vec_push(&d->many.samples, (struct bo_sample){ snap->t_ns, (double)many / whole }))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	return 0;
}

static int derive(const struct slo_ask *ask, struct derived **ret, struct bo_err *err)
{
	const struct slo_cmp *cmp = ask->cmp;
	const struct bo_group_snapshot *snap;
	struct derived *d = calloc(1, sizeof(*d));
	bool any = false;
	size_t at = 0;

	if (!d || !bo_vec_push(&ask->ctx->derived->items, d)) {
		free(d);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	}
	d->cmp = cmp;
	d->node = d->few.node = d->many.node = ask->node;
	d->few.name = d->many.name = SLO_SERIES_GROUPS;
	d->exact = true;
	while ((snap = slo_snapshot_next(ask->ctx->run, ask->node, &at))) {
		int r = add_sample(d, cmp, snap, &any, err);

		if (r < 0)
			return r;
		if (d->few.samples.len == 1)
			d->first_ns = snap->t_ns;
	}
	if (!any && d->few.samples.len)
		remark_unseen(ask, d->remark, sizeof(d->remark));
	*ret = d;
	return 0;
}

static int derived_of(const struct slo_ask *ask, struct derived **ret, struct bo_err *err)
{
	bo_vec_foreach(it, &ask->ctx->derived->items) {
		if ((*it)->cmp->select == ask->cmp->select && (*it)->node == ask->node) {
			*ret = *it;
			return 0;
		}
	}
	return derive(ask, ret, err);
}

/* ---- the answer ---- */

static int measure_on(const struct slo_ask *ask, const struct bo_series *series,
		      struct slo_estimate *est, struct bo_err *err)
{
	struct slo_ask on = *ask;

	on.series = series;
	slo_estimate_none(est);
	return ask->cmp->metric->measure(&on, est, err);
}

/* By how much the base that delta takes away may be higher than the fewest say. */
static int base_spread(const struct slo_ask *ask, const struct derived *d, double *ret,
		       struct bo_err *err)
{
	double few, many;
	char why[256];
	int r = slo_base_median(ask, &d->few, &few, why, sizeof(why), err);

	if (r == 0)
		r = slo_base_median(ask, &d->many, &many, why, sizeof(why), err);
	if (r == 0)
		*ret = many - few;
	return r;
}

static const char *why_apart(const struct slo_ask *ask, const struct derived *d)
{
	const struct slo_select *sel = ask->cmp->select;

	if (d->cut)
		return "a dump was cut at 64MiB";
	if (d->hidden)
		return "there are more kinds of goroutines than are kept apart";
	if (d->blind)
		return "a dump does not tell ages or who is stuck; that takes the census";
	if (sel->older_ns && sel->stuck_text)
		return "age and being stuck are counted each by itself";
	return "ages are known at 1, 2, 5, 10, 15, 20, 30, 60, 120 and 300 s";
}

static int widen(const struct slo_ask *ask, const struct derived *d, struct slo_estimate *est,
		 struct bo_err *err)
{
	struct slo_estimate many;
	char lo[BO_UNIT_BUF], hi[BO_UNIT_BUF];
	double spread = 0;
	int r = measure_on(ask, &d->many, &many, err);

	if (r == 0 && (ask->cmp->metric->flags & SLO_M_NEEDS_BASE))
		r = base_spread(ask, d, &spread, err);
	if (r < 0)
		return r;
	if (est->breach_ns == SLO_NEVER)
		est->breach_ns = many.breach_ns;
	/* How fast a number grows that is not known to the unit is anybody's guess. */
	if (ask->cmp->metric->flags & SLO_M_OVER) {
		est->lower = -INFINITY;
		est->upper = INFINITY;
	} else {
		est->lower = fmin(est->lower, many.lower) - spread;
		est->upper = fmax(est->upper, many.upper) + spread;
	}
	if (est->lower < est->upper && !est->why[0])
		snprintf(est->why, sizeof(est->why), "between %s and %s match: %s",
			 slo_format(ask->cmp->metric->unit, est->value, lo),
			 slo_format(ask->cmp->metric->unit, many.value, hi), why_apart(ask, d));
	return 0;
}

/* Nobody can have been seen for longer than anybody looked. */
static void check_watch(const struct slo_ask *ask, const struct derived *d,
			struct slo_estimate *est)
{
	const struct slo_select *sel = ask->cmp->select;
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_ask_spans(ask, spans), first, end;
	char watched[BO_UNIT_BUF];
	int64_t last_ns;

	if (!sel->older_ns || !n)
		return;
	slo_samples(&d->few, spans[n - 1], &first, &end);
	if (end <= first)
		return;
	last_ns = d->few.samples.items[end - 1].t_ns;
	if (last_ns - d->first_ns >= sel->older_ns)
		return;
	est->upper = INFINITY;
	snprintf(est->why, sizeof(est->why),
		 "goroutines had been watched for only %s by then: nobody can be known to be older "
		 "than %s",
		 bo_format_duration(last_ns - d->first_ns, watched), sel->older_text);
}

/* Which of the selected it mostly is, when the limit was first broken. */
static void remark_largest(const struct slo_ask *ask, struct slo_estimate *est)
{
	const struct bo_group_snapshot *snap;
	const struct bo_group *largest = NULL;
	uint64_t most = 0;
	size_t at = 0;
	char name[128];

	if (est->breach_ns == SLO_NEVER || ask->base)
		return;
	while ((snap = slo_snapshot_next(ask->ctx->run, ask->node, &at))) {
		for (size_t i = 0; snap->t_ns == est->breach_ns && i < snap->ngroups; i++) {
			uint64_t lo, hi;

			if (!slo_select_group(ask->cmp->select, &snap->groups[i]))
				continue;
			slo_select_members(ask->cmp->select, &snap->groups[i], &lo, &hi);
			if (hi > most) {
				most = hi;
				largest = &snap->groups[i];
			}
		}
	}
	if (!largest)
		return;
	slo_group_name(largest, name, sizeof(name));
	snprintf(est->remark, sizeof(est->remark), "first %llu in %s", (unsigned long long)most,
		 name);
}

int slo_measure(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const struct slo_metric *metric = ask->cmp->metric;
	struct derived *d = NULL;
	int r;

	if (!ask->cmp->select || (metric->flags & SLO_M_SNAPSHOTS))
		return metric->measure(ask, est, err);
	r = derived_of(ask, &d, err);
	if (r < 0)
		return r;
	if (!d->few.samples.len) {
		slo_no_snapshots(ask, est->why, sizeof(est->why));
		return 0;
	}
	r = measure_on(ask, &d->few, est, err);
	if (r == 0 && !isnan(est->value) && !d->exact)
		r = widen(ask, d, est, err);
	if (r < 0 || isnan(est->value))
		return r;
	check_watch(ask, d, est);
	remark_largest(ask, est);
	if (d->remark[0])
		snprintf(est->remark, sizeof(est->remark), "%s", d->remark);
	return 0;
}
