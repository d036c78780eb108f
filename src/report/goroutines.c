/* SPDX-License-Identifier: Apache-2.0 */
/* report/goroutines.c — groups of goroutines: what is left of them in run.json.
 * A run holds a snapshot per second; what people compare is how each phase ended.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "goroutines.h"

#include <stdlib.h>
#include <string.h>

#include "brownout/report/view.h"

/* A budget is about who is left after the fault, unless it names its phase. */
static const enum bo_phase usual[] = { BO_PHASE_HOLD, BO_PHASE_SETTLE, BO_PHASE_FAULT };

/* The last snapshot of the node in the phase, NULL when there is none. */
static const struct bo_group_snapshot *last_in(const struct bo_run *run, int node,
					       enum bo_phase phase)
{
	const struct bo_phase_span *span = &run->phases[phase];
	int64_t end_ns = span->end_ns != INT64_MIN ? span->end_ns : run->ended_ns;
	const struct bo_group_snapshot *last = NULL;

	if (span->start_ns == INT64_MIN)
		return NULL;
	bo_vec_foreach(s, &run->snapshots)
		if (s->node == node && s->t_ns >= span->start_ns && s->t_ns < end_ns &&
		    (!last || s->t_ns >= last->t_ns))
			last = s;
	return last;
}

static void put_group(struct bo_build *b, json_t *o, const struct bo_group *g)
{
	bo_build_put(b, o, "site", bo_build_str(g->site));
	bo_build_put(b, o, "site_line", bo_build_str(g->site_line));
	bo_build_put(b, o, "start", bo_build_str(g->start));
	bo_build_put(b, o, "blocked_at", bo_build_str(g->blocked_at));
	bo_build_put(b, o, "blocked_line", bo_build_str(g->blocked_line));
	bo_build_put(b, o, "state", bo_build_str(g->state));
	bo_build_put(b, o, "labels", bo_build_str(g->labels));
}

static enum bo_phase phase_at(const struct bo_run *run, int64_t t_ns)
{
	int p = BO_PHASE_COUNT - 1;

	while (p > 0 && (run->phases[p].start_ns == INT64_MIN || t_ns < run->phases[p].start_ns))
		p--;
	return (enum bo_phase)p;
}

static json_t *snapshot_json(struct bo_build *b, const struct bo_run *run,
			     const struct bo_group_snapshot *s, enum bo_phase phase)
{
	json_t *o = json_object(), *groups = json_array();

	for (size_t i = 0; i < s->ngroups; i++) {
		json_t *g = json_object();

		put_group(b, g, &s->groups[i]);
		bo_build_put(b, g, "count", bo_build_u64(s->groups[i].count));
		bo_build_put(b, g, "stuck", bo_build_u64(s->groups[i].stuck));
		bo_build_put(b, g, "leaked", json_boolean(s->groups[i].leaked));
		bo_build_push(b, groups, g);
	}
	bo_build_put(b, o, "node", bo_build_node_name(run->plan, s->node));
	bo_build_put(b, o, "phase", json_string(bo_phase_name(phase)));
	bo_build_put(b, o, "t_s", bo_build_seconds(s->t_ns));
	bo_build_put(b, o, "source", bo_build_str(s->source));
	bo_build_put(b, o, "total", bo_build_u64(s->total));
	bo_build_put(b, o, "system", bo_build_u64(s->system));
	bo_build_put(b, o, "truncated", json_boolean(s->truncated));
	bo_build_put(b, o, "groups", groups);
	return o;
}

json_t *bo_leaks_json(struct bo_build *b, const struct bo_run *run)
{
	json_t *list = json_array();

	bo_vec_foreach(s, &run->leaks)
		bo_build_push(b, list, snapshot_json(b, run, s, phase_at(run, s->t_ns)));
	return list;
}

