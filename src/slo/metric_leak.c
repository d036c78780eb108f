/* SPDX-License-Identifier: Apache-2.0 */
/* slo/metric_leak.c — goroutines.leaked: how many goroutines were left behind for good.
 *
 * The last snapshot after load has ended is held against base, group by group (site, state, blocking
 * site).  Leaked are the members beyond base's highest count, as far as they are stuck, when they are
 * more than max(5, 1 % of the requests of fault and hold): a handful is no pattern.  What keeps them
 * from being called leaked:
 *  - they sleep, or the declared timeout is not over, or their number still falls: a backlog that
 *    drains.  The run cannot tell what will be left of it: INCONCLUSIVE;
 *  - they were there in hold and moved under the load of heal: idle workers of a pool that grew.
 * Whom the runtime's own detector (Go 1.26 and later) calls leaked counts at once, be it that the census
 * sees its mark or that the service was asked (run->leaks): that is proof, and needs no census.
 * docs/budgets.md, "What is a leak?", is the reference.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "brownout/base/vec.h"
#include "groups.h"
#include "metric.h"
#include "samples.h"
#include "scope.h"
#include "select.h"
#include "syntax.h"

/* Fewer than this is no pattern, and neither is a smaller share of what was asked of the service. */
#define LEAK_MIN 5
#define LEAK_SHARE 0.01
/* As many as it takes to call a goroutine stuck (see struct bo_group). */
#define LEAK_SNAPSHOTS 3
/* Between hold and settle a leak does not lose more than this share. */
#define LEAK_SHRINK 0.1

/** struct phase_view - the snapshots of one stretch of time: how many, and the last ones */
struct phase_view {
	struct slo_span span;
	size_t n;
	const struct bo_group_snapshot *last;
	const struct bo_group_snapshot *recent[LEAK_SNAPSHOTS];
};

/** struct leak_case - all that a verdict on one group needs; @heal.n is 0 but for settle */
struct leak_case {
	const struct slo_ask *ask;
	struct phase_view base;
	struct phase_view hold;
	struct phase_view heal;
	struct phase_view after;
	double bound;
};

/** struct tally - members with one key */
struct tally {
	uint64_t count;
	uint64_t stuck;
};

/** struct finding - what is summed up; @worst: of the leaked;  @proof: what says so, when it is the runtime;
 * @alive: most beyond base that move */
struct finding {
	double leaked;
	const char *proof;
	double doubtful;
	double worst_count;
	const struct bo_group *worst;
	double alive;
	const struct bo_group *alive_group;
	char why[256];
};

static struct phase_view view_of(const struct slo_ask *ask, struct slo_span span)
{
	const struct bo_group_snapshot *snap;
	struct phase_view v = { .span = span };
	size_t at = 0;

	while ((snap = slo_snapshot_next(ask->ctx->run, ask->node, &at))) {
		if (snap->t_ns < span.from_ns || snap->t_ns >= span.to_ns)
			continue;
		v.recent[v.n++ % LEAK_SNAPSHOTS] = snap;
		v.last = snap;
	}
	return v;
}

static struct phase_view view_phase(const struct slo_ask *ask, enum bo_phase phase)
{
	const struct bo_phase_span *s = &ask->ctx->run->phases[phase];

	if (!slo_phase_happened(ask->ctx->run, phase))
		return (struct phase_view){ 0 };
	return view_of(ask, (struct slo_span){ s->start_ns, s->end_ns });
}

static int order_group(const void *a, const void *b)
{
	const struct bo_group *x = *(const struct bo_group *const *)a,
			      *y = *(const struct bo_group *const *)b;
	int c = strcmp(x->site, y->site);

	if (!c)
		c = strcmp(x->state, y->state);
	return c ? c : strcmp(x->blocked_at, y->blocked_at);
}

/* The members of @snap that belong together with @g; those already proven are counted elsewhere. */
static struct tally members(const struct bo_group_snapshot *snap, const struct bo_group *g)
{
	struct tally t = { 0 };

	for (size_t i = 0; snap && i < snap->ngroups; i++) {
		const struct bo_group *other = &snap->groups[i];

		if (other->leaked || order_group(&other, &g) != 0)
			continue;
		t.count += other->count;
		t.stuck += other->stuck < other->count ? other->stuck : other->count;
	}
	return t;
}

