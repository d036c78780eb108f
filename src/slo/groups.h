/* SPDX-License-Identifier: Apache-2.0 */
/* slo/groups.h — groups of goroutines over time: snapshots, and the series made of them.
 * Owns: nothing; the cache of such series is the context's.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/clock.h"
#include "brownout/model/run.h"
#include "metric.h"
#include "scope.h"

/* Name of the series that slo_measure() makes of snapshots, and how often they are taken. */
#define SLO_SERIES_GROUPS "goroutine groups"
#define SLO_SNAPSHOT_INTERVAL_NS BO_NSEC_PER_SEC

struct slo_derived_cache *slo_derived_new(void);
void slo_derived_free(struct slo_derived_cache *cache);
/** slo_snapshot_next() - the first snapshot of @node at or after index *@at, which is set behind it;
 * NULL: no more */
const struct bo_group_snapshot *slo_snapshot_next(const struct bo_run *run, int node, size_t *at);
/** slo_snapshot_hidden() - goroutines of @snap of which no site is known, when they are too many to look
 * past; @stuck: those at most that may be stuck */
uint64_t slo_snapshot_hidden(const struct bo_group_snapshot *snap, bool stuck);
/** slo_snapshot_tracks() - does @snap know who is stuck and how old they are? */
bool slo_snapshot_tracks(const struct bo_group_snapshot *snap);
/** slo_no_snapshots() - why there is none of ask->node */
void slo_no_snapshots(const struct slo_ask *ask, char *buf, size_t size);
