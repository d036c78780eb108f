/* SPDX-License-Identifier: Apache-2.0 */
/* harness/conductor_walk.c — what happens between t0 and the end of a run: phases and faults as they are due, guards,
 * limits, signals, the status line.
 * Owns: nothing.  Threads: the main thread.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "brownout/base/units.h"
#include "harness/conductor-internal.h"
#include "harness/status.h"

#define TICK_NS (20 * BO_NSEC_PER_MSEC)
#define SHOW_EVERY_NS (200 * BO_NSEC_PER_MSEC)
#define LATE_NS (100 * BO_NSEC_PER_MSEC)
#define DRAIN_NS (2 * BO_NSEC_PER_SEC)
/* Woken so late, it was not the scheduler's ordinary delay. */
#define STOPPED_NS BO_NSEC_PER_SEC

int64_t bo_conductor_since_t0(const struct bo_conductor *c)
{
	int64_t now = bo_now_ns();

	/* t0 is fixed a moment ahead: what fails in between did so at 0 */
	return !c->t0_ns ? INT64_MIN : now > c->t0_ns ? now - c->t0_ns : 0;
}

void bo_conductor_note(struct bo_conductor *c, enum bo_event_kind kind, int node, const char *fmt,
		       ...)
{
	int64_t t = bo_conductor_since_t0(c);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bo_status_note(t, "%s%s", kind == BO_EVENT_PROBLEM ? "PROBLEM: " : "", text);
	bo_run_event(c->run, t == INT64_MIN ? 0 : t, kind, node, "%s", text);
}

const char *bo_conductor_keep(struct bo_conductor *c, const char *text)
{
	const char *kept = bo_arena_strdup(&c->run->arena, text);

	return kept ? kept : "out of memory";
}

static void halt(struct bo_conductor *c, const char *why)
{
	c->run->abort_reason = bo_conductor_keep(c, why);
	c->over = true;
	bo_conductor_note(c, BO_EVENT_NOTE, -1, "%s: taking everything back", why);
}

static void check_signals(struct bo_conductor *c)
{
	struct signalfd_siginfo si;
	bool was_over = c->over;

	while (read(c->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		char text[96];

		if (was_over) {
			/* the second Ctrl-C: the keeper takes everything back when our end of the socket closes */
			bo_status_clear();
			_exit(bo_outcome_exit(BO_ABORTED));
		}
		if (c->over)
			continue; /* a terminal that closes, a runner that cancels: what comes at once is one wish */
		snprintf(text, sizeof(text), "interrupted by SIG%s",
			 sigabbrev_np((int)si.ssi_signo));
		halt(c, text);
	}
}

static void check_guards(struct bo_conductor *c)
{
	struct bo_guards_view view = { .phase = c->phase,
				       .loads = c->loads,
				       .sampler = c->sampler };
	char text[512];

	view.t_ns = bo_conductor_since_t0(c);
	if (c->over || !c->guards || !c->t0_ns || bo_now_ns() < c->t0_ns)
		return;
	if (bo_guards_look(c->guards, &view, text, sizeof(text)))
		halt(c, text);
}

/* Called wherever something is waited for, so that they are kept in set-up and in a slow revert, too. */
static void check_limits(struct bo_conductor *c)
{
	char limit[BO_UNIT_BUF], text[96];

	check_guards(c);
	if (c->over || !c->plan->limit_ns || bo_now_ns() - c->began_ns < c->plan->limit_ns)
		return;
	snprintf(text, sizeof(text), "it took longer than the --timeout of %s",
		 bo_format_duration(c->plan->limit_ns, limit));
	halt(c, text);
}

static void sum_live(struct bo_conductor *c, struct bo_status_view *v)
{
	if (!c->plan->loads.len)
		return;
	v->offered_per_s = v->done_per_s = v->errors_per_s = v->inflight = 0;
	for (size_t i = 0; i < c->plan->loads.len; i++) {
		struct bo_load_live l = { 0 };

		if (!c->loads[i])
			continue;
		bo_load_live(c->loads[i], &l);
		v->offered_per_s += l.offered_per_s;
		v->done_per_s += bo_live_done_per_s(&l);
		v->errors_per_s += bo_live_errors_per_s(&l);
		v->inflight += (double)l.inflight;
		v->p99_ms = fmax(v->p99_ms, bo_live_quantile(&l, 0.99) / 1e6);
	}
}

static void list_active(const struct bo_conductor *c, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c->faults.nfaults && at < size; i++)
		if (c->faults.faults[i].active)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
					       c->plan->faults.items[i].id);
}