static double base_count(const struct leak_case *c, const struct bo_group *g)
{
	const struct bo_group_snapshot *snap;
	uint64_t most = 0;
	size_t at = 0;

	while ((snap = slo_snapshot_next(c->ask->ctx->run, c->ask->node, &at))) {
		struct tally t;

		if (snap->t_ns < c->base.span.from_ns || snap->t_ns >= c->base.span.to_ns)
			continue;
		t = members(snap, g);
		most = t.count > most ? t.count : most;
	}
	return (double)most;
}

/* Why the members of @g beyond base may yet end, or NULL. */
static const char *may_yet_end(const struct leak_case *c, const struct bo_group *g, uint64_t now,
			       char *buf, size_t size)
{
	int64_t timeout = c->ask->ctx->plan->timeout_ns,
		since = c->after.last->t_ns - c->after.span.from_ns;
	double in_hold = (double)members(c->hold.last, g).count;
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];

	if (strcmp(g->state, "sleep") == 0)
		return "they sleep, and will wake";
	if (timeout > 0 && since <= timeout) {
		snprintf(buf, size, "load ended %s before, and the declared timeout is %s",
			 bo_format_duration(since, a), bo_format_duration(timeout, b));
		return buf;
	}
	for (int i = 0; i < LEAK_SNAPSHOTS; i++) {
		uint64_t before = members(c->after.recent[i], g).count;

		if (before <= now)
			continue;
		snprintf(buf, size, "their number still falls (%llu, then %llu)",
			 (unsigned long long)before, (unsigned long long)now);
		return buf;
	}
	if ((double)now < (1 - LEAK_SHRINK) * in_hold) {
		snprintf(buf, size, "they were %.0f in hold and have become fewer", in_hold);
		return buf;
	}
	return NULL;
}

static void add_leaked(struct finding *f, const struct bo_group *g, double n)
{
	f->leaked += n;
	if (n > f->worst_count) {
		f->worst_count = n;
		f->worst = g;
	}
}

static void judge_group(const struct leak_case *c, const struct bo_group *g, struct finding *f)
{
	struct tally now = members(c->after.last, g);
	double excess, amount, moved;
	char name[128], buf[96];
	const char *doubt;

	if ((double)now.count <= c->bound)
		return;
	excess = (double)now.count - base_count(c, g);
	amount = fmin(excess, (double)now.stuck);
	if (excess > c->bound && amount <= c->bound && excess > f->alive) {
		f->alive = excess;
		f->alive_group = g;
	}
	/* Of those that were there before heal and still are, so many have run under its load. */
	if (c->heal.n >= LEAK_SNAPSHOTS) {
		struct tally heal = members(c->heal.last, g);

		moved = fmin((double)members(c->hold.last, g).count, (double)heal.count) -
			(double)heal.stuck;
		amount -= moved > 0 ? moved : 0;
	}
	if (amount <= c->bound)
		return;
	doubt = may_yet_end(c, g, now.count, buf, sizeof(buf));
	if (doubt) {
		slo_group_name(g, name, sizeof(name));
		f->doubtful += amount;
		if (!f->why[0])
			snprintf(f->why, sizeof(f->why), "%.0f more than in base in %s: %s", amount,
				 name, doubt);
		return;
	}
	add_leaked(f, g, amount);
}

/* What the runtime itself has found needs no base and no patience. */
static void judge_proven(const struct leak_case *c, struct finding *f)
{
	const struct bo_group_snapshot *snap = c->after.last;

	for (size_t i = 0; i < snap->ngroups; i++) {
		const struct bo_group *g = &snap->groups[i];

		if (g->leaked && slo_select_group(c->ask->cmp->select, g)) {
			add_leaked(f, g, (double)g->count);
			f->proof = snap->source;
		}
	}
}

