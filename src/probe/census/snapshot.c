/* SPDX-License-Identifier: Apache-2.0 */
/* census/snapshot.c — the census itself: walk, add up, look where one of each stands, merge, sort.
 * All buffers belong to the snapshot or the handle and are used again, so that a steady state allocates nothing.
 * Owns: struct bo_census_snapshot_private.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/vec.h"
#include "group.h"

struct bo_census_snapshot_private {
	struct bo_goshapes shapes;
	struct bo_gostack stack;
	struct bo_census_group *groups;
	size_t groups_cap;
	BO_VEC(struct bo_census_frame) frames;
	BO_VEC(size_t) first_frame; /* of each group, in @frames, which may move while it grows */
	uint16_t *buckets;          /* groups by their key: index + 1 */
};

#define BUCKETS (BO_GOSHAPES_MAX * 2)

static const struct bo_census_frame no_frame = { .func = "", .outer = "", .file = "" };

struct adding {
	struct bo_census *census;
	struct bo_census_snapshot *snap;
	unsigned detail;
	int failed;
};

static void add_chunk(void *self, const struct bo_gorec *recs, size_t n, uint64_t first)
{
	struct adding *a = self;

	if (a->detail & BO_CENSUS_TRACK && bo_gotrack_reserve(&a->census->track, first + n)) {
		a->failed = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		bo_goshapes_add(&a->snap->priv->shapes, a->census, a->snap, a->detail, &recs[i],
				first + i);
}

static int prepare(struct bo_census *census, unsigned detail, struct bo_census_snapshot *snap)
{
	struct bo_census_snapshot_private *p = snap->priv;

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		snap->priv = p;
		p->buckets = malloc(BUCKETS * sizeof(*p->buckets));
		if (!p->buckets)
			return -ENOMEM;
	}
	if (!p->buckets || bo_goshapes_init(&p->shapes))
		return -ENOMEM;
	if (detail & BO_CENSUS_LABELS) {
		if (!census->labels && bo_golabels_new(&census->labels))
			return -ENOMEM;
		bo_golabels_begin(census->labels);
	}
	memset(p->buckets, 0, BUCKETS * sizeof(*p->buckets));
	p->frames.len = 0;
	p->first_frame.len = 0;
	*snap = (struct bo_census_snapshot){ .priv = p, .groups = p->groups };
	return 0;
}

static struct bo_census_frame first_frame(struct bo_census *census, uint64_t pc)
{
	return pc ? bo_gosites_get(&census->sites, pc)->frames[0] : no_frame;
}

/* Sites and labels are interned: equal lines have equal pointers. */
static bool same_group(const struct bo_census_group *a, const struct bo_census_group *b)
{
	return a->state == b->state && a->reason == b->reason && a->created.pc == b->created.pc &&
	       a->start.pc == b->start.pc && a->labels == b->labels &&
	       a->blocked.func == b->blocked.func && a->blocked.file == b->blocked.file &&
	       a->blocked.line == b->blocked.line;
}

static size_t group_bucket(const struct bo_census_group *g)
{
	uint64_t h = g->created.pc * UINT64_C(0x9e3779b97f4a7c15) ^ g->start.pc;

	h ^= (uint64_t)(uintptr_t)g->reason ^ (uint64_t)(uintptr_t)g->labels << 7 ^
	     (uint64_t)(uintptr_t)g->blocked.func << 13 ^
	     (uint64_t)(unsigned)g->blocked.line << 40 ^ g->state;
	return (size_t)((h * UINT64_C(0xbf58476d1ce4e5b9)) >> 40) % BUCKETS;
}

static void merge(struct bo_census_group *into, const struct bo_census_group *g)
{
	into->count += g->count;
	into->locked += g->locked;
	if (g->unmoved && (!into->unmoved || g->unmoved_ns < into->unmoved_ns))
		into->unmoved_ns = g->unmoved_ns;
	into->unmoved += g->unmoved;
	if (g->age_min_ns < into->age_min_ns)
		into->age_min_ns = g->age_min_ns;
	if (g->age_max_ns > into->age_max_ns)
		into->age_max_ns = g->age_max_ns;
	for (size_t i = 0; i < BO_CENSUS_AGES_MAX; i++)
		into->older[i] += g->older[i];
	if (g->waited_max_ns > into->waited_max_ns)
		into->waited_max_ns = g->waited_max_ns;
}

