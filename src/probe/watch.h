/* SPDX-License-Identifier: Apache-2.0 */
/* probe/watch.h — the thread that does what a census takes time for: attaching (35–70 ms), walking
 * all goroutines (30 ms at 100 000), writing evidence.  Counting, which takes microseconds, stays
 * with the sampler's thread, on a handle of its own.
 * Owns: its thread, its handles, its arena until bo_watch_stop().  Threads: see each function.
 * Privilege: PTRACE_MODE_ATTACH over the nodes' processes, else it says why not. */
#pragma once
#include <stdatomic.h>

#include "attach.h"
#include "brownout/census.h"
#include "brownout/model/run.h"
#include "brownout/probe/sampler.h"

struct bo_probe_target;
struct bo_track;
struct bo_watch;

BO_NODISCARD int bo_watch_new(struct bo_watch **ret, struct bo_run *run, struct bo_err *err);
/** bo_watch_free() - NULL is fine */
void bo_watch_free(struct bo_watch *watch);
/** bo_watch_set_opener() - for processes that may not be read directly (main thread, before the first is added); copied */
void bo_watch_set_opener(struct bo_watch *watch, const struct bo_sampler_opener *opener);
const struct bo_sampler_opener *bo_watch_opener(const struct bo_watch *watch);
/**
 * struct bo_watch_node - a node to watch from bo_watch_start() on
 * @target: [borrowed]
 * @pid: [borrowed] its process, as struct sampler_node has it
 * @counted: [borrowed] the series of its number of goroutines, for what is done to few only
 * @attached: what its goroutines were counted by at detection; NULL: there is no census, groups come from dumps of pprof
 * @source: of its snapshots, with @attached
 */
struct bo_watch_node {
	const struct bo_probe_target *target;
	const _Atomic uint64_t *pid;
	const struct bo_track *counted;
	const struct bo_attached *attached;
	const char *source;
};
/** bo_watch_add() - main thread, before bo_watch_start(); copied.  -ENOENT: no census, and no pprof that is known of */
BO_NODISCARD int bo_watch_add(struct bo_watch *watch, const struct bo_watch_node *node,
			      struct bo_err *err);
BO_NODISCARD int bo_watch_start(struct bo_watch *watch, int64_t t0_ns, struct bo_err *err);
bool bo_watch_running(const struct bo_watch *watch);
/** bo_watch_stop() - end the thread; what it saw, and said, is the run's then (main thread) */
void bo_watch_stop(struct bo_watch *watch);
void bo_watch_observe(struct bo_watch *watch, const struct bo_sampler_observer *observer);
/** bo_watch_phase() - a phase began at @start_ns of CLOCK_MONOTONIC: look often again (any thread) */
void bo_watch_phase(struct bo_watch *watch, int64_t start_ns);
/** bo_watch_wake() - a process changed (any thread) */
void bo_watch_wake(struct bo_watch *watch);
/** bo_watch_request() - a snapshot now; @why [borrowed: static] (any thread).  As a dump only at the ends of base, hold and
 * settle, and at the tripwire */
void bo_watch_request(struct bo_watch *watch, int node, const char *why);
/** bo_watch_ask_leaks() - ask the service's own leak detector, once (any thread) */
void bo_watch_ask_leaks(struct bo_watch *watch, int node);
/** bo_watch_dumps() - do the node's snapshots come from dumps? (main thread) */
bool bo_watch_dumps(struct bo_watch *watch, int node);
/**
 * bo_watch_counter() - a handle to count with, of the process that is the node's @start-th (any thread)
 * @why: filled with what is in the way when there is none (yet); it is worked at
 * Return: [owned] the handle, or NULL
 */
struct bo_census *bo_watch_counter(struct bo_watch *watch, int node, uint32_t start, char *why,
				   size_t size);
/** bo_watch_say() - a line for the run's timeline (any thread) */
void bo_watch_say(struct bo_watch *watch, enum bo_event_kind kind, int node, const char *fmt, ...)
	BO_PRINTF(4, 5);
