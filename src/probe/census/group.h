/* SPDX-License-Identifier: Apache-2.0 */
/* census/group.h — shapes: goroutines that agree in all that g itself says.
 * Owns: struct bo_goshapes owns its table.  Threads: one at a time.  Privilege: none. */
#pragma once
#include "census-internal.h"

#define BO_GOSHAPES_MAX 16384

/** struct bo_goshape_key - what they agree in; @system follows from @startpc */
struct bo_goshape_key {
	uint64_t gopc, startpc;
	uint32_t depth; /* bytes of stack in use; 0 when not told apart by it */
	uint16_t labels;
	uint8_t state, reason;
	bool system;
};

/** struct bo_goshape - a key, and the sums over those who have it */
struct bo_goshape {
	struct bo_goshape_key key;
	struct bo_gorec witness;
	uint64_t count, locked, unmoved;
	int64_t unmoved_ns, age_min_ns, age_max_ns, waited_max_ns;
	uint64_t older[BO_CENSUS_AGES_MAX];
};

struct bo_goshapes {
	struct bo_goshape *items;
	uint16_t *slots; /* index + 1 */
	size_t len;
	struct bo_goshape *last; /* what was found last, in @items; NULL for nothing yet */
};

/** struct bo_gostack - lines, innermost first; @blocked: the first outside of the primitives, or NULL */
struct bo_gostack {
	struct bo_census_frame frames[BO_CENSUS_FRAMES_MAX];
	const struct bo_census_frame *blocked;
	size_t n;
};

/** bo_goshapes_init() - empty it; allocates the first time only */
BO_NODISCARD int bo_goshapes_init(struct bo_goshapes *set);
void bo_goshapes_done(struct bo_goshapes *set);
void bo_goshapes_add(struct bo_goshapes *set, struct bo_census *census,
		     struct bo_census_snapshot *snap, unsigned detail, const struct bo_gorec *rec,
		     uint64_t index);
/** bo_goshapes_sort() - the most frequent first; no more bo_goshapes_add() after it */
void bo_goshapes_sort(struct bo_goshapes *set);
/** bo_goshapes_walk() - the stack of shape @index's witness; empty when it runs or moved */
void bo_goshapes_walk(struct bo_goshapes *set, struct bo_census *census, size_t index,
		      struct bo_gostack *ret);
/** bo_gosort() - heap sort: as qsort(3), but it never allocates */
void bo_gosort(void *items, size_t n, size_t size, int (*cmp)(const void *, const void *));
