/* SPDX-License-Identifier: Apache-2.0 */
/* probe/census_probe.c — goroutine count and runtime statistics, read from the process's memory.
 * A count is one system call of a few microseconds that the service takes no part in, so it works on
 * a process that is stopped, frozen or wedged, and can be had a hundred times a second.  What takes
 * longer, attaching above all, is the census thread's business (watch.c): after a restart there is
 * a gap until it offers a handle.
 * Owns: a handle per node, and a request to pprof (agree.c).  Threads: the sampler's; main while it
 * detects.  Privilege: PTRACE_MODE_ATTACH over the process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agree.h"
#include "brownout/base/clock.h"
#include "probe-internal.h"
#include "watch.h"

#define COUNT_INTERVAL_NS (10 * BO_NSEC_PER_MSEC)
#define STATS_INTERVAL_NS (100 * BO_NSEC_PER_MSEC)
#define YOUNG_PAUSE_MIN_NS (5 * BO_NSEC_PER_MSEC)
#define YOUNG_PAUSE_MAX_NS (320 * BO_NSEC_PER_MSEC)

enum {
	GOROUTINES,
	GC_CYCLES,
	GC_PAUSE_TOTAL,
	GC_PAUSE,
	HEAP_LIVE,
	HEAP_GOAL,
	SCHED_LATENCY_P99,
	SCHED_RUNQ,
	SCHED_STW,
	CREATED,
};

static const struct bo_probe_series series[] = {
	[GOROUTINES] = { BO_SERIES_GOROUTINES, "count" },
	[GC_CYCLES] = { BO_SERIES_GC_CYCLES, "count" },
	[GC_PAUSE_TOTAL] = { BO_SERIES_GC_PAUSE_TOTAL, "ns" },
	[GC_PAUSE] = { BO_SERIES_GC_PAUSE, "ns" },
	[HEAP_LIVE] = { BO_SERIES_HEAP_LIVE, "bytes" },
	[HEAP_GOAL] = { BO_SERIES_HEAP_GOAL, "bytes" },
	[SCHED_LATENCY_P99] = { BO_SERIES_SCHED_LATENCY_P99, "ns" },
	[SCHED_RUNQ] = { BO_SERIES_SCHED_RUNQ, "count" },
	[SCHED_STW] = { BO_SERIES_SCHED_STW, "ns" },
	[CREATED] = { BO_SERIES_CREATED, "count" },
	{ NULL, NULL },
};
_Static_assert(sizeof(series) / sizeof(*series) <= BO_PROBE_SERIES_MAX + 1,
	       "room for every series");

struct census_state {
	struct bo_census *census; /* [owned] */
	uint32_t start;
	int64_t stats_due_ns;
	struct bo_census_stats before;
	bool has_before;
	struct bo_agree *agree;
	struct bo_attached attached; /* at detection */
};

const struct bo_attached *bo_probe_census_attached(const struct bo_probe *probe)
{
	const struct census_state *st = probe->state;

	return &st->attached;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	(void)err;
	snprintf(probe->source, sizeof(probe->source), "census");
	return 0;
}

static void drop(struct census_state *st)
{
	bo_census_free(st->census);
	st->census = NULL;
	st->has_before = false;
	/* What was counted is not this process's, and neither is the answer under way. */
	bo_agree_forget(st->agree);
}

static void detach(struct bo_probe *probe)
{
	struct census_state *st = probe->state;

	drop(st);
	bo_agree_free(st->agree);
}

/* Whatever this version or build does not show stays out of the run. */
static void choose_series(struct bo_probe *probe, const struct bo_census_stats *s)
{
	const int64_t values[] = {
		[GOROUTINES] = 0,
		[GC_CYCLES] = s->gc_cycles,
		[GC_PAUSE_TOTAL] = s->gc_pause_total_ns,
		[GC_PAUSE] = s->gc_cycles,
		[HEAP_LIVE] = s->heap_live_bytes,
		[HEAP_GOAL] = s->heap_goal_bytes,
		[SCHED_LATENCY_P99] = s->has_sched_latency ? 0 : -1,
		[SCHED_RUNQ] = s->runq_global < 0 || s->runq_local < 0 ? -1 : 0,
		[SCHED_STW] = s->stw_pending_ns,
		[CREATED] = s->created,
	};

	probe->wanted = 0;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		probe->wanted |= (values[i] >= 0 ? 1u : 0u) << i;
}

/* Before the run nothing is delayed by attaching here and now. */
static int attach_now(struct bo_probe *probe, struct bo_err *err)
{
	struct census_state *st = probe->state;
	const struct bo_census_info *info;
	struct bo_census_stats stats;
	int r = bo_attach(&st->census, probe->target->spec, probe->target->node, probe->target->pid,
			  NULL, bo_watch_opener(probe->watch), &st->attached, err);

	if (r == -ENOEXEC)
		return bo_err_set(err, ENOEXEC, BO_SUBSYS_PROBE, "not a Go program");
	if (r < 0)
		return r;
	info = bo_census_info(st->census);
	if (!info->can_count) {
		drop(st);
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_PROBE,
				  "%.40s cannot be counted: its scheduler is not known",
				  info->go_version);
	}
	r = bo_census_stats(st->census, &stats, err);
	if (r < 0) {
		drop(st);
		return r;
	}
	choose_series(probe, &stats);
	snprintf(probe->source, sizeof(probe->source), "census %s+%s, %.32s", info->located,
		 info->layout, info->go_version);
	return 0;
}

