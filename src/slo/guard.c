/* SPDX-License-Identifier: Apache-2.0 */
/* slo/guard.c — guards: what they can watch, and when they fire.
 *
 * A guard is a comparison of the budget language with an optional "for DURATION", held against the
 * live state a few times a second.  It is a fuse, not a verdict: it looks at the last second as it was
 * seen, without confidence bounds.  "for" asks that every state of so long a stretch was out of
 * bounds; a state that says nothing (no answer in that second, no sample) neither breaks the stretch
 * nor makes it longer, unless the silence lasts.
 *
 * Load is watched only while it runs, and not in its first two seconds: the last full second may
 * still be one before it.
 *
 * Owns: the parsed form, and per target what it has seen.  Threads: one at a time.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/arena.h"
#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "brownout/slo/guard.h"
#include "check.h"
#include "eval.h"
#include "live.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "syntax.h"

#define SILENCE_NS (2 * BO_NSEC_PER_SEC)
#define RUN_IN_NS (2 * BO_NSEC_PER_SEC)

/* struct track - one node, or the load as a whole;  @counter: of a metric that counts;  @since_ns: start of the stretch
 * out of bounds */
struct track {
	BO_VEC(double) base;
	double base_median;
	struct slo_counter counter;
	int64_t since_ns;
	int64_t last_ns;
	double least;
	double most;
};

struct bo_guard {
	struct bo_arena arena;
	struct slo_cmp cmp;
	BO_VEC(struct track) tracks;
	int64_t load_since_ns;
	int64_t base_since_ns;
	bool fired;
};

/* ---- what can be watched ---- */

/* Of the loads that count together: requests in flight, or @open connections. */
static double of_loads(const struct slo_now *now, bool open)
{
	double sum = 0;

	for (size_t i = 0; i < now->state->nloads; i++) {
		const struct bo_load_live *load = &now->state->loads[i];

		if (slo_load_counts(now->plan, now->cmp, (unsigned)i))
			sum += (double)(open ? load->connections : load->inflight);
	}
	return sum;
}

static double inflight(const struct slo_now *now)
{
	return of_loads(now, false);
}

static double connections(const struct slo_now *now)
{
	return of_loads(now, true);
}

static double wall(const struct slo_now *now)
{
	return (double)now->state->t_ns;
}

/* What no budget judges; all else is a row of a budget metric with a @live. */
static const struct slo_metric metrics[] = {
	{ .name = "inflight",
	  .unit = SLO_UNIT_COUNT,
	  .flags = SLO_M_REQUESTS | SLO_M_BASE,
	  .live = inflight },
	{ .name = "connections",
	  .unit = SLO_UNIT_COUNT,
	  .flags = SLO_M_REQUESTS | SLO_M_BASE,
	  .live = connections },
	{ .name = "wall", .unit = SLO_UNIT_DURATION, .live = wall },
};
#define NMETRICS (sizeof(metrics) / sizeof(metrics[0]))

const struct slo_metric *slo_guard_metric_find(const char *name, size_t len, double *ret_quantile)
{
	for (size_t i = 0; i < NMETRICS; i++) {
		if (strlen(metrics[i].name) == len && memcmp(metrics[i].name, name, len) == 0) {
			*ret_quantile = NAN;
			return &metrics[i];
		}
	}
	return slo_metric_find(name, len, ret_quantile);
}

const char *const *slo_guard_metric_names(void)
{
	static const char *names[64];
	size_t n = 0;

	/* Idempotent: every call writes the same pointers. */
	for (size_t i = 0; i < NMETRICS; i++)
		names[n++] = metrics[i].name;
	for (const char *const *name = slo_metric_names(); *name && n < 63; name++) {
		double quantile;

		if (slo_metric_find(*name, strlen(*name), &quantile)->live)
			names[n++] = *name;
	}
	names[n] = NULL;
	return names;
}

/* ---- parse, print, check ---- */

int bo_guard_parse(struct bo_guard **ret, const char *text, struct bo_err *err)
{
	struct bo_guard *guard = calloc(1, sizeof(*guard));
	struct bo_err local = { 0 };
	int r;

	if (!guard)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	guard->load_since_ns = guard->base_since_ns = SLO_NEVER;
	r = slo_parse_guard(text, &guard->arena, &guard->cmp, &local);
	if (r < 0) {
		if (err)
			*err = local;
		bo_guard_free(guard);
		return r;
	}
	*ret = guard;
	return 0;
}

