/* SPDX-License-Identifier: Apache-2.0 */
/* probe/sampler-internal.h — the sampler's own state, for the files that it is made of.
 * Owns: see struct bo_sampler.  Threads: main, and the sampler's; never both at once but where it
 * says so.  Privilege: none. */
#pragma once
#include <pthread.h>

#include "probe-internal.h"

/** struct sampler_node - @pid: how often it changed << 32 | pid, as any thread set it */
struct sampler_node {
	struct bo_probe_target target;
	_Atomic uint64_t pid;
};

struct bo_sampler {
	struct bo_run *run; /* [borrowed] */
	struct bo_fetcher *fetcher;
	struct sampler_node *nodes;
	size_t nnodes;
	BO_VEC(struct bo_probe *) probes;
	struct bo_reasons reasons;
	struct bo_watch *watch; /* [owned] groups of goroutines, on a thread of its own */
	int64_t t0_ns;
	_Atomic int64_t phase_ns; /* when the present phase began, CLOCK_MONOTONIC */
	int timer_fd;
	pthread_t thread;
	bool running;
	_Atomic bool stop;
};

/** bo_sampler_probe_new() - -ENOENT: the kind does not apply to this node; @err says why */
BO_NODISCARD int bo_sampler_probe_new(struct bo_probe **ret, struct bo_sampler *s,
				      const struct bo_probe_target *target,
				      const struct bo_probe_kind *kind, struct bo_err *err);
void bo_sampler_probe_free(struct bo_probe *probe);
/** bo_sampler_keep() - the probe stays: give it its series.  [consumed: also on failure] */
BO_NODISCARD int bo_sampler_keep(struct bo_sampler *s, struct bo_probe *probe, struct bo_err *err);
/** bo_sampler_take() - one sample now, or its failure */
void bo_sampler_take(struct bo_probe *probe, int64_t now_ns);
/** bo_sampler_refresh() - see which processes the nodes run now */
void bo_sampler_refresh(struct bo_sampler *s);