static void show(struct bo_conductor *c)
{
	struct bo_status_view v = { .phase = bo_phase_name(c->phase),
				    .p99_ms = NAN,
				    .done_per_s = NAN,
				    .goroutines = NAN,
				    .memory_bytes = NAN,
				    .faults = "" };
	int64_t now = bo_now_ns();
	char faults[256] = "";

	if (!c->t0_ns || now < c->t0_ns || now - c->shown_ns < SHOW_EVERY_NS)
		return;
	c->shown_ns = now;
	v.elapsed_ns = now - c->t0_ns;
	v.total_ns = bo_plan_total(c->plan);
	v.phase_elapsed_ns = v.elapsed_ns - bo_plan_phase_start(c->plan, c->phase);
	v.phase_length_ns = c->plan->phase_ns[c->phase];
	sum_live(c, &v);
	for (size_t i = 1; i < c->plan->nodes.len; i++) {
		if (c->plan->nodes.items[i].role != BO_ROLE_SUBJECT)
			continue;
		v.goroutines = bo_sampler_latest(c->sampler, BO_SERIES_GOROUTINES, (int)i);
		v.memory_bytes = bo_sampler_latest(c->sampler, BO_SERIES_MEMORY, (int)i);
		if (isnan(v.memory_bytes))
			v.memory_bytes = bo_sampler_latest(c->sampler, BO_SERIES_RSS, (int)i);
		break;
	}
	list_active(c, faults, sizeof(faults));
	v.faults = faults;
	bo_status_show(&v);
}

/* a fault that cannot take its next step says so once, not every tick */
static void tick_faults(struct bo_conductor *c)
{
	struct bo_err err = { 0 };

	if (bo_fault_set_tick(&c->faults, bo_now_ns(), &err) < 0 && !c->tick_failed) {
		c->tick_failed = true;
		bo_conductor_note(c, BO_EVENT_PROBLEM, -1, "%s", err.msg);
	}
}

int bo_conductor_idle(void *self, struct bo_err *err)
{
	struct bo_conductor *c = self;

	check_signals(c);
	check_limits(c);
	if (c->over)
		return bo_err_set(err, EINTR, BO_SUBSYS_HARNESS, "%s",
				  c->run->abort_reason ? c->run->abort_reason : "the run is over");
	if (bo_conductor_since_t0(c) > c->give_up_ns)
		return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_HARNESS,
				  "it was not back when the time of the run was over");
	if (c->t0_ns)
		tick_faults(c);
	show(c);
	return 0;
}

/* Load keeps to the clock.  A phase that waited for a node to come back, for most of its time, is not what was asked
 * for: what is measured in it, and in the one before, is something else. */
static void check_late(struct bo_conductor *c, enum bo_phase phase, enum bo_phase before,
		       int64_t now)
{
	int64_t planned = bo_plan_phase_start(c->plan, phase), length = c->plan->phase_ns[phase];
	bool held_up = c->run->phases[phase].start_ns > planned;
	char by[BO_UNIT_BUF], of[BO_UNIT_BUF];

	if (now - planned <= LATE_NS)
		return;
	bo_conductor_note(
		c, now - planned > length / 2 ? BO_EVENT_PROBLEM : BO_EVENT_NOTE, -1,
		"phase %s began %s late, and is planned for %s%s%s%s; what was due until then counts in %s",
		bo_phase_name(phase), bo_format_duration(now - planned, by),
		bo_format_duration(length, of), held_up ? ": taking back fault " : "",
		held_up ? c->plan->faults.items[c->reverted].id : "",
		held_up ? " took that long" : "", bo_phase_name(held_up ? before : phase));
}

/* Wires, load and name servers are threads of this process: when it is stopped (Ctrl-Z, a debugger) or gets no processor,
 * nothing passes and nothing is asked, and what the service did meanwhile is not its own doing. */
