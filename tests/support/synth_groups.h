/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/synth_groups.h — snapshots of goroutines whose truth is known, for a synthetic run.
 * Owns: nothing; what it makes belongs to the run.  Threads: none.  Privilege: none. */
#pragma once
#include "synth_run.h"

/** synth_snapshot() - an empty snapshot of @node; call in order of time */
struct bo_group_snapshot *synth_snapshot(struct synth *s, int node, int64_t t_ns);
/**
 * synth_group() - add @count goroutines to @snap, @stuck of them unmoved, all @age_s old
 * @what: "site|state|blocked_at"; each runs @site + ".func1", and blocks at line 93 of a file that is
 *        named after the package
 * Return: the group, for further changes; valid until the next one is added
 */
struct bo_group *synth_group(struct synth *s, struct bo_group_snapshot *snap, const char *what,
			     uint64_t count, uint64_t stuck, int age_s);
/** synth_watch() - a snapshot of orders every second over [@from_ns, @to_ns), each with three goroutines of main.main
 * and what @fill adds for its time; NULL adds nothing */
void synth_watch(struct synth *s, int64_t from_ns, int64_t to_ns,
		 void (*fill)(struct synth *s, struct bo_group_snapshot *snap, void *arg),
		 void *arg);