/* The detector's own list, which is of settle.  It holds those that the census saw marked, too: the longer list counts. */
static void judge_list(const struct slo_ask *ask, struct finding *f)
{
	const struct bo_group_snapshot *list = NULL;
	struct finding listed = { 0 };

	bo_vec_foreach(it, &ask->ctx->run->leaks)
		if (it->node == ask->node)
			list = it;
	for (size_t i = 0; list && i < list->ngroups; i++)
		if (slo_select_group(ask->cmp->select, &list->groups[i]))
			add_leaked(&listed, &list->groups[i], (double)list->groups[i].count);
	if (listed.leaked <= f->leaked)
		return;
	f->leaked = listed.leaked;
	f->worst = listed.worst;
	f->worst_count = listed.worst_count;
	f->proof = list->source;
}

/* Every key of the last snapshot once. */
static int judge_groups(const struct leak_case *c, struct finding *f, struct bo_err *err)
{
	const struct bo_group_snapshot *snap = c->after.last;
	const struct bo_group **keys = calloc(snap->ngroups + 1, sizeof(*keys));
	size_t n = 0;

	if (!keys)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SLO, "out of memory");
	for (size_t i = 0; i < snap->ngroups; i++) {
		const struct bo_group *g = &snap->groups[i];

		if (!g->leaked && strcmp(g->site, BO_GROUPS_OTHER) != 0 &&
		    slo_select_group(c->ask->cmp->select, g))
			keys[n++] = g;
	}
	qsort(keys, n, sizeof(*keys), order_group);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || order_group(&keys[i - 1], &keys[i]) != 0)
			judge_group(c, keys[i], f);
	}
	free(keys);
	return 0;
}

/* Why this run cannot show a leak at all, or that there is none. */
static bool blind(const struct leak_case *c, char *why, size_t size)
{
	char gap[BO_UNIT_BUF];
	int64_t silence;

	if (c->after.last && !slo_snapshot_tracks(c->after.last)) {
		snprintf(why, size, "%s does not tell who is stuck; that takes the census",
			 c->after.last->source);
		return true;
	}
	if (c->after.n < LEAK_SNAPSHOTS) {
		snprintf(why, size, "%zu snapshots after load ended; a leak takes %d to tell",
			 c->after.n, LEAK_SNAPSHOTS);
		return true;
	}
	if (c->base.n < SLO_MIN_BASE_SAMPLES) {
		snprintf(why, size, "%zu snapshots in base; what is normal takes %d to tell",
			 c->base.n, SLO_MIN_BASE_SAMPLES);
		return true;
	}
	silence = c->after.span.to_ns - c->after.last->t_ns;
	if (silence >
	    SLO_STALE_INTERVALS * slo_thinned_ns(c->ask->ctx->run, SLO_SNAPSHOT_INTERVAL_NS,
						 BO_DENSE_SNAPSHOTS, c->after.last->t_ns)) {
		snprintf(why, size, "no snapshot in the last %s", bo_format_duration(silence, gap));
		return true;
	}
	if ((double)slo_snapshot_hidden(c->after.last, true) > c->bound) {
		snprintf(why, size, "%llu goroutines are in no group: there were too many kinds",
			 (unsigned long long)slo_snapshot_hidden(c->after.last, true));
		return true;
	}
	return false;
}

/* Requests that reached for the service while the fault was on. */
static size_t requests_in_fault(const struct slo_ctx *ctx)
{
	struct slo_span spans[BO_PHASE_COUNT];
	size_t n = slo_spans(ctx->run, SLO_PHASE_BIT(BO_PHASE_FAULT) | SLO_PHASE_BIT(BO_PHASE_HOLD),
			     spans),
	       requests = 0;

	for (size_t s = 0; s < n; s++) {
		size_t i = slo_lower_bound(ctx->by_intended, ctx->nreqs, false, spans[s].from_ns);

		for (; i < ctx->nreqs && ctx->by_intended[i]->intended_ns < spans[s].to_ns; i++)
			requests += ctx->by_intended[i]->cls != BO_REQ_SHED;
	}
	return requests;
}

/* The judged phase with whatever came before it without load. */
static struct slo_span drained_span(const struct bo_run *run, enum bo_phase phase)
{
	struct slo_span span = { run->phases[phase].start_ns, run->phases[phase].end_ns };

