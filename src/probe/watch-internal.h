/* SPDX-License-Identifier: Apache-2.0 */
/* probe/watch-internal.h — the census thread's state, for the files that it is made of.
 * Owns: see the structs.  Threads: the lock covers what is handed over between threads; the rest is the census thread's.
 * Privilege: see watch.h. */
#pragma once
#include <pthread.h>

#include "dump.h"
#include "groups.h"
#include "probe-internal.h"
#include "watch.h"

#define REQUESTS_MAX 8

struct request {
	const char *why; /* [borrowed: static] */
	int64_t asked_ns;
};

/* Under the lock: offer …, requests, leaks_asked.  The rest is the thread's own. */
struct watched {
	struct bo_watch *watch; /* [borrowed] */
	int node;
	const char *name;                     /* [borrowed: plan] */
	const struct bo_node_spec *spec;      /* [borrowed: plan] */
	const struct bo_probe_target *target; /* [borrowed] */
	const _Atomic uint64_t *pid;          /* [borrowed] changes << 32 | pid */
	const struct bo_track *counted;       /* [borrowed] */
	char source[64];
	struct bo_census *offer; /* [owned] for whoever counts */
	uint32_t offer_start;
	bool wanted;
	char why_not[160];
	struct request requests[REQUESTS_MAX];
	size_t nrequests;
	bool leaks_asked;

	struct bo_census *census; /* [owned] */
	uint32_t start;
	struct bo_census_snapshot snap;
	int64_t last_ns; /* when the last snapshot was taken, or could not be */
	int64_t retry_ns, backoff_ns;
	struct bo_attached how; /* what was attached to last */
	int64_t waiting_ns;     /* since when for that program to run again, 0: not */

	struct bo_dump *dump;  /* [owned] instead of a census */
	const char *dumping;   /* why, while one is under way */
	struct bo_dump *leaks; /* [owned] */
	bool leaking;          /* that one is under way */
};

struct line {
	int64_t t_ns;
	enum bo_event_kind kind;
	int node;
	char *text; /* [owned] */
};

struct bo_watch {
	struct bo_run *run; /* [borrowed] touched by the main thread only */
	struct bo_sampler_observer observer;
	BO_VEC(struct watched *) nodes;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	bool poked;
	BO_VEC(struct line) lines;
	pthread_t thread;
	bool running;
	int64_t t0_ns;
	_Atomic int64_t phase_ns; /* when the present phase began */
	struct bo_arena arena;
	struct bo_texts texts;
	BO_VEC(struct bo_group_snapshot) snapshots;
	BO_VEC(struct bo_group_snapshot) leaks;
	struct bo_sampler_opener opener;
	struct bo_fetcher *fetcher; /* of dumps */
};

/** watch_dump_new() - @n shall be watched by dumps instead of a census; -ENOENT as bo_dump_new() */
BO_NODISCARD int watch_dump_new(struct bo_watch *w, struct watched *n, struct bo_err *err);
/** watch_worth_a_dump() - may the service's world be stopped for this? */
bool watch_worth_a_dump(const char *why);
/** watch_serve_dumps() - begin what was asked for */
void watch_serve_dumps(struct bo_watch *w, struct watched *n);
bool watch_is_fetching(const struct bo_watch *w);
/** watch_fetch() - move what is under way on, until @until_ns at the latest */
void watch_fetch(struct bo_watch *w, int64_t until_ns);