json_t *bo_groups_json(struct bo_build *b, const struct bo_run *run)
{
	json_t *list = json_array();

	for (size_t n = 0; n < run->plan->nodes.len; n++) {
		for (int p = 0; p < BO_PHASE_COUNT; p++) {
			const struct bo_group_snapshot *s = last_in(run, (int)n, (enum bo_phase)p);

			if (s)
				bo_build_push(b, list, snapshot_json(b, run, s, (enum bo_phase)p));
		}
	}
	return list;
}

/* "goroutines.delta <= 5 at hold": the last phase that is named after "at" or "in"; or the first usual one there was. */
static enum bo_phase phase_of(const struct bo_run *run, const char *text)
{
	const char *best = NULL;
	int phase = BO_PHASE_COUNT;

	for (int p = 0; p < BO_PHASE_COUNT; p++) {
		static const char *const words[] = { " at ", " in " };
		const char *name = bo_phase_name((enum bo_phase)p);

		for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
			for (const char *at = text; (at = strstr(at, words[w]));) {
				at += strlen(words[w]);
				if (!strncmp(at, name, strlen(name)) && at > best) {
					best = at;
					phase = p;
				}
			}
		}
	}
	for (size_t i = 0; !best && i < sizeof(usual) / sizeof(*usual); i++)
		if (phase == BO_PHASE_COUNT && run->phases[usual[i]].start_ns != INT64_MIN)
			phase = usual[i];
	return phase == BO_PHASE_COUNT ? BO_PHASE_SETTLE : (enum bo_phase)phase;
}

static bool same_group(const struct bo_group *a, const struct bo_group *b)
{
	return !strcmp(a->site, b->site) && !strcmp(a->site_line, b->site_line) &&
	       !strcmp(a->start, b->start) && !strcmp(a->blocked_at, b->blocked_at) &&
	       !strcmp(a->blocked_line, b->blocked_line) && !strcmp(a->state, b->state) &&
	       !strcmp(a->labels, b->labels);
}

struct grown {
	const struct bo_group *group;
	int node;
	uint64_t base;
};

static uint64_t growth(const struct grown *g)
{
	return g->group->count > g->base ? g->group->count - g->base : 0;
}

/* Keep @g if it is among the BO_GREW_MAX that grew most; they stay sorted. */
static void offer(struct grown *top, size_t *n, struct grown g)
{
	size_t i;

	if (!growth(&g))
		return;
	if (*n < BO_GREW_MAX)
		(*n)++;
	else if (growth(&top[*n - 1]) >= growth(&g))
		return;
	for (i = *n - 1; i > 0 && growth(&top[i - 1]) < growth(&g); i--)
		top[i] = top[i - 1];
	top[i] = g;
}

json_t *bo_grew_json(struct bo_build *b, const struct bo_run *run, const char *text)
{
	enum bo_phase phase = phase_of(run, text);
	struct grown top[BO_GREW_MAX];
	json_t *list = json_array();
	size_t ntop = 0;

	for (size_t n = 0; n < run->plan->nodes.len; n++) {
		const struct bo_group_snapshot *base = last_in(run, (int)n, BO_PHASE_BASE);
		const struct bo_group_snapshot *now = last_in(run, (int)n, phase);

		for (size_t i = 0; base && now && i < now->ngroups; i++) {
			struct grown g = { .group = &now->groups[i], .node = (int)n };

			for (size_t k = 0; k < base->ngroups; k++)
				if (same_group(&base->groups[k], g.group))
					g.base += base->groups[k].count;
			offer(top, &ntop, g);
		}
	}
	for (size_t i = 0; i < ntop; i++) {
		json_t *o = json_object();

		bo_build_put(b, o, "node", bo_build_node_name(run->plan, top[i].node));
		bo_build_put(b, o, "phase", json_string(bo_phase_name(phase)));
		put_group(b, o, top[i].group);
		bo_build_put(b, o, "base", bo_build_u64(top[i].base));
		bo_build_put(b, o, "count", bo_build_u64(top[i].group->count));
		bo_build_put(b, o, "stuck", bo_build_u64(top[i].group->stuck));
		bo_build_push(b, list, o);
	}
	return list;
}
