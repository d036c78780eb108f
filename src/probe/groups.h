/* SPDX-License-Identifier: Apache-2.0 */
/* probe/groups.h — groups of goroutines as the run keeps them: few, and every text once.
 * Owns: struct bo_texts owns its table; texts and groups are the arena's.  Threads: one at a time.
 * Privilege: none. */
#pragma once
#include "brownout/census.h"
#include "brownout/model/run.h"

/** Groups of one snapshot that are kept apart; the rest is one group whose site is BO_GROUPS_OTHER */
#define BO_GROUPS_MAX 200

/** struct bo_texts - strings that come again and again, each kept once; zero-initialise with @arena */
struct bo_texts {
	struct bo_arena *arena; /* [borrowed] */
	const char **slots;
	size_t cap;
	size_t len;
};

/**
 * bo_texts_keep() - @text, in the arena
 * Return: never NULL: "…" when memory is out, or when a service invents ever new texts (labels)
 */
const char *bo_texts_keep(struct bo_texts *texts, const char *text);
void bo_texts_done(struct bo_texts *texts);

/**
 * bo_groups_from_census() - what the run keeps of a census
 * @ret: t_ns, node and source are left to the caller
 * Return: 0 or -ENOMEM
 */
BO_NODISCARD int bo_groups_from_census(struct bo_texts *texts,
				       const struct bo_census_snapshot *snap,
				       struct bo_group_snapshot *ret);