void bo_guard_free(struct bo_guard *guard)
{
	if (!guard)
		return;
	bo_vec_foreach(track, &guard->tracks)
		bo_vec_done(&track->base);
	bo_vec_done(&guard->tracks);
	bo_arena_done(&guard->arena);
	free(guard);
}

void bo_guard_print(const struct bo_guard *guard, struct bo_strbuf *out)
{
	struct slo_cmp bare = guard->cmp;

	bare.over_ns = 0;
	bo_strbuf_puts(out, "halt when ");
	slo_cmp_print(&bare, out);
	if (guard->cmp.over_ns)
		bo_strbuf_printf(out, " for %s", guard->cmp.over_text);
}

/* Does it hang on what is seen in phase base? */
static bool needs_base(const struct slo_cmp *cmp)
{
	return slo_limit_of_base(cmp) || cmp->metric->flags & SLO_M_NEEDS_BASE;
}

int bo_guard_check(const struct bo_guard *guard, const struct bo_plan *plan, struct bo_err *err)
{
	const struct slo_cmp *cmp = &guard->cmp;
	/* The run-in, and a second to look at. */
	int64_t least = cmp->metric->flags & SLO_M_REQUESTS ? RUN_IN_NS + BO_NSEC_PER_SEC
							    : BO_NSEC_PER_SEC;
	char want[BO_UNIT_BUF], have[BO_UNIT_BUF];
	int r;

	if (needs_base(cmp) && plan->phase_ns[BO_PHASE_BASE] < least)
		return slo_err_at(err, slo_limit_of_base(cmp) ? cmp->limit_col : cmp->metric_col,
				  "%s is compared with base: expected a phase 'base' of at least "
				  "%s, found %s",
				  cmp->metric_text, bo_format_duration(least, want),
				  bo_format_duration(plan->phase_ns[BO_PHASE_BASE], have));
	r = slo_check_timeout(cmp, plan, err);
	return r < 0 ? r : slo_check_target(cmp, plan, err);
}

/* ---- state ---- */

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* NAN: not known (yet). */
static double base_median(struct track *t)
{
	if (isnan(t->base_median) && t->base.len >= SLO_MIN_BASE_SAMPLES) {
		qsort(t->base.items, t->base.len, sizeof(double), order);
		t->base_median = t->base.items[t->base.len / 2];
	}
	return t->base_median;
}

/* NAN: not known (yet). */
static double limit_of(const struct slo_cmp *cmp, const struct bo_plan *plan, struct track *t)
{
	switch (cmp->limit_kind) {
	case SLO_LIMIT_FACTOR:
		return cmp->limit * base_median(t);
	case SLO_LIMIT_OFFSET:
		return cmp->limit + base_median(t);
	case SLO_LIMIT_OF_LIMIT:
		return cmp->limit;
	default:
		return slo_limit_fixed(cmp, plan);
	}
}

/* "out of bounds" is where the comparison of a guard holds. */
static bool track_feed(const struct slo_cmp *cmp, struct track *t, double value, double limit,
		       int64_t t_ns)
{
	bool out = !slo_breaks(cmp->op, value, limit);

	if (t->since_ns != SLO_NEVER && t_ns - t->last_ns > SILENCE_NS)
		t->since_ns = SLO_NEVER;
	if (isnan(value) || isnan(limit))
		return false;
	if (!out) {
		t->since_ns = SLO_NEVER;
		return false;
	}
	if (t->since_ns == SLO_NEVER) {
		t->since_ns = t_ns;
		t->least = t->most = value;
	}
	t->last_ns = t_ns;
	t->least = value < t->least ? value : t->least;
	t->most = value > t->most ? value : t->most;
	return t_ns - t->since_ns >= cmp->over_ns;
}

static void say(const struct bo_guard *guard, const struct track *t, const char *node, double limit,
		char *buf, size_t size)
{
	const struct slo_cmp *cmp = &guard->cmp;
	enum slo_unit unit = slo_cmp_unit(cmp);
	char least[BO_UNIT_BUF], most[BO_UNIT_BUF], from[BO_UNIT_BUF], at[BO_UNIT_BUF], was[128],
		base[80] = "";
	struct bo_strbuf text = { 0 };

	bo_guard_print(guard, &text);
	slo_format(unit, t->least, least);
	slo_format(unit, t->most, most);
	if (strcmp(least, most) == 0)
		snprintf(was, sizeof(was), "%s", least);
	else
		snprintf(was, sizeof(was), "%s to %s", least, most);
	if (cmp->limit_kind != SLO_LIMIT_ABSOLUTE && cmp->limit_kind != SLO_LIMIT_OF_LIMIT)
		snprintf(base, sizeof(base), " (limit %s)", slo_format(unit, limit, from));
	bo_format_duration(t->since_ns, from);
	bo_format_duration(t->last_ns, at);
	if (t->since_ns == t->last_ns)
		snprintf(buf, size, "%s: %s%s%s%s at %s", bo_strbuf_str(&text), node ? node : "",
			 node ? " " : "", was, base, at);
	else
		snprintf(buf, size, "%s: %s%s%s%s from %s to %s", bo_strbuf_str(&text),
			 node ? node : "", node ? " " : "", was, base, from, at);
	bo_strbuf_done(&text);
}