static void fill_group(struct bo_census *census, const struct bo_goshape *s,
		       const struct bo_gostack *stack, struct bo_census_group *ret)
{
	const struct bo_goshape_key *key = &s->key;

	*ret = (struct bo_census_group){
		.state = key->state,
		.reason = bo_goreason(census, key->state, key->reason),
		/* The runtime starts the main goroutine from assembly: nothing that anybody wrote. */
		.created = first_frame(
			census, key->gopc && key->startpc != census->main_pc ? key->gopc - 1 : 0),
		.start = first_frame(census, key->startpc),
		.blocked = stack->blocked ? *stack->blocked : no_frame,
		.labels = bo_golabels_text(census->labels, key->labels),
		.system = key->system,
		.count = s->count,
		.locked = s->locked,
		.unmoved = s->unmoved,
		.unmoved_ns = s->unmoved_ns,
		.age_min_ns = s->age_min_ns,
		.age_max_ns = s->age_max_ns,
		.waited_max_ns = s->waited_max_ns,
		.goid = s->witness.goid,
		.parent = s->witness.parent,
	};
	memcpy(ret->older, s->older, sizeof(ret->older));
}

/* Append the group, or merge it into an equal one. */
static int put_group(struct bo_census_snapshot *snap, const struct bo_census_group *g)
{
	struct bo_census_snapshot_private *p = snap->priv;
	size_t i = group_bucket(g);

	for (; p->buckets[i]; i = (i + 1) % BUCKETS)
		if (same_group(&p->groups[p->buckets[i] - 1], g)) {
			merge(&p->groups[p->buckets[i] - 1], g);
			return 0;
		}
	if (!bo_vec_reserve(&p->frames, p->frames.len + p->stack.n) ||
	    !bo_vec_push(&p->first_frame, p->frames.len))
		return -ENOMEM;
	for (size_t k = 0; k < p->stack.n; k++)
		p->frames.items[p->frames.len++] = p->stack.frames[k];
	p->groups[snap->ngroups] = *g;
	p->groups[snap->ngroups].nframes = p->stack.n;
	p->buckets[i] = (uint16_t)++snap->ngroups;
	return 0;
}

static int make_groups(struct bo_census *census, unsigned detail, struct bo_census_snapshot *snap)
{
	struct bo_census_snapshot_private *p = snap->priv;

	if (p->shapes.len > p->groups_cap) {
		struct bo_census_group *groups = realloc(p->groups,
							 p->shapes.len * sizeof(*groups));

		if (!groups)
			return -ENOMEM;
		p->groups = groups;
		p->groups_cap = p->shapes.len;
	}
	bo_goshapes_sort(&p->shapes);
	for (size_t i = 0; i < p->shapes.len; i++) {
		struct bo_census_group g;

		p->stack.n = 0;
		p->stack.blocked = NULL;
		if (detail & BO_CENSUS_STACKS)
			bo_goshapes_walk(&p->shapes, census, i, &p->stack);
		fill_group(census, &p->shapes.items[i], &p->stack, &g);
		if (put_group(snap, &g))
			return -ENOMEM;
	}
	for (size_t i = 0; i < snap->ngroups; i++)
		/* Where nobody's stack could be walked there is no array either. */
		p->groups[i].frames = p->groups[i].nframes
					      ? p->frames.items + p->first_frame.items[i]
					      : NULL;
	snap->groups = p->groups;
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct bo_census_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

int bo_census_snapshot(struct bo_census *census, unsigned detail, struct bo_census_snapshot *snap,
		       struct bo_err *err)
{
	struct adding adding = { .census = census, .snap = snap, .detail = detail };
	uint64_t len;
	int r;

	if (prepare(census, detail, snap))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	census->pcln.steps_left = BO_GOPCLN_STEPS_MAX;
	snap->t_ns = bo_now_ns();
	r = bo_gowalk(census, add_chunk, &adding, &len, err);
	if (r)
		return r;
	if (adding.failed || make_groups(census, detail, snap))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	bo_gosort(snap->groups, snap->ngroups, sizeof(*snap->groups), by_count);
	snap->samples = ++census->samples;
	snap->took_ns = bo_now_ns() - snap->t_ns;
	return 0;
}

void bo_census_snapshot_done(struct bo_census_snapshot *snap)
{
	struct bo_census_snapshot_private *p = snap->priv;

	if (p) {
		bo_goshapes_done(&p->shapes);
		bo_vec_done(&p->frames);
		bo_vec_done(&p->first_frame);
		free(p->groups);
		free(p->buckets);
		free(p);
	}
	*snap = (struct bo_census_snapshot){ 0 };
}
