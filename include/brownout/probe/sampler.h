/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/sampler.h — one thread that samples all nodes into series, and one that takes the census of goroutines.
 * Goroutine counts come over the management link, never over an impaired one; a probe that gets no answer leaves a
 * gap, with its reason, and never an old value.
 * Owns: its thread and curl handles.  Threads: two.  Privilege: none; cgroup files come as descriptors. */
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/err.h"
#include "brownout/model/run.h"

struct bo_sampler;

/** struct bo_cgroup_files - open read-only descriptors of a node's memory cgroup, -1 where the kernel has none */
struct bo_cgroup_files {
	int version; /* 1, 2 or 0 */
	int usage;   /* memory.current | memory.usage_in_bytes */
	int limit;   /* memory.max | memory.limit_in_bytes */
	int events;  /* memory.events | memory.oom_control */
	int failcnt; /* -1 | memory.failcnt */
	int high;    /* memory.high | -1 */
};

#define BO_CGROUP_FILES_NONE ((struct bo_cgroup_files){ 0, -1, -1, -1, -1, -1 })

/** bo_cgroup_files_close() - close what is open; safe to call again */
static inline void bo_cgroup_files_close(struct bo_cgroup_files *files)
{
	bo_close(&files->usage);
	bo_close(&files->limit);
	bo_close(&files->events);
	bo_close(&files->failcnt);
	bo_close(&files->high);
}

/**
 * struct bo_sampler_node - one node to sample
 * @address: the node's management address, as text ("10.78.1.2")
 * @files: [consumed] closed by the sampler
 */
struct bo_sampler_node {
	int node;
	const char *address;
	struct bo_cgroup_files files;
};

/** bo_sampler_new() - makes the series in @run; nodes with role client are ignored */
BO_NODISCARD int bo_sampler_new(struct bo_sampler **ret, struct bo_run *run,
				const struct bo_sampler_node *nodes, size_t nnodes,
				struct bo_err *err);
struct bo_census_source;
/**
 * struct bo_sampler_opener - opens what the sampler's own user may not: another user's process, one that is not dumpable
 * @open: fill @ret with descriptors of process @pid of @node (mem, exe, auxv; [owned by the caller]).  Called on the main
 *        thread and on the census thread
 */
struct bo_sampler_opener {
	void *self;
	int (*open)(void *self, int node, pid_t pid, struct bo_census_source *ret,
		    struct bo_err *err);
};
/** bo_sampler_set_opener() - before bo_sampler_detect(); copied.  Without one only what may be read directly is read */
void bo_sampler_set_opener(struct bo_sampler *sampler, const struct bo_sampler_opener *opener);
/** bo_sampler_set_pid() - the node's main process, 0 while it is down (any thread) */
void bo_sampler_set_pid(struct bo_sampler *sampler, int node, pid_t pid);
/**
 * bo_sampler_detect() - for each subject find a goroutine sampler that answers now (before t0)
 * Return: 0; a node for which none answers is said in @run's events as BO_EVENT_NOTE and has no goroutine series
 */
BO_NODISCARD int bo_sampler_detect(struct bo_sampler *sampler, struct bo_err *err);
/** bo_sampler_start() - its threads;  @t0_ns: CLOCK_MONOTONIC, time 0 of every series, now or later than now
 * -EBUSY: it runs already; -errno of pthread_create(3) */
BO_NODISCARD int bo_sampler_start(struct bo_sampler *sampler, int64_t t0_ns, struct bo_err *err);
/**
 * bo_sampler_phase() - a phase began at @start_ns of CLOCK_MONOTONIC: what became rare in the one before is frequent
 * again, see bo_thinned_ns() (any thread)
 */
void bo_sampler_phase(struct bo_sampler *sampler, int64_t start_ns);
/**
 * bo_sampler_snapshot() - ask for groups of goroutines now, besides those of every second (any thread)
 * Taken within milliseconds where the census reads the node; where it cannot and there is net/http/pprof, a dump of at most
 * 10 000 goroutines when @why is "base", "hold", "settle" or "tripwire".  Shown to the observer.  Else ignored.
 * @why: shown to the observer, "base" …; [borrowed: static]
 */
void bo_sampler_snapshot(struct bo_sampler *sampler, int node, const char *why);
/**
 * bo_sampler_ask_leaks() - ask Go's own leak detector, once (any thread)
 * For a node that has net/http/pprof and was built by Go 1.27, or by 1.26 with GOEXPERIMENT=goroutineleakprofile; nothing
 * happens else.  What it finds goes to @run's leaks, and to the observer as "leaks".  It makes the service collect its
 * garbage and stops its world, so it is for after the heal.
 */
void bo_sampler_ask_leaks(struct bo_sampler *sampler, int node);
/**
 * bo_sampler_snapshot_ns() - how long before the instant that it is about a snapshot should be asked for
 * A census of 100 000 goroutines takes 30 ms, a dump of 10 000 some 200 ms; half a second where groups come from dumps.
 */
int64_t bo_sampler_snapshot_ns(struct bo_sampler *sampler, int node);
/**
 * bo_sampler_agree() - count with a second sampler now and compare (any thread)
 * A node that the census counts and that has net/http/pprof, with fewer than 10 000 goroutines, is asked once; two
 * counts that differ by more than churn explains are said as BO_EVENT_PROBLEM.  Not for the fault phase: it stops the
 * service's world for a moment.
 */
void bo_sampler_agree(struct bo_sampler *sampler, int node);

struct bo_census;
struct bo_census_snapshot;
/**
 * struct bo_sampler_taken - a snapshot that was asked for
 * @full: what it was made from, for evidence;  @census: the handle, NULL where it was a dump of pprof
 * @text, @len: that dump
 */
struct bo_sampler_taken {
	const char *why;
	const struct bo_group_snapshot *snapshot;
	struct bo_census *census;
	const struct bo_census_snapshot *full;
	const char *text;
	size_t len;
};
/** struct bo_sampler_observer - @taken is called on the census thread, which delays neither samples nor the schedule */
struct bo_sampler_observer {
	void *self;
	void (*taken)(void *self, const struct bo_sampler_taken *taken);
};
/** bo_sampler_observe() - before bo_sampler_start(); @observer is copied */
void bo_sampler_observe(struct bo_sampler *sampler, const struct bo_sampler_observer *observer);
/** bo_sampler_latest() - newest value for the status line; NAN when there is none (any thread) */
double bo_sampler_latest(struct bo_sampler *sampler, const char *series, int node);
/** bo_sampler_stop() - ends the threads; afterwards series and snapshots are the run's and may be read */
void bo_sampler_stop(struct bo_sampler *sampler);
void bo_sampler_free(struct bo_sampler *sampler);