/* A Go program that says nothing when it is ready may not have come to its main yet: it is asked again, for a little more
 * than half a second in all.  One that cannot be counted (-ENOTSUP) is not young: attaching has had patience with it. */
static int attach_young(struct bo_probe *probe, struct bo_err *err)
{
	struct timespec pause = { .tv_nsec = YOUNG_PAUSE_MIN_NS };
	int r = attach_now(probe, err);

	while ((r == -EBADMSG || r == -EAGAIN) && pause.tv_nsec <= YOUNG_PAUSE_MAX_NS) {
		nanosleep(&pause, NULL);
		pause.tv_nsec *= 2;
		r = attach_now(probe, err);
	}
	return r;
}

/* A handle of the process that the node runs now. */
static bool have_handle(struct bo_probe *probe, int64_t now_ns)
{
	struct census_state *st = probe->state;
	struct bo_err err = { 0 };
	char why[160] = "";

	if (st->census && st->start == probe->target->start)
		return true;
	drop(st);
	if (bo_watch_running(probe->watch))
		st->census = bo_watch_counter(probe->watch, probe->target->node,
					      probe->target->start, why, sizeof(why));
	else if (attach_young(probe, &err) < 0)
		snprintf(why, sizeof(why), "%.150s", err.msg);
	st->start = probe->target->start;
	if (!st->census)
		bo_probe_fail(probe, BO_PROBE_ALL, now_ns, "%s", why);
	return st->census;
}

static void emit_known(struct bo_probe *probe, size_t index, int64_t t_ns, int64_t value)
{
	if (value >= 0)
		bo_probe_emit(probe, index, t_ns, (double)value);
}

static void sample_stats(struct bo_probe *probe, int64_t now_ns)
{
	struct census_state *st = probe->state;
	struct bo_census_stats s;
	struct bo_err err = { 0 };

	st->stats_due_ns = now_ns + STATS_INTERVAL_NS;
	if (bo_census_stats(st->census, &s, &err) < 0) {
		for (size_t i = GC_CYCLES; i <= CREATED; i++)
			bo_probe_fail(probe, i, now_ns, "%s", err.msg);
		return;
	}
	emit_known(probe, GC_CYCLES, s.t_ns, s.gc_cycles);
	emit_known(probe, GC_PAUSE_TOTAL, s.t_ns, s.gc_pause_total_ns);
	if (st->has_before && s.gc_cycles > st->before.gc_cycles)
		emit_known(probe, GC_PAUSE, s.t_ns, s.gc_last_pause_ns);
	emit_known(probe, HEAP_LIVE, s.t_ns, s.heap_live_bytes);
	emit_known(probe, HEAP_GOAL, s.t_ns, s.heap_goal_bytes);
	if (st->has_before)
		emit_known(probe, SCHED_LATENCY_P99, s.t_ns,
			   bo_census_latency_quantile_ns(&st->before, &s, 0.99));
	if (s.runq_global >= 0 && s.runq_local >= 0)
		emit_known(probe, SCHED_RUNQ, s.t_ns, s.runq_global + s.runq_local);
	emit_known(probe, SCHED_STW, s.t_ns, s.stw_pending_ns);
	emit_known(probe, CREATED, s.t_ns, s.created);
	st->before = s;
	st->has_before = true;
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	struct census_state *st = probe->state;
	struct bo_err err = { 0 };
	int64_t count;
	int r;

	if (!have_handle(probe, now_ns))
		return;
	r = bo_census_count(st->census, &count, &err);
	if (r < 0) {
		bo_probe_fail(probe, BO_PROBE_ALL, now_ns, "%s", err.msg);
		/* Another program, or none: the census thread looks again. */
		drop(st);
		return;
	}
	bo_probe_emit(probe, GOROUTINES, now_ns, (double)count);
	if (now_ns >= st->stats_due_ns)
		sample_stats(probe, now_ns);
	if (bo_watch_running(probe->watch))
		bo_agree_count(&st->agree, probe, count);
}

const struct bo_probe_kind bo_probe_census = {
	.name = "census",
	.help = "goroutines and runtime statistics from the memory of a Go process",
	.use = BO_PROBE_USE_GOROUTINES,
	.needs_process = true,
	.series = series,
	.interval_ns = COUNT_INTERVAL_NS,
	.dense = BO_DENSE_SAMPLES,
	.state_size = sizeof(struct census_state),
	.attach = attach,
	.detach = detach,
	.sample = sample,
};