static void check_stopped(struct bo_conductor *c, int64_t late_ns)
{
	char by[BO_UNIT_BUF];

	if (late_ns > STOPPED_NS)
		bo_conductor_note(
			c, BO_EVENT_PROBLEM, -1,
			"this process did not run for %s in phase %s: it was stopped, or the machine had no time for it",
			bo_format_duration(late_ns, by), bo_phase_name(c->phase));
}

/*
 * enter_phase() - from when on requests belong to @phase
 * They are due by the plan, so a phase starts by the plan: if it started when this thread woke up, the request that is
 * due first would be counted in the phase before.  Only a fault that took its time to go holds it up.
 */
static void enter_phase(struct bo_conductor *c, enum bo_phase phase)
{
	int64_t now = bo_conductor_since_t0(c), start = bo_plan_phase_start(c->plan, phase);
	enum bo_phase before = c->phase;

	if (start < c->reverted_ns)
		start = c->reverted_ns;
	if (c->run->phases[before].start_ns != INT64_MIN &&
	    c->run->phases[before].end_ns == INT64_MIN)
		c->run->phases[before].end_ns = start;
	c->phase = phase;
	c->run->phases[phase].start_ns = start;
	bo_sampler_phase(c->sampler, c->t0_ns + start);
	bo_run_event(c->run, now, BO_EVENT_PHASE, -1, "%s", bo_phase_name(phase));
	bo_status_note(now, "phase %s", bo_phase_name(phase));
	check_late(c, phase, before, now);
}

static void apply_fault(struct bo_conductor *c, int i, int64_t planned_ns)
{
	const struct bo_fault_record *rec = &c->run->faults.items[i];
	const struct bo_fault_spec *spec = &c->plan->faults.items[i];
	int64_t late = bo_conductor_since_t0(c) - planned_ns;
	char by[BO_UNIT_BUF];
	struct bo_err err = { 0 };

	if (late > LATE_NS)
		bo_conductor_note(c, BO_EVENT_NOTE, -1,
				  "fault %s is %s late: something else was waited for", spec->id,
				  bo_format_duration(late, by));
	if (bo_fault_set_apply(&c->faults, (size_t)i, bo_now_ns(), &err) < 0)
		bo_conductor_note(c, BO_EVENT_PROBLEM, -1, "fault %s could not be applied: %s",
				  spec->id, err.msg);
	else
		bo_conductor_note(c, BO_EVENT_FAULT, -1, "fault on: %s",
				  rec->requested[0] ? rec->requested : spec->id);
}

void bo_conductor_revert(struct bo_conductor *c, int i)
{
	const struct bo_fault_record *rec = &c->run->faults.items[i];
	const struct bo_fault_spec *spec = &c->plan->faults.items[i];
	int64_t start_ns, end_ns;
	struct bo_err err = { 0 };
	int r;

	if (!c->faults.faults[i].active)
		return;
	/* A fault that ends before the run does is waited for as long as there is something left to measure. */
	bo_plan_fault_window(c->plan, spec, &start_ns, &end_ns);
	if (end_ns < bo_plan_total(c->plan))
		c->give_up_ns = bo_plan_total(c->plan);
	r = bo_fault_set_revert(&c->faults, (size_t)i, &err);
	c->give_up_ns = INT64_MAX;
	bo_labctl_judged(c->lab, spec, &c->run->faults.items[i]);
	c->reverted_ns = bo_conductor_since_t0(c);
	c->reverted = i;
	/* EINTR at the end: a node was started again and nobody will wait for it to be ready. */
	if (r < 0 && !(c->over && err.code == EINTR)) {
		bo_conductor_note(c, c->over ? BO_EVENT_NOTE : BO_EVENT_PROBLEM, -1,
				  "fault %s could not be reverted: %s", spec->id, err.msg);
		return;
	}
	if (rec->confirm == BO_CONFIRM_OK)
		bo_conductor_note(c, BO_EVENT_FAULT, -1, "fault off: %s; confirmed: %s", spec->id,
				  rec->achieved);
	else
		bo_conductor_note(c, BO_EVENT_FAULT, -1, "fault off: %s; NOT confirmed (%s): %s",
				  spec->id, bo_confirm_name(rec->confirm),
				  rec->reason[0] ? rec->reason : rec->achieved);
}