	for (int i = (int)phase - 1; i > BO_PHASE_BASE; i--) {
		if (!slo_phase_happened(run, (enum bo_phase)i))
			continue;
		if (bo_phase_has_load((enum bo_phase)i))
			break;
		span.from_ns = run->phases[i].start_ns;
	}
	return span;
}

static void build_case(const struct slo_ask *ask, enum bo_phase phase, struct leak_case *c)
{
	*c = (struct leak_case){ .ask = ask };
	c->base = view_phase(ask, BO_PHASE_BASE);
	if (phase == BO_PHASE_SETTLE) {
		c->hold = view_phase(ask, BO_PHASE_HOLD);
		c->heal = view_phase(ask, BO_PHASE_HEAL);
	}
	c->after = view_of(ask, drained_span(ask->ctx->run, phase));
	c->bound = fmax(LEAK_MIN, LEAK_SHARE * (double)requests_in_fault(ask->ctx));
}

static void answer(const struct leak_case *c, const struct finding *f, struct slo_estimate *est)
{
	char name[128];

	est->value = est->lower = est->upper = f->leaked;
	if (blind(c, est->why, sizeof(est->why))) {
		est->upper = INFINITY;
	} else if (f->doubtful > 0) {
		est->upper += f->doubtful;
		snprintf(est->why, sizeof(est->why), "%s", f->why);
	}
	/* Not stuck, so not leaked by this rule; but a heartbeat that nobody stops looks like that. */
	if (f->alive_group && !f->worst) {
		slo_group_name(f->alive_group, name, sizeof(name));
		snprintf(est->remark, sizeof(est->remark),
			 "%.0f more than in base still run in %.90s: judge them by count or delta",
			 f->alive, name);
	}
	if (f->worst)
		slo_group_name(f->worst, est->where, sizeof(est->where));
	if (f->proof)
		snprintf(est->remark, sizeof(est->remark), "Go's own leak detector says so (%.60s)",
			 f->proof);
	if (c->after.last && !isnan(c->ask->limit) &&
	    slo_breaks(c->ask->cmp->op, est->value, c->ask->limit))
		est->breach_ns = c->after.last->t_ns;
}

static int measure_leaked(const struct slo_ask *ask, struct slo_estimate *est, struct bo_err *err)
{
	const struct bo_run *run = ask->ctx->run;
	enum bo_phase phase = BO_PHASE_HOLD;
	struct finding f = { 0 };
	struct leak_case c;
	size_t at = 0;
	int r = 0;

	if ((ask->phases & SLO_PHASE_BIT(BO_PHASE_SETTLE)) &&
	    slo_phase_happened(run, BO_PHASE_SETTLE))
		phase = BO_PHASE_SETTLE;
	if (!slo_phase_happened(run, phase)) {
		snprintf(est->why, sizeof(est->why), "phase '%s' did not happen",
			 bo_phase_name(phase));
		return 0;
	}
	build_case(ask, phase, &c);
	if (c.after.last)
		judge_proven(&c, &f);
	if (c.after.n >= LEAK_SNAPSHOTS && c.base.n >= SLO_MIN_BASE_SAMPLES &&
	    slo_snapshot_tracks(c.after.last))
		r = judge_groups(&c, &f, err);
	if (phase == BO_PHASE_SETTLE)
		judge_list(ask, &f);
	if (r == 0 && (c.after.last || f.proof)) {
		answer(&c, &f, est);
	} else if (r == 0) {
		blind(&c, est->why, sizeof(est->why));
	}
	if (!slo_snapshot_next(run, ask->node, &at))
		slo_no_snapshots(ask, est->why, sizeof(est->why));
	return r;
}

const struct slo_metric slo_leak_metrics[] = {
	{ .name = "goroutines.leaked",
	  .help = "goroutines left behind for good",
	  .label = "leaked",
	  .series = BO_SERIES_GOROUTINES,
	  .unit = SLO_UNIT_COUNT,
	  .flags = SLO_M_NODE | SLO_M_AT | SLO_M_EQUAL | SLO_M_NEEDS_BASE | SLO_M_GROUPS |
		   SLO_M_SNAPSHOTS,
	  .scope = SLO_SCOPE_DRAINED,
	  .measure = measure_leaked },
	{ 0 },
};