/* When load and base began, as far as the states tell. */
static void note_phase(struct bo_guard *guard, const struct bo_live_state *now)
{
	bool load = bo_phase_has_load(now->phase), base = now->phase == BO_PHASE_BASE;

	if (!load)
		guard->load_since_ns = SLO_NEVER;
	else if (guard->load_since_ns == SLO_NEVER)
		guard->load_since_ns = now->t_ns;
	if (!base)
		guard->base_since_ns = SLO_NEVER;
	else if (guard->base_since_ns == SLO_NEVER)
		guard->base_since_ns = now->t_ns;
}

static struct track *track_at(struct bo_guard *guard, size_t index)
{
	while (guard->tracks.len <= index) {
		if (!bo_vec_push(&guard->tracks,
				 (struct track){ .base_median = NAN, .since_ns = SLO_NEVER }))
			return NULL;
	}
	return &guard->tracks.items[index];
}

/* One node, or the load as a whole;  @silent: nothing can be told of it yet, or any more */
static bool feed_one(struct bo_guard *guard, const struct bo_plan *plan,
		     const struct bo_live_state *state, int node, bool silent, char *buf,
		     size_t size)
{
	const struct slo_cmp *cmp = &guard->cmp;
	struct slo_now now = { .cmp = cmp, .plan = plan, .state = state, .node = node };
	struct track *t = track_at(guard, (size_t)node);
	int64_t run_in_ns = cmp->metric->flags & SLO_M_REQUESTS ? RUN_IN_NS : 0;
	double value;

	if (!t) {
		/* A fuse that cannot remember has blown. */
		snprintf(buf, size, "a guard is out of memory");
		return true;
	}
	now.counter = &t->counter;
	value = silent ? NAN : cmp->metric->live(&now);
	if (needs_base(cmp) && state->phase <= BO_PHASE_BASE) {
		/* One value less is no harm when memory is short. */
		if (guard->base_since_ns != SLO_NEVER &&
		    state->t_ns - guard->base_since_ns >= run_in_ns && !isnan(value))
			(void)bo_vec_push(&t->base, value);
		return false;
	}
	if (cmp->metric->flags & SLO_M_NEEDS_BASE)
		value -= base_median(t);
	if (!track_feed(cmp, t, value, limit_of(cmp, plan, t), state->t_ns))
		return false;
	say(guard, t, cmp->metric->flags & SLO_M_NODE ? plan->nodes.items[node].name : NULL,
	    limit_of(cmp, plan, t), buf, size);
	return true;
}

static bool feed_nodes(struct bo_guard *guard, const struct bo_plan *plan,
		       const struct bo_live_state *now, char *buf, size_t size)
{
	const struct slo_cmp *cmp = &guard->cmp;

	for (size_t i = 0; i < plan->nodes.len; i++) {
		const struct bo_node_spec *spec = &plan->nodes.items[i];

		if (cmp->node ? strcmp(spec->name, cmp->node) != 0 : spec->role != BO_ROLE_SUBJECT)
			continue;
		if (feed_one(guard, plan, now, (int)i, false, buf, size))
			return true;
	}
	return false;
}

bool bo_guard_feed(struct bo_guard *guard, const struct bo_plan *plan,
		   const struct bo_live_state *now, char *buf, size_t size)
{
	unsigned flags = guard->cmp.metric->flags;
	bool silent;

	if (guard->fired)
		return true;
	note_phase(guard, now);
	silent = (flags & SLO_M_REQUESTS) && (guard->load_since_ns == SLO_NEVER ||
					      now->t_ns - guard->load_since_ns < RUN_IN_NS);
	guard->fired = flags & SLO_M_NODE ? feed_nodes(guard, plan, now, buf, size)
					  : feed_one(guard, plan, now, 0, silent, buf, size);
	return guard->fired;
}
