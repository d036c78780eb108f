/* SPDX-License-Identifier: Apache-2.0 */
/* census/stats.c — the runtime's own counters, read where it keeps them: what runtime.ReadMemStats would have to stop the
 * world for.
 * Owns: nothing.  Threads: one at a time.  Privilege: none of its own. */
#include <errno.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "census-internal.h"

/* struct mstats.pause_ns is a ring of so many (runtime/mstats.go). */
#define PAUSES 256
#define PIECES_MAX 48
#define LATENCY_SINCE 20 /* sched.timeToRun has buckets of four per octave from Go 1.20 on */

/* A batch of reads, each of which may be missing in this release. */
struct batch {
	struct bo_census_piece pieces[PIECES_MAX];
	size_t n;
};

static bool want(struct batch *b, uint64_t base, int32_t at, void *into, size_t len)
{
	if (!base || at < 0 || b->n == PIECES_MAX)
		return false;
	b->pieces[b->n++] = (struct bo_census_piece){ base + (uint64_t)at, into, len };
	return true;
}

struct raw {
	uint64_t last_gc, pause_total, limit, live, marked, goal, sweep_goal, goidgen, mnext, mutex;
	uint32_t numgc, forced, npidle, nmidle, spinning, runq, stopwait;
	int32_t gogc;
	uint8_t gcwaiting;
};

/* Local run queues: head and tail of each p, and its next one; a snapshot each, not one of all. */
static int64_t local_queues(struct bo_census *census)
{
	int32_t head = BO_FACT(census, P_RUNQHEAD), next = BO_FACT(census, P_RUNNEXT);
	int64_t sum = 0;

	if (head < 0 || next < 0 || !census->nprocs)
		return -1;
	for (size_t from = 0; from < census->nprocs;) {
		uint32_t queue[PIECES_MAX / 2][2];
		uint64_t runnext[PIECES_MAX / 2];
		struct batch b = { .n = 0 };
		size_t n = 0;

		for (; n < PIECES_MAX / 2 && from + n < census->nprocs; n++) {
			want(&b, census->procs[from + n], head, queue[n], sizeof(queue[n]));
			want(&b, census->procs[from + n], next, &runnext[n], sizeof(runnext[n]));
		}
		if (bo_gomem_read_many(&census->memory, b.pieces, b.n))
			return -1;
		for (size_t i = 0; i < n; i++) {
			uint32_t queued = queue[i][1] - queue[i][0];

			sum += (queued <= 256 ? queued : 0) + (runnext[i] != 0);
		}
		from += n;
	}
	return sum;
}

/* heapGoalInternal() of runtime/mgcpacer.go, but for what it subtracts from the memory limit: then this is a bound. */
static int64_t heap_goal(const struct raw *raw)
{
	uint64_t goal = raw->goal > raw->sweep_goal ? raw->goal : raw->sweep_goal;

	if (goal > raw->limit)
		goal = raw->limit;
	return goal < INT64_MAX ? (int64_t)goal : -1;
}

static void fill_gc(struct bo_census *census, const struct raw *raw, bool have_mem, bool have_gc,
		    int64_t last_pause, struct bo_census_stats *ret)
{
	(void)census;
	ret->gc_cycles = have_mem ? (int64_t)raw->numgc : -1;
	ret->gc_forced = have_mem ? (int64_t)raw->forced : -1;
	ret->gc_pause_total_ns = have_mem ? (int64_t)raw->pause_total : -1;
	ret->gc_last_pause_ns = have_mem && raw->numgc ? last_pause : -1;
	/* nanotime() is CLOCK_MONOTONIC, our own clock. */
	ret->gc_since_ns = have_mem && raw->last_gc && (int64_t)raw->last_gc <= ret->t_ns
				   ? ret->t_ns - (int64_t)raw->last_gc
				   : -1;
	ret->gogc = have_gc ? raw->gogc : -1;
	ret->memory_limit_bytes = have_gc ? (int64_t)raw->limit : -1;
	ret->heap_live_bytes = have_gc ? (int64_t)raw->live : -1;
	ret->heap_marked_bytes = have_gc ? (int64_t)raw->marked : -1;
	ret->heap_goal_bytes = have_gc ? heap_goal(raw) : -1;
}

static void fill_sched(struct bo_census *census, const struct raw *raw, bool have_sched,
		       bool have_mutex, struct bo_census_stats *ret)
{
	bool stopping = have_sched && raw->gcwaiting && (int32_t)raw->stopwait > 0;

	ret->created = have_sched ? (int64_t)raw->goidgen : -1;
	ret->threads = have_sched ? (int64_t)raw->mnext : -1;
	ret->idle_threads = have_sched ? (int64_t)raw->nmidle : -1;
	ret->procs = census->nprocs ? (int64_t)census->nprocs : -1;
	ret->idle_procs = have_sched ? (int64_t)raw->npidle : -1;
	ret->spinning = have_sched ? (int64_t)raw->spinning : -1;
	ret->runq_global = have_sched ? (int64_t)raw->runq : -1;
	ret->runq_local = local_queues(census);
	ret->mutex_wait_ns = have_mutex ? (int64_t)raw->mutex : -1;
	if (!stopping)
		census->stw_since_ns = 0;
	else if (!census->stw_since_ns)
		census->stw_since_ns = ret->t_ns;
	ret->stw_pending_ns = !have_sched ? -1 : stopping ? ret->t_ns - census->stw_since_ns : 0;
}

