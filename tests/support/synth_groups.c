/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_groups.c — see synth_groups.h. */
#include "synth_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(const void *p)
{
	if (p)
		return;
	fprintf(stderr, "synthetic snapshot: out of memory\n");
	abort();
}

struct bo_group_snapshot *synth_snapshot(struct synth *s, int node, int64_t t_ns)
{
	struct bo_group_snapshot snap = { .t_ns = t_ns, .node = node, .source = "synthetic" };

	if (!bo_vec_push(&s->run->snapshots, snap))
		must(NULL);
	return &s->run->snapshots.items[s->run->snapshots.len - 1];
}

/* The part of "a|b|c" before the next bar; *@at is set behind it. */
static const char *part(struct synth *s, const char **at)
{
	size_t len = strcspn(*at, "|");
	const char *text = bo_arena_strndup(&s->run->arena, *at, len);

	must(text);
	*at += len + ((*at)[len] == '|');
	return text;
}

struct bo_group *synth_group(struct synth *s, struct bo_group_snapshot *snap, const char *what,
			     uint64_t count, uint64_t stuck, int age_s)
{
	static const int ages[BO_GROUP_AGES] = BO_GROUP_AGES_S;
	struct bo_group *groups = bo_arena_alloc(&s->run->arena,
						 (snap->ngroups + 1) * sizeof(*groups)),
			*g;

	must(groups);
	if (snap->ngroups)
		memcpy(groups, snap->groups, snap->ngroups * sizeof(*groups));
	snap->groups = groups;
	g = &groups[snap->ngroups++];
	*g = (struct bo_group){ .count = count, .stuck = stuck, .labels = "" };
	g->site = part(s, &what);
	g->state = part(s, &what);
	g->blocked_at = part(s, &what);
	g->start = bo_arena_printf(&s->run->arena, "%s.func1", g->site);
	must(g->start);
	g->site_line = "/src/main.go:10";
	g->blocked_line = *g->blocked_at ? "/src/orders.go:93" : "";
	for (int i = 0; i < BO_GROUP_AGES; i++)
		g->older[i] = age_s >= ages[i] ? count : 0;
	snap->total += count;
	return g;
}

void synth_watch(struct synth *s, int64_t from_ns, int64_t to_ns,
		 void (*fill)(struct synth *s, struct bo_group_snapshot *snap, void *arg),
		 void *arg)
{
	for (int64_t t = from_ns; t < to_ns; t += SYNTH_S) {
		struct bo_group_snapshot *snap = synth_snapshot(s, SYNTH_ORDERS, t);

		synth_group(s, snap, "main.main|IO wait|net/http.(*Server).Serve", 3, 1, 0);
		if (fill)
			fill(s, snap, arg);
	}
}