static void act(struct bo_conductor *c, const struct bo_action *a)
{
	switch (a->kind) {
	case BO_ACTION_PHASE:
		enter_phase(c, (enum bo_phase)a->index);
		break;
	case BO_ACTION_APPLY:
		apply_fault(c, a->index, a->at_ns);
		break;
	case BO_ACTION_REVERT:
		bo_conductor_revert(c, a->index);
		break;
	case BO_ACTION_END:
		c->over = true;
		break;
	}
}

static void keeper_gone(struct bo_conductor *c, const struct bo_err *err)
{
	bo_conductor_note(c, BO_EVENT_PROBLEM, -1, "%s; %s", err->msg,
			  bo_plan_attached(c->plan)
				  ? "what was changed in services is taken back without it"
				  : "its nodes died with it");
	c->over = true;
}

/* wait until the next action or tick is due, or the keeper or a signal has something to say */
static void wait_next(struct bo_conductor *c, int64_t due_ns)
{
	struct pollfd fds[] = { { .fd = bo_keeper_fd(c->keeper), .events = POLLIN },
				{ .fd = c->sigfd, .events = POLLIN } };
	int64_t now = bo_now_ns(), until = now + TICK_NS;
	struct timespec ts;

	if (due_ns < until)
		until = due_ns;
	ts = bo_ns_to_timespec(until - now);
	(void)ppoll(fds, 2, &ts, NULL);
	if (c->run->phases[c->phase].start_ns != INT64_MIN)
		check_stopped(c, bo_now_ns() - until);
}

/* the phase's end by plan, which is when the next action of the kind is due */
static void tick_evidence(struct bo_conductor *c)
{
	int64_t start = bo_plan_phase_start(c->plan, c->phase), now = bo_now_ns() - c->t0_ns;

	if (c->run->phases[c->phase].start_ns != INT64_MIN)
		bo_evidence_tick(c->evidence, c->phase, now - start,
				 start + c->plan->phase_ns[c->phase] - now);
}

/* The verdict is certain: no request more.  Those in flight get a moment, with the faults as they are, so that as few as
 * can be end with the run. */
static void check_early(struct bo_conductor *c)
{
	int64_t until = bo_now_ns() + DRAIN_NS;
	char text[512];

	if (c->over || !c->early ||
	    !bo_early_look(c->early, c->loads, c->phase, bo_conductor_since_t0(c), text,
			   sizeof(text)))
		return;
	c->run->stopped_early = bo_conductor_keep(c, text);
	c->run->stopped_ns = c->run->phases[c->phase].end_ns = bo_conductor_since_t0(c);
	bo_conductor_note(c, BO_EVENT_NOTE, -1, "the verdict is certain, the run ends here: %s",
			  text);
	for (size_t i = 0; i < c->plan->loads.len; i++)
		bo_load_stop(c->loads[i]);
	while (bo_early_inflight(c->early, c->loads) && bo_now_ns() < until &&
	       !bo_conductor_idle(c, NULL) && !bo_labctl_poll(c->lab, NULL))
		wait_next(c, until);
	c->over = true;
}

void bo_conductor_walk(struct bo_conductor *c)
{
	size_t next = 0;

	while (!c->over) {
		const struct bo_action *a = &c->timeline.actions.items[next];
		struct bo_err err = { 0 };

		if (bo_now_ns() >= c->t0_ns + a->at_ns) {
			act(c, a);
			next++;
			continue;
		}
		tick_faults(c);
		tick_evidence(c);
		if (bo_labctl_poll(c->lab, &err) < 0)
			keeper_gone(c, &err);
		check_signals(c);
		check_limits(c);
		check_early(c);
		if (!c->over) {
			show(c);
			wait_next(c, c->t0_ns + a->at_ns);
		}
	}
	if (c->run->phases[c->phase].start_ns != INT64_MIN && !c->run->stopped_early)
		c->run->phases[c->phase].end_ns = bo_conductor_since_t0(c);
}