int bo_census_stats(struct bo_census *census, struct bo_census_stats *ret, struct bo_err *err)
{
	const struct bo_go_globals *g = &census->at;
	const int32_t *at = census->layout.at;
	/* A calibrated layout vouches for g alone; sched is right where the count agreed. */
	uint64_t sched = census->info.can_count ? g->sched : 0;
	uint64_t mem = census->info.layout[0] == 'c' ? 0 : g->memstats;
	uint64_t gc = census->info.layout[0] == 'c' ? 0 : g->gccontroller;
	bool have_mem, have_gc, have_sched, have_mutex, have_latency;
	uint64_t pauses[PAUSES];
	struct raw raw = { 0 };
	struct batch b = { .n = 0 };
	uint64_t module;
	int r;

	memset(ret, 0, sizeof(*ret));
	(void)want(&b, g->moduledata, 0, &module, 8);
	have_mem = want(&b, mem, at[BO_GO_MEM_NUMGC], &raw.numgc, 4) &&
		   want(&b, mem, at[BO_GO_MEM_NUMFORCEDGC], &raw.forced, 4) &&
		   want(&b, mem, at[BO_GO_MEM_LASTGC], &raw.last_gc, 8) &&
		   want(&b, mem, at[BO_GO_MEM_PAUSETOTAL], &raw.pause_total, 8) &&
		   want(&b, mem, at[BO_GO_MEM_PAUSES], pauses, sizeof(pauses));
	have_gc = want(&b, gc, at[BO_GO_GC_PERCENT], &raw.gogc, 4) &&
		  want(&b, gc, at[BO_GO_GC_MEMORYLIMIT], &raw.limit, 8) &&
		  want(&b, gc, at[BO_GO_GC_HEAPLIVE], &raw.live, 8) &&
		  want(&b, gc, at[BO_GO_GC_HEAPMARKED], &raw.marked, 8) &&
		  want(&b, gc, at[BO_GO_GC_HEAPGOAL], &raw.goal, 8) &&
		  want(&b, gc, at[BO_GO_GC_SWEEPGOAL], &raw.sweep_goal, 8);
	have_sched = want(&b, sched, at[BO_GO_SCHED_GOIDGEN], &raw.goidgen, 8) &&
		     want(&b, sched, at[BO_GO_SCHED_MNEXT], &raw.mnext, 8) &&
		     want(&b, sched, at[BO_GO_SCHED_NMIDLE], &raw.nmidle, 4) &&
		     want(&b, sched, at[BO_GO_SCHED_NPIDLE], &raw.npidle, 4) &&
		     want(&b, sched, at[BO_GO_SCHED_NMSPINNING], &raw.spinning, 4) &&
		     want(&b, sched, at[BO_GO_SCHED_RUNQSIZE], &raw.runq, 4) &&
		     want(&b, sched, at[BO_GO_SCHED_GCWAITING], &raw.gcwaiting, 1) &&
		     want(&b, sched, at[BO_GO_SCHED_STOPWAIT], &raw.stopwait, 4);
	have_mutex = want(&b, sched, at[BO_GO_SCHED_MUTEXWAIT], &raw.mutex, 8);
	have_latency = census->info.go_minor >= LATENCY_SINCE &&
		       want(&b, sched, at[BO_GO_SCHED_TIMETORUN], ret->sched_latency,
			    sizeof(ret->sched_latency));
	r = bo_gomem_read_many(&census->memory, b.pieces, b.n);
	ret->t_ns = bo_now_ns();
	if (r)
		return bo_goread_failed(census, r, "the runtime's statistics", err);
	if (module != census->pcln.header)
		return bo_err_set(err, ESTALE, BO_SUBSYS_PROBE,
				  "process %d has become another program", census->info.pid);
	ret->has_sched_latency = have_latency;
	fill_gc(census, &raw, have_mem, have_gc,
		have_mem ? (int64_t)pauses[(raw.numgc + PAUSES - 1) % PAUSES] : -1, ret);
	fill_sched(census, &raw, have_sched, have_mutex, ret);
	return 0;
}

int64_t bo_census_latency_bound_ns(unsigned i)
{
	unsigned octave = i / 4, quarter = i % 4;

	/* runtime/histogram.go: the first octave is linear up to 512 ns, each further one doubles. */
	if (i >= BO_CENSUS_LATENCY_BUCKETS)
		return INT64_MAX;
	if (!octave)
		return (int64_t)(quarter + 1) * 128;
	return (INT64_C(1) << (octave + 8)) + (int64_t)(quarter + 1) * (INT64_C(1) << (octave + 6));
}

int64_t bo_census_latency_quantile_ns(const struct bo_census_stats *before,
				      const struct bo_census_stats *now, double q)
{
	uint64_t total = 0, sum = 0, counts[BO_CENSUS_LATENCY_BUCKETS];

	if (!now->has_sched_latency)
		return -1;
	for (unsigned i = 0; i < BO_CENSUS_LATENCY_BUCKETS; i++) {
		uint64_t old = before && before->has_sched_latency ? before->sched_latency[i] : 0;

		/* Buckets are read one after the other: a count may even seem to fall. */
		counts[i] = now->sched_latency[i] > old ? now->sched_latency[i] - old : 0;
		total += counts[i];
	}
	for (unsigned i = 0; i < BO_CENSUS_LATENCY_BUCKETS; i++) {
		sum += counts[i];
		if (counts[i] && (double)sum >= q * (double)total)
			return bo_census_latency_bound_ns(i);
	}
	return -1;
}
