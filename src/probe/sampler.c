/* SPDX-License-Identifier: Apache-2.0 */
/* probe/sampler.c — the thread that keeps all probes to their schedule.
 * Each probe is due at t0 + k × interval, counted from t0 and not from the last sample, so the
 * schedule does not drift; instants that were missed are left out, never made up for.  A timerfd
 * wakes the same poll that waits for the network, so a node that does not answer holds up nobody
 * else: its probe is busy, and is passed over, until its answer or its timeout.
 * Owns: the thread, the probes, the cgroup descriptors, the fetcher. Threads: main makes,
 * detects, starts and stops; the sampler's thread runs in between and is then the only one that
 * touches probes and series; set_pid and latest are atomics.  Privilege: none. */
#include "brownout/probe/sampler.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/probe/http.h"
#include "probe-internal.h"
#include "sampler-internal.h"
#include "watch.h"

#define INTERVAL_DEFAULT_NS (100 * BO_NSEC_PER_MSEC)
#define INTERVAL_MIN_NS BO_NSEC_PER_MSEC
/* Later than this, and than five intervals, is a gap of the sampler's own making. */
#define HELD_UP_NS (BO_NSEC_PER_SEC / 2)

void bo_probe_emit(struct bo_probe *probe, size_t index, int64_t t_ns, double value)
{
	probe->answered = true;
	if (probe->tracks[index])
		bo_track_sample(probe->tracks[index], t_ns - probe->t0_ns, value);
}

void bo_probe_absent(struct bo_probe *probe, size_t index, int64_t t_ns)
{
	probe->answered = true;
	if (probe->tracks[index])
		bo_track_end(probe->tracks[index], t_ns - probe->t0_ns);
}

void bo_probe_fail(struct bo_probe *probe, size_t index, int64_t t_ns, const char *fmt, ...)
{
	size_t first = index == BO_PROBE_ALL ? 0 : index;
	size_t last = index == BO_PROBE_ALL ? BO_PROBE_SERIES_MAX - 1 : index;
	const char *reason;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(probe->last_reason, sizeof(probe->last_reason), fmt, ap);
	va_end(ap);
	reason = bo_reasons_intern(probe->reasons, probe->last_reason);
	for (size_t i = first; i <= last; i++) {
		if (probe->tracks[i])
			bo_track_gap(probe->tracks[i], t_ns - probe->t0_ns, reason);
	}
}

void bo_sampler_probe_free(struct bo_probe *probe)
{
	if (!probe)
		return;
	if (probe->kind->detach)
		probe->kind->detach(probe);
	for (size_t i = 0; i < BO_PROBE_SERIES_MAX; i++)
		free(probe->tracks[i]);
	free(probe->state);
	free(probe);
}

