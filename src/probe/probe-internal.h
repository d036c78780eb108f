/* SPDX-License-Identifier: Apache-2.0 */
/* probe/probe-internal.h — what the files of src/probe share: tracks with gaps, and parsers of
 * kernel text.
 * Owns: see each struct.  Threads: the sampler's.  Privilege: none. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"
#include "brownout/probe/cgroup.h"
#include "brownout/probe/probe.h"

extern const struct bo_probe_kind bo_probe_census;
extern const struct bo_probe_kind bo_probe_pprof;
extern const struct bo_probe_kind bo_probe_expvar;
extern const struct bo_probe_kind bo_probe_metrics;
extern const struct bo_probe_kind bo_probe_proc;
extern const struct bo_probe_kind bo_probe_cgroup;

struct bo_fetch;
/** bo_probe_ask() - begin a sample that is one request; the probe is busy until its handler's done() */
void bo_probe_ask(struct bo_probe *probe, struct bo_fetch *fetch, int64_t now_ns);
/** bo_probe_guess_url() - @path on the host and port of the node's HTTP readiness check; -ENOENT when it has none */
BO_NODISCARD int bo_probe_guess_url(const struct bo_node_spec *spec, const char *path, char *url,
				    size_t size, struct bo_err *err);

/** bo_pprof_profile_url() - where the node's @profile ("goroutine") is: -ENOENT when it is not known, -EINVAL */
BO_NODISCARD int bo_pprof_profile_url(const struct bo_node_spec *spec, const char *profile,
				      int debug, char *url, size_t size, struct bo_err *err);

struct bo_attached;
/** bo_probe_census_attached() - what a census probe is attached to (before sampling starts) */
const struct bo_attached *bo_probe_census_attached(const struct bo_probe *probe);

/**
 * struct bo_track - one series as it is being written
 * Times are ns after the run's t0.
 * @series: [borrowed: run];  @last_ns: the last good sample, or the start of sampling
 * @latest: bits of a double, read by other threads; NAN while there is none or a gap is open
 * @known: the same, but the last good sample stays through a gap
 */
struct bo_track {
	struct bo_series *series;
	int64_t last_ns;
	struct bo_gap gap;
	bool gap_open;
	_Atomic uint64_t latest;
	_Atomic uint64_t known;
};

void bo_track_begin(struct bo_track *track, struct bo_series *series, int64_t start_ns);
void bo_track_sample(struct bo_track *track, int64_t t_ns, double value);
/** bo_track_gap() - no sample at @t_ns; @reason [borrowed: as long as the track] */
void bo_track_gap(struct bo_track *track, int64_t t_ns, const char *reason);
/** bo_track_end() - from @t_ns on there is nothing to sample (for now): an open gap ends there */
void bo_track_end(struct bo_track *track, int64_t t_ns);
double bo_track_latest(const struct bo_track *track);
double bo_track_known(const struct bo_track *track);

/** struct bo_reasons - the few distinct reasons of gaps, each kept once */
struct bo_reasons {
	BO_VEC(char *) texts; /* [owned] */
};
/** bo_reasons_intern() - @text kept; never NULL.  [borrowed: until bo_reasons_done()] */
const char *bo_reasons_intern(struct bo_reasons *reasons, const char *text);
void bo_reasons_done(struct bo_reasons *reasons);

/** struct bo_proc_stat - what is used of /proc/PID/stat (proc_pid_stat(5)); times in clock ticks */
struct bo_proc_stat {
	char state;
	uint64_t cpu_ticks; /* own and waited-for children's, user and system */
	int64_t threads;
	uint64_t start_ticks;
};
BO_NODISCARD int bo_proc_parse_stat(const char *text, struct bo_proc_stat *ret);
/** bo_proc_parse_statm() - resident pages, the second number */
BO_NODISCARD int bo_proc_parse_statm(const char *text, int64_t *ret_pages);
/** bo_proc_read_stat() - /proc/PID/stat, read and parsed; -ENOENT or -ESRCH when it is gone */
BO_NODISCARD int bo_proc_read_stat(pid_t pid, struct bo_proc_stat *ret);
/**
 * bo_proc_tree() - @root and its descendants, breadth first (/proc/PID/task/TID/children, proc_pid_task(5))
 * Without CONFIG_PROC_CHILDREN the tree is its root.
 * Return: how many, at most @max
 */
size_t bo_proc_tree(pid_t root, pid_t *pids, size_t max);
