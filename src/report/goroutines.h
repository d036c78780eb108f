/* SPDX-License-Identifier: Apache-2.0 */
/* report/goroutines.h — groups of goroutines in run.json, and as lines for people.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include "brownout/base/strbuf.h"
#include "build.h"

/** Groups that are shown with a budget that FAILs */
#define BO_GREW_MAX 3

/** bo_groups_json() - for each node and phase the last snapshot in it; the array "goroutine_groups" */
json_t *bo_groups_json(struct bo_build *b, const struct bo_run *run);
/** bo_leaks_json() - what Go's own leak detector found; the array "leak_profiles" */
json_t *bo_leaks_json(struct bo_build *b, const struct bo_run *run);
/**
 * bo_grew_json() - the groups that grew most from base to the phase that the budget @text is about
 * Phases are compared by their last snapshots.  An empty array when there is none, or none grew
 */
json_t *bo_grew_json(struct bo_build *b, const struct bo_run *run, const char *text);