/* -ENOENT: the kind does not apply to this node; @err says why. */
int bo_sampler_probe_new(struct bo_probe **ret, struct bo_sampler *s,
			 const struct bo_probe_target *target, const struct bo_probe_kind *kind,
			 struct bo_err *err)
{
	struct bo_probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (probe)
		probe->state = calloc(1, kind->state_size ? kind->state_size : 1);
	if (!probe || !probe->state) {
		free(probe);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	probe->kind = kind;
	probe->target = target;
	probe->fetcher = s->fetcher;
	probe->reasons = &s->reasons;
	probe->wanted = UINT32_MAX;
	probe->timeout_ns = BO_PROBE_TIMEOUT_NS;
	probe->watch = s->watch;
	probe->interval_ns = target->spec->probe.interval_ns;
	if (probe->interval_ns <= 0 || probe->interval_ns == INTERVAL_DEFAULT_NS)
		probe->interval_ns = kind->interval_ns ? kind->interval_ns : INTERVAL_DEFAULT_NS;
	if (probe->interval_ns < INTERVAL_MIN_NS)
		probe->interval_ns = INTERVAL_MIN_NS;
	r = kind->attach(probe, err);
	if (r < 0) {
		bo_sampler_probe_free(probe);
		return r;
	}
	*ret = probe;
	return 0;
}

/* The probe stays: give it its series.  [consumed: also on failure] */
int bo_sampler_keep(struct bo_sampler *s, struct bo_probe *probe, struct bo_err *err)
{
	const struct bo_probe_series *series = probe->kind->series;

	if (!bo_vec_push(&s->probes, probe)) {
		bo_sampler_probe_free(probe);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	for (size_t i = 0; i < BO_PROBE_SERIES_MAX && series[i].name; i++) {
		if (!(probe->wanted & 1u << i))
			continue;
		probe->tracks[i] = calloc(1, sizeof(*probe->tracks[i]));
		if (!probe->tracks[i])
			return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
		bo_track_begin(probe->tracks[i],
			       bo_run_series_add(s->run, series[i].name, series[i].unit,
						 probe->source, probe->target->node),
			       0);
		if (!probe->tracks[i]->series)
			return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	return 0;
}

static int add_node(struct bo_sampler *s, const struct bo_sampler_node *node, struct bo_err *err)
{
	struct bo_probe_target *target = &s->nodes[s->nnodes].target;

	if (node->node < 0 || (size_t)node->node >= s->run->plan->nodes.len)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "there is no node %d", node->node);
	target->node = node->node;
	target->spec = &s->run->plan->nodes.items[node->node];
	if (target->spec->role == BO_ROLE_CLIENT)
		return 0;
	target->files = node->files;
	s->nnodes++;
	snprintf(target->address, sizeof(target->address), "%s",
		 node->address ? node->address : "");

	for (const struct bo_probe_kind *const *kind = bo_probe_kinds(); *kind; kind++) {
		struct bo_probe *probe;
		int r;

		if ((*kind)->use != BO_PROBE_USE_EVERY)
			continue;
		r = bo_sampler_probe_new(&probe, s, target, *kind, err);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = bo_sampler_keep(s, probe, err);
		if (r < 0)
			return bo_err_wrap(err, "sampling %s with %s", target->spec->name,
					   (*kind)->name);
	}
	return 0;
}

int bo_sampler_new(struct bo_sampler **ret, struct bo_run *run, const struct bo_sampler_node *nodes,
		   size_t nnodes, struct bo_err *err)
{
	struct bo_sampler *s = calloc(1, sizeof(*s));
	size_t taken = 0;
	int r;

	if (s)
		s->nodes = calloc(nnodes ? nnodes : 1, sizeof(*s->nodes));
	if (!s || !s->nodes) {
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
		goto fail;
	}
	s->run = run;
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = s->timer_fd < 0 ? bo_err_errno(err, BO_SUBSYS_PROBE, "timerfd")
			    : bo_fetcher_new(&s->fetcher, err);
	if (r == 0)
		r = bo_watch_new(&s->watch, run, err);
	for (; r == 0 && taken < nnodes; taken++) {
		size_t had = s->nnodes;

		r = add_node(s, &nodes[taken], err);
		if (s->nnodes == had) {
			struct bo_cgroup_files files = nodes[taken].files;

			bo_cgroup_files_close(&files);
		}
	}
	if (r == 0) {
		*ret = s;
		return 0;
	}
fail:
	for (; taken < nnodes; taken++) {
		struct bo_cgroup_files files = nodes[taken].files;

		bo_cgroup_files_close(&files);
	}
	bo_sampler_free(s);
	return r;
}

void bo_sampler_set_pid(struct bo_sampler *sampler, int node, pid_t pid)
{
	for (size_t i = 0; i < sampler->nnodes; i++) {
		_Atomic uint64_t *word = &sampler->nodes[i].pid;
		uint64_t old = atomic_load(word);

		if (sampler->nodes[i].target.node != node)
			continue;
		while (!atomic_compare_exchange_weak(word, &old,
						     ((old >> 32) + 1) << 32 | (uint32_t)pid))
			;
		bo_watch_wake(sampler->watch);
	}
}

void bo_sampler_refresh(struct bo_sampler *s)
{
	for (size_t i = 0; i < s->nnodes; i++) {
		uint64_t word = atomic_load(&s->nodes[i].pid);

		s->nodes[i].target.pid = (pid_t)(uint32_t)word;
		s->nodes[i].target.start = (uint32_t)(word >> 32);
	}
}

void bo_sampler_take(struct bo_probe *probe, int64_t now_ns)
{
	if (probe->kind->needs_process && probe->target->pid == 0)
		bo_probe_fail(probe, BO_PROBE_ALL, now_ns, "process is down");
	else
		probe->kind->sample(probe, now_ns);
}

/* One probe's turn; moves its due time past @now_ns on the grid of t0. */
static void turn(struct bo_probe *probe, int64_t now_ns)
{
	int64_t late_ns = now_ns - probe->due_ns;

	if (late_ns < 0)
		return;
	if (late_ns > HELD_UP_NS && late_ns > 5 * probe->interval_ns)
		bo_probe_fail(probe, BO_PROBE_ALL, now_ns, "sampler was held up");
	probe->due_ns += (late_ns / probe->interval_ns + 1) * probe->interval_ns;
	if (!probe->busy)
		bo_sampler_take(probe, now_ns);
}

static void arm(struct bo_sampler *s, int64_t due_ns)
{
	/* Setting it also clears an expiry that nobody read. */
	struct itimerspec it = { .it_value = bo_ns_to_timespec(due_ns) };

	timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &it, NULL);
}

static void *sampler_main(void *self)
{
	struct bo_sampler *s = self;

	while (!atomic_load(&s->stop)) {
		int64_t next_ns = bo_now_ns() + BO_NSEC_PER_SEC;
		struct bo_err err = { 0 };

		bo_sampler_refresh(s);
		bo_vec_foreach(it, &s->probes) {
			turn(*it, bo_now_ns());
			if ((*it)->due_ns < next_ns)
				next_ns = (*it)->due_ns;
		}
		arm(s, next_ns);
		if (bo_fetcher_run(s->fetcher, s->timer_fd, 1000, &err) < 0) {
			struct timespec until = bo_ns_to_timespec(next_ns);

			bo_vec_foreach(it, &s->probes) {
				if ((*it)->busy)
					bo_probe_fail(*it, BO_PROBE_ALL, bo_now_ns(), "%s",
						      err.msg);
			}
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		}
	}
	return NULL;
}

int bo_sampler_start(struct bo_sampler *sampler, int64_t t0_ns, struct bo_err *err)
{
	int64_t now_ns = bo_now_ns();
	sigset_t all, old;
	int r;

	if (sampler->running)
		return bo_err_set(err, EBUSY, BO_SUBSYS_PROBE, "the sampler runs already");
	bo_vec_foreach(it, &sampler->probes) {
		int64_t interval_ns = (*it)->interval_ns;
		int64_t behind_ns = (now_ns - t0_ns) % interval_ns;

		if (behind_ns < 0)
			behind_ns += interval_ns;
		(*it)->t0_ns = t0_ns;
		(*it)->due_ns = behind_ns ? now_ns + interval_ns - behind_ns : now_ns;
		for (size_t i = 0; i < BO_PROBE_SERIES_MAX; i++) {
			if ((*it)->tracks[i])
				bo_track_begin((*it)->tracks[i], (*it)->tracks[i]->series,
					       now_ns - t0_ns);
		}
	}
	sampler->t0_ns = t0_ns;
	atomic_store(&sampler->stop, false);
	/* First the census's thread: the sampler's asks it for handles from its first turn on. */
	r = bo_watch_start(sampler->watch, t0_ns, err);
	if (r)
		return r;
	/* Signals are the main thread's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&sampler->thread, NULL, sampler_main, sampler);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r) {
		bo_watch_stop(sampler->watch);
		return bo_err_set(err, r, BO_SUBSYS_PROBE, "cannot start the sampler's thread: %s",
				  strerror(r));
	}
	sampler->running = true;
	return 0;
}

void bo_sampler_observe(struct bo_sampler *sampler, const struct bo_sampler_observer *observer)
{
	bo_watch_observe(sampler->watch, observer);
}

void bo_sampler_snapshot(struct bo_sampler *sampler, int node, const char *why)
{
	bo_watch_request(sampler->watch, node, why);
}

void bo_sampler_agree(struct bo_sampler *sampler, int node)
{
	bo_vec_foreach(it, &sampler->probes)
		if ((*it)->target->node == node)
			atomic_store(&(*it)->agree, true);
}

double bo_sampler_latest(struct bo_sampler *sampler, const char *series, int node)
{
	bo_vec_foreach(it, &sampler->probes) {
		const struct bo_probe *probe = *it;

		for (size_t i = 0; probe->target->node == node && i < BO_PROBE_SERIES_MAX; i++) {
			if (probe->tracks[i] && strcmp(probe->kind->series[i].name, series) == 0)
				return bo_track_latest(probe->tracks[i]);
		}
	}
	return NAN;
}

/* Gaps outlive the sampler: move their reasons into the run. */
static void hand_over_reasons(struct bo_sampler *s)
{
	bo_vec_foreach(text, &s->reasons.texts) {
		const char *copy = bo_arena_strdup(&s->run->arena, *text);

		bo_vec_foreach(it, &s->probes) {
			for (size_t i = 0; i < BO_PROBE_SERIES_MAX; i++) {
				if (!(*it)->tracks[i])
					continue;
				bo_vec_foreach(gap, &(*it)->tracks[i]->series->gaps) {
					if (gap->reason == *text)
						gap->reason = copy ? copy : "out of memory";
				}
			}
		}
	}
}

void bo_sampler_stop(struct bo_sampler *sampler)
{
	int64_t end_ns;

	if (!sampler->running)
		return;
	atomic_store(&sampler->stop, true);
	bo_fetcher_wake(sampler->fetcher);
	pthread_join(sampler->thread, NULL);
	sampler->running = false;
	end_ns = bo_now_ns() - sampler->t0_ns;
	bo_vec_foreach(it, &sampler->probes) {
		for (size_t i = 0; i < BO_PROBE_SERIES_MAX; i++) {
			if ((*it)->tracks[i])
				bo_track_end((*it)->tracks[i], end_ns);
		}
	}
	hand_over_reasons(sampler);
	bo_watch_stop(sampler->watch);
}

void bo_sampler_free(struct bo_sampler *sampler)
{
	if (!sampler)
		return;
	bo_sampler_stop(sampler);
	bo_vec_foreach(it, &sampler->probes)
		bo_sampler_probe_free(*it);
	bo_vec_done(&sampler->probes);
	for (size_t i = 0; i < sampler->nnodes; i++)
		bo_cgroup_files_close(&sampler->nodes[i].target.files);
	bo_fetcher_free(sampler->fetcher);
	bo_watch_free(sampler->watch);
	bo_reasons_done(&sampler->reasons);
	if (sampler->timer_fd > 0)
		close(sampler->timer_fd);
	free(sampler->nodes);
	free(sampler);
}
