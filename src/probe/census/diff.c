/* SPDX-License-Identifier: Apache-2.0 */
/* census/diff.c — what grew and what shrank between two snapshots, by what the groups say, not by addresses: the two may
 * be of different processes.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "group.h"

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (h ^ 255) * UINT64_C(0x100000001b3);
}

static uint64_t hash_frame(uint64_t h, const struct bo_census_frame *f)
{
	return hash_text(hash_text(h, f->func), f->file) * 31 + (uint64_t)f->line;
}

static uint64_t hash_group(const struct bo_census_group *g)
{
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325) + g->state, g->reason);

	h = hash_frame(hash_frame(hash_frame(h, &g->created), &g->start), &g->blocked);
	return hash_text(h, g->labels);
}

static bool same_frame(const struct bo_census_frame *a, const struct bo_census_frame *b)
{
	return a->line == b->line && !strcmp(a->func, b->func) && !strcmp(a->file, b->file);
}

static bool same_group(const struct bo_census_group *a, const struct bo_census_group *b)
{
	return a->state == b->state && !strcmp(a->reason, b->reason) &&
	       same_frame(&a->created, &b->created) && same_frame(&a->start, &b->start) &&
	       same_frame(&a->blocked, &b->blocked) && !strcmp(a->labels, b->labels);
}

static int by_delta(const void *a, const void *b)
{
	const struct bo_census_change *x = a, *y = b;
	int64_t dx = llabs(x->delta), dy = llabs(y->delta);

	if (dx != dy)
		return dx < dy ? 1 : -1;
	return x->delta < y->delta ? 1 : x->delta > y->delta ? -1 : 0;
}

int bo_census_diff(const struct bo_census_group *before, size_t nbefore,
		   const struct bo_census_group *after, size_t nafter,
		   struct bo_census_change **ret, size_t *nret, struct bo_err *err)
{
	size_t slots = 2 * (nbefore + nafter) + 1, n = 0, kept = 0;
	bo_auto_free uint32_t *table = calloc(slots, sizeof(*table));
	bo_auto_free struct bo_census_change *changes = calloc(nbefore + nafter + 1,
							       sizeof(*changes));

	if (!table || !changes || slots > UINT32_MAX)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	for (size_t i = 0; i < nbefore + nafter; i++) {
		const struct bo_census_group *g = i < nbefore ? &before[i] : &after[i - nbefore];
		size_t at = (size_t)(hash_group(g) % slots);
		struct bo_census_change *change = NULL;

		for (; table[at] && !change; at = (at + 1) % slots) {
			struct bo_census_change *c = &changes[table[at] - 1];

			if (same_group(c->before ? c->before : c->after, g))
				change = c;
		}
		if (!change) {
			change = &changes[n++];
			table[at] = (uint32_t)n;
		}
		/* Lines that differ in nothing that is shown count as one group; the larger one stands for it. */
		if (i < nbefore && !change->before)
			change->before = g;
		else if (i >= nbefore && !change->after)
			change->after = g;
		change->delta += i < nbefore ? -(int64_t)g->count : (int64_t)g->count;
	}
	for (size_t i = 0; i < n; i++)
		if (changes[i].delta)
			changes[kept++] = changes[i];
	bo_gosort(changes, kept, sizeof(*changes), by_delta);
	*ret = bo_steal_ptr(changes);
	*nret = kept;
	return 0;
}
