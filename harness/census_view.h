/* SPDX-License-Identifier: Apache-2.0 */
/* harness/census_view.h — a census for a person's eyes, and as JSON to keep and to compare.
 * Owns: nothing but what it says.  Threads: main.  Privilege: none. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"

/** BO_CENSUS_VIEW_STW_NS - a stop of the world that has been pending for so long is called stuck */
#define BO_CENSUS_VIEW_STW_NS BO_NSEC_PER_SEC

/**
 * struct bo_census_view - what is shown
 * @stats: NULL in JSON only: not known
 * @before, @stats_before: of the previous round, for what changed; ngroups 0 and t_ns 0 when there is none
 * @only_unmoved: groups with somebody who has not moved
 * @rows: of the terminal, 0 for as many as there are;  @columns: of the terminal, 0 for lines of any length
 */
struct bo_census_view {
	const struct bo_census_info *info;
	const char *name;
	const struct bo_census_snapshot *snap;
	const struct bo_census_stats *stats;
	const struct bo_census_stats *stats_before;
	bool only_unmoved;
	size_t rows;
	size_t columns;
};
void bo_census_view_print(const struct bo_census_view *view, FILE *out);
/** bo_census_json() - [owned] one object; NULL when memory is out */
json_t *bo_census_json(const struct bo_census_view *view);

/** struct bo_census_saved - groups out of such an object; their strings are borrowed from @json */
struct bo_census_saved {
	json_t *json;
	struct bo_census_group *groups;
	size_t ngroups;
};
/** bo_census_saved_load() - from a file; -EBADMSG when it is not a saved census */
BO_NODISCARD int bo_census_saved_load(struct bo_census_saved *ret, const char *path,
				      struct bo_err *err);
void bo_census_saved_done(struct bo_census_saved *saved);
void bo_census_view_changes(const struct bo_census_saved *before,
			    const struct bo_census_saved *after,
			    const struct bo_census_change *changes, size_t n, FILE *out);
