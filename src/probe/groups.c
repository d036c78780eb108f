/* SPDX-License-Identifier: Apache-2.0 */
/* probe/groups.c — from a census to what the run keeps of it.
 * A census is valid until the next one; a run keeps one per second.  Most of it is the same texts
 * again, so texts are interned, and of many small groups (each request with labels of its own …)
 * only the largest are kept apart.
 * Owns: nothing.  Threads: one at a time.  Privilege: none. */
#include "groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A service that labels every request differently must not fill the memory. */
#define TEXTS_MAX 32768
#define TOO_MANY "\u2026"

static size_t hash(const char *s)
{
	size_t h = 14695981039346656037u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h;
}

static bool grow(struct bo_texts *texts)
{
	size_t cap = texts->cap ? texts->cap * 2 : 256;
	const char **slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < texts->cap; i++) {
		size_t at;

		if (!texts->slots[i])
			continue;
		for (at = hash(texts->slots[i]) % cap; slots[at]; at = (at + 1) % cap)
			;
		slots[at] = texts->slots[i];
	}
	free(texts->slots);
	texts->slots = slots;
	texts->cap = cap;
	return true;
}

const char *bo_texts_keep(struct bo_texts *texts, const char *text)
{
	size_t at;
	char *copy;

	if (!*text)
		return "";
	if (texts->len * 2 >= texts->cap && !grow(texts))
		return TOO_MANY;
	for (at = hash(text) % texts->cap; texts->slots[at]; at = (at + 1) % texts->cap)
		if (!strcmp(texts->slots[at], text))
			return texts->slots[at];
	if (texts->len == TEXTS_MAX)
		return TOO_MANY;
	copy = bo_arena_strdup(texts->arena, text);
	if (!copy)
		return TOO_MANY;
	texts->slots[at] = copy;
	texts->len++;
	return copy;
}

void bo_texts_done(struct bo_texts *texts)
{
	free(texts->slots);
	texts->slots = NULL;
	texts->cap = texts->len = 0;
}

static const char *keep_line(struct bo_texts *texts, const struct bo_census_frame *f)
{
	char line[1024];

	if (!f->file[0])
		return "";
	snprintf(line, sizeof(line), "%s:%d", f->file, f->line);
	return bo_texts_keep(texts, line);
}

static struct bo_group keep_group(struct bo_texts *texts, const struct bo_census_group *g)
{
	struct bo_group group = {
		.site = bo_texts_keep(texts, g->created.func),
		.site_line = keep_line(texts, &g->created),
		.start = bo_texts_keep(texts, g->start.func),
		.blocked_at = bo_texts_keep(texts, g->blocked.func),
		.blocked_line = keep_line(texts, &g->blocked),
		.state = bo_texts_keep(texts, g->reason),
		.labels = bo_texts_keep(texts, g->labels),
		.count = g->count,
		.stuck = g->unmoved,
		.leaked = g->state == BO_CENSUS_LEAKED,
	};

	_Static_assert(BO_GROUP_AGES <= BO_CENSUS_AGES_MAX,
		       "the engine counts every age that a run keeps");
	memcpy(group.older, g->older, sizeof(group.older));
	return group;
}

/* Room for at most @n groups, those beyond BO_GROUPS_MAX not included; NULL when memory is out. */
static struct bo_group *groups_new(struct bo_texts *texts, size_t n)
{
	return bo_arena_alloc(texts->arena, (n < BO_GROUPS_MAX ? n + 1 : BO_GROUPS_MAX + 1) *
						    sizeof(struct bo_group));
}

/* Append @g, or add it to the last group, "(other)", when there are BO_GROUPS_MAX already. */
static void groups_add(struct bo_group_snapshot *snap, struct bo_texts *texts,
		       const struct bo_group *g)
{
	struct bo_group *other = &snap->groups[BO_GROUPS_MAX];

	if (snap->ngroups < BO_GROUPS_MAX) {
		snap->groups[snap->ngroups++] = *g;
		return;
	}
	if (snap->ngroups == BO_GROUPS_MAX) {
		snap->ngroups++;
		*other = (struct bo_group){ .site = bo_texts_keep(texts, BO_GROUPS_OTHER),
					    .site_line = "",
					    .start = "",
					    .blocked_at = "",
					    .blocked_line = "",
					    .state = "",
					    .labels = "" };
	}
	other->count += g->count;
	other->stuck += g->stuck;
	for (size_t i = 0; i < BO_GROUP_AGES; i++)
		other->older[i] += g->older[i];
}

int bo_groups_from_census(struct bo_texts *texts, const struct bo_census_snapshot *snap,
			  struct bo_group_snapshot *ret)
{
	/* The census counts what it had no group for; they are others, too. */
	struct bo_group beyond = { .count = snap->overflow };

	ret->total = snap->user;
	ret->system = snap->system;
	ret->ngroups = 0;
	ret->groups = groups_new(texts, snap->overflow ? BO_GROUPS_MAX : snap->ngroups);
	if (!ret->groups)
		return -ENOMEM;
	for (size_t i = 0; i < snap->ngroups; i++) {
		/* Texts of what goes into "(other)" are not kept. */
		if (ret->ngroups < BO_GROUPS_MAX) {
			ret->groups[ret->ngroups++] = keep_group(texts, &snap->groups[i]);
		} else {
			struct bo_group rest = { .count = snap->groups[i].count,
						 .stuck = snap->groups[i].unmoved };

			memcpy(rest.older, snap->groups[i].older, sizeof(rest.older));
			groups_add(ret, texts, &rest);
		}
	}
	if (snap->overflow && ret->ngroups >= BO_GROUPS_MAX)
		groups_add(ret, texts, &beyond);
	return 0;
}
