/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/probe.h — a probe is a table of functions; the registry is the list of them.
 * Adding a probe: one file that defines a struct bo_probe_kind, one line in
 * src/probe/registry.c.
 * Owns: nothing.  Threads: attach and detach on the main thread, sample and what follows on the
 * sampler's. Privilege: none; what needs any comes as a descriptor. */
#pragma once
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "brownout/probe/sampler.h"

struct bo_fetcher;
struct bo_track;
struct bo_reasons;
struct bo_watch;

#define BO_PROBE_TIMEOUT_NS INT64_C(1000000000) /* of one network request */
#define BO_PROBE_SERIES_MAX 12
#define BO_PROBE_ALL SIZE_MAX

/** struct bo_probe_series - a series that a kind can fill; a table of them ends with name == NULL */
struct bo_probe_series {
	const char *name;
	const char *unit;
};

/**
 * enum bo_probe_use -
 * EVERY: every kind that attaches to a node samples it
 * GOROUTINES: kinds that count goroutines are tried in the registry's order; the first that
 *             answers stays
 */
enum bo_probe_use { BO_PROBE_USE_EVERY, BO_PROBE_USE_GOROUTINES };

struct bo_probe;

/**
 * struct bo_probe_kind -
 * @needs_process: not asked while the node is down; the sampler writes the gap
 * @interval_ns: unless the scenario names one; 0: 100 ms
 * @dense: after so many samples of a phase the interval doubles (bo_thinned_ns()); 0: never
 * @attach: does it apply to probe->target?  Fill probe->source, and probe->wanted when not all
 *          series are there.  -ENOENT with the reason when it does not apply; other errors end
 *          the set-up
 * @detach: undo attach; @state itself is freed by the sampler; may be NULL
 * @sample: take one sample now, or start to: call bo_probe_emit() or bo_probe_fail() before return
 *          or later, from a handler of probe->fetcher.  Set probe->busy in between: it is not
 *          called again until that is false
 */
struct bo_probe_kind {
	const char *name;
	const char *help;
	enum bo_probe_use use;
	bool needs_process;
	const struct bo_probe_series *series;
	int64_t interval_ns;
	int64_t dense;
	size_t state_size;
	int (*attach)(struct bo_probe *probe, struct bo_err *err);
	void (*detach)(struct bo_probe *probe);
	void (*sample)(struct bo_probe *probe, int64_t now_ns);
};

/**
 * struct bo_probe_target - the node that is sampled
 * @spec: [borrowed: plan]
 * @pid: its main process, 0 while it is down; @start: counts up each time it changes
 */
struct bo_probe_target {
	int node;
	const struct bo_node_spec *spec;
	char address[INET6_ADDRSTRLEN];
	struct bo_cgroup_files files;
	pid_t pid;
	uint32_t start;
};

/** struct bo_probe - one kind at work on one node */
struct bo_probe {
	const struct bo_probe_kind *kind;
	const struct bo_probe_target *target;
	struct bo_fetcher *fetcher;
	struct bo_watch *watch;
	void *state;
	char source[64];
	uint32_t wanted; /* bit i: series i of the kind is there */
	bool busy;
	/* the sampler's */
	bool answered;
	char last_reason[160];
	int64_t timeout_ns;
	int64_t t0_ns;
	int64_t interval_ns;
	int64_t due_ns;
	struct bo_track *tracks[BO_PROBE_SERIES_MAX];
	struct bo_reasons *reasons;
	_Atomic bool agree; /* a comparison with another sampler was asked for */
};

/** bo_probe_kinds() - the registry, ended by NULL */
const struct bo_probe_kind *const *bo_probe_kinds(void);

/** bo_probe_emit() - a sample of series @index of the kind, true at @t_ns (CLOCK_MONOTONIC) */
void bo_probe_emit(struct bo_probe *probe, size_t index, int64_t t_ns, double value);
/** bo_probe_absent() - at @t_ns there rightly is no value (no limit is set): neither a sample nor
 * a gap */
void bo_probe_absent(struct bo_probe *probe, size_t index, int64_t t_ns);
/** bo_probe_fail() - no sample at @t_ns, and why; @index may be BO_PROBE_ALL.  The gap lasts from
 * the last sample to the next */
void bo_probe_fail(struct bo_probe *probe, size_t index, int64_t t_ns, const char *fmt, ...)
	BO_PRINTF(4, 5);
