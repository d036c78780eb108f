/* SPDX-License-Identifier: Apache-2.0 */
/* harness/conductor.c — one run from lab to verdict.
 *
 * Theory of operation: set-up is sequential (lab, nodes in order, samplers detected).  Then t0 is fixed a moment ahead
 * and everything that is timed is due at t0 plus a planned offset: the load threads get their windows, the main
 * thread walks the schedule.  The main thread does nothing that lasts: what must be waited for (a node that gets
 * ready) is waited for in steps that call idle(), so Ctrl-C, a dying keeper and the status line go on meanwhile.
 * Whatever ends the run early goes through the same revert, stop, judge path as its planned end. */
#include "harness/conductor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/census.h"
#include "brownout/fault/fault.h"
#include "brownout/load/load.h"
#include "brownout/probe/sampler.h"
#include "brownout/slo/budget.h"
#include "harness/evidence.h"
#include "harness/guards.h"
#include "harness/labctl.h"
#include "harness/status.h"
#include "harness/timeline.h"

#define T0_AHEAD_NS (50 * BO_NSEC_PER_MSEC)
#define TICK_NS (20 * BO_NSEC_PER_MSEC)
#define SHOW_EVERY_NS (200 * BO_NSEC_PER_MSEC)
#define LATE_NS (100 * BO_NSEC_PER_MSEC)
#define GUARD_GAP_NS (250 * BO_NSEC_PER_MSEC)

struct conductor {
	struct bo_keeper *keeper;
	const struct bo_machine *machine;
	const struct bo_plan *plan;
	struct bo_run *run;
	struct bo_labctl *lab;
	struct bo_sampler *sampler;
	struct bo_evidence *evidence;
	struct bo_guards *guards;
	struct bo_load **loads;
	struct bo_fault_set faults;
	bool faults_ready;
	struct bo_timeline timeline;
	int sigfd;
	int64_t began_ns;
	int64_t t0_ns; /* 0 until fixed */
	int64_t shown_ns;
	enum bo_phase phase;
	int64_t reverted_ns; /* when the last fault was off, after t0 */
	bool over;
	bool tick_failed;
};

static int64_t since_t0(const struct conductor *c)
{
	int64_t now = bo_now_ns();

	/* t0 is fixed a moment ahead: what fails in between did so at 0 */
	return !c->t0_ns ? INT64_MIN : now > c->t0_ns ? now - c->t0_ns : 0;
}

/* a line for the person who watches, and the same in the run's timeline */
static void note(struct conductor *c, enum bo_event_kind kind, int node, const char *fmt, ...)
	BO_PRINTF(4, 5);

static void note(struct conductor *c, enum bo_event_kind kind, int node, const char *fmt, ...)
{
	int64_t t = since_t0(c);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bo_status_note(t, "%s%s", kind == BO_EVENT_PROBLEM ? "PROBLEM: " : "", text);
	bo_run_event(c->run, t == INT64_MIN ? 0 : t, kind, node, "%s", text);
}

static const char *keep_text(struct conductor *c, const char *text)
{
	const char *kept = bo_arena_strdup(&c->run->arena, text);

	return kept ? kept : "out of memory";
}

static void halt(struct conductor *c, const char *why)
{
	c->run->abort_reason = keep_text(c, why);
	c->over = true;
	note(c, BO_EVENT_NOTE, -1, "%s: taking everything back", why);
}

static void check_signals(struct conductor *c)
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

static void check_guards(struct conductor *c)
{
	struct bo_guards_view view = { .phase = c->phase,
				       .loads = c->loads,
				       .sampler = c->sampler };
	char text[512];

	view.t_ns = since_t0(c);
	if (c->over || !c->guards || !c->t0_ns || bo_now_ns() < c->t0_ns)
		return;
	if (bo_guards_look(c->guards, &view, text, sizeof(text)))
		halt(c, text);
}

/* Called wherever something is waited for, so that they are kept in set-up and in a slow revert, too. */
static void check_limits(struct conductor *c)
{
	char limit[BO_UNIT_BUF], text[96];

	check_guards(c);
	if (c->over || !c->plan->limit_ns || bo_now_ns() - c->began_ns < c->plan->limit_ns)
		return;
	snprintf(text, sizeof(text), "it took longer than the --timeout of %s",
		 bo_format_duration(c->plan->limit_ns, limit));
	halt(c, text);
}

static void sum_live(struct conductor *c, struct bo_status_view *v)
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
		v->done_per_s += l.done_per_s;
		v->errors_per_s += l.errors_per_s;
		v->inflight += (double)l.inflight;
		if (l.done_per_s > 0 && !((double)l.p99_ns / 1e6 < v->p99_ms))
			v->p99_ms = (double)l.p99_ns / 1e6;
	}
}

static void list_active(const struct conductor *c, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c->faults.nfaults && at < size; i++)
		if (c->faults.faults[i].active)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
					       c->plan->faults.items[i].id);
}

static void show(struct conductor *c)
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

static int idle(void *self, struct bo_err *err)
{
	struct conductor *c = self;

	check_signals(c);
	check_limits(c);
	if (c->over)
		return bo_err_set(err, EINTR, BO_SUBSYS_HARNESS, "%s",
				  c->run->abort_reason ? c->run->abort_reason : "the run is over");
	show(c);
	return 0;
}

static void pid_changed(void *self, int node, pid_t pid)
{
	struct conductor *c = self;

	if (c->sampler)
		bo_sampler_set_pid(c->sampler, node, pid);
}

static void describe_end(int status, char how[128])
{
	if (status < 0) /* only a parent is told */
		snprintf(how, 128, "has ended");
	else if (WIFSIGNALED(status))
		snprintf(how, 128, "was killed by signal %d (%s)", WTERMSIG(status),
			 sigdescr_np(WTERMSIG(status)));
	else
		snprintf(how, 128, "exited with status %d", WEXITSTATUS(status));
}

static void node_ended(void *self, int node, const struct bo_node_state *state, bool asked)
{
	struct conductor *c = self;
	const struct bo_node_spec *spec = &c->plan->nodes.items[node];
	struct bo_hands *hands = bo_labctl_hands(c->lab);
	struct bo_mem_stat mem = { .oom_kills = -1 };
	struct bo_err ignored = { 0 };
	char how[128];

	describe_end(state->exit_status, how);
	if (asked) {
		note(c, BO_EVENT_NODE, node, "%s %s, as asked", spec->name, how);
		return;
	}
	if (hands->memory_stat(hands->self, node, &mem, &ignored) == 0 && mem.oom_kills > 0)
		snprintf(how + strlen(how), sizeof(how) - strlen(how),
			 ", %lld OOM kill%s in its cgroup", (long long)mem.oom_kills,
			 mem.oom_kills == 1 ? "" : "s");
	if (!c->t0_ns) /* reported by who waits for it to be ready, or by check_running() */
		return;
	note(c, spec->role == BO_ROLE_SUBJECT ? BO_EVENT_NODE : BO_EVENT_PROBLEM, node,
	     "%s %s, though no fault asked it to (see nodes/%s.log)", spec->name, how, spec->name);
	if (spec->role == BO_ROLE_SUBJECT && !c->run->failure) {
		char text[256], at[BO_UNIT_BUF];

		snprintf(text, sizeof(text), "%s %s at +%s in phase %s", spec->name, how,
			 bo_format_duration(since_t0(c), at), bo_phase_name(c->phase));
		c->run->failure = keep_text(c, text);
	}
}

static int open_signals(struct conductor *c, struct bo_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	/* before any thread is started, so that all of them inherit it */
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	c->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->sigfd < 0 ? bo_err_errno(err, BO_SUBSYS_HARNESS, "signalfd") : 0;
}

/* for the sampler, on its census thread too: a node's process that this user may not read */
static int open_process(void *self, int node, pid_t pid, struct bo_census_source *ret,
			struct bo_err *err)
{
	struct conductor *c = self;
	struct bo_process_files files;
	int r = bo_keeper_open_process(c->keeper, node, pid, &files, err);

	if (r == 0)
		*ret = (struct bo_census_source){
			.pid = pid, .mem_fd = files.mem, .exe_fd = files.exe, .auxv_fd = files.auxv
		};
	return r;
}

static int start_sampler(struct conductor *c, struct bo_err *err)
{
	const struct bo_sampler_opener opener = { c, open_process };
	const struct bo_lab_view *view = bo_labctl_view(c->lab);
	bo_auto_free struct bo_sampler_node *nodes = calloc(c->plan->nodes.len, sizeof(*nodes));
	size_t n = 0;
	int r;

	if (!nodes)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (size_t i = 1; i < c->plan->nodes.len; i++)
		nodes[n++] =
			(struct bo_sampler_node){ .node = (int)i,
						  .address = view->nodes[i].management4,
						  .files = bo_labctl_take_cgroup(c->lab, (int)i) };
	r = bo_sampler_new(&c->sampler, c->run, nodes, n, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < c->plan->nodes.len; i++) {
		struct bo_hands *h = bo_labctl_hands(c->lab);
		struct bo_node_state st;

		if (!h->node_state(h->self, (int)i, &st, err))
			bo_sampler_set_pid(c->sampler, (int)i, st.pid);
	}
	bo_sampler_set_opener(c->sampler, &opener);
	n = c->run->events.len;
	r = bo_sampler_detect(c->sampler, err);
	for (; n < c->run->events.len; n++)
		bo_status_note(INT64_MIN, "%s", c->run->events.items[n].text);
	return r;
}

static int start_loads(struct conductor *c, struct bo_err *err)
{
	struct bo_load_window windows[BO_PHASE_COUNT];
	size_t n = bo_timeline_load_windows(c->plan, c->t0_ns, windows);

	for (size_t i = 0; i < c->plan->loads.len; i++) {
		const struct bo_load_spec *spec = &c->plan->loads.items[i];
		struct bo_load_config config = {
			.spec = spec,
			.index = (int)i,
			.t0_ns = c->t0_ns,
			.seed = c->plan->seed,
			.windows = windows,
			.nwindows = n,
		};
		struct sockaddr_in *sa = (struct sockaddr_in *)&config.addr;
		char host[96];
		int r;

		sa->sin_family = AF_INET;
		sa->sin_port = htons((uint16_t)spec->port);
		inet_pton(AF_INET, bo_labctl_view(c->lab)->nodes[spec->node].address4,
			  &sa->sin_addr);
		config.addr_len = sizeof(*sa);
		snprintf(host, sizeof(host), "%s:%d", c->plan->nodes.items[spec->node].name,
			 spec->port);
		config.host_header = host;
		if ((r = bo_load_new(&c->loads[i], &config, err)) < 0 ||
		    (r = bo_load_start(c->loads[i], err)) < 0)
			return bo_err_wrap(err, "load %s", spec->name);
	}
	return 0;
}

/* The last word before t0: one that was ready may have ended while others were started. */
static int check_running(struct conductor *c, struct bo_err *err)
{
	struct bo_hands *h = bo_labctl_hands(c->lab);

	for (size_t i = 1; i < c->plan->nodes.len; i++) {
		const char *name = c->plan->nodes.items[i].name;
		struct bo_node_state st = { 0 };
		int r = h->node_state(h->self, (int)i, &st, err);
		char how[128];

		if (r < 0)
			return r;
		if (st.running)
			continue;
		describe_end(st.exit_status, how);
		return bo_err_set(
			err, ESRCH, BO_SUBSYS_HARNESS,
			"%s %s after it was ready and before the run began (see nodes/%s.log)",
			name, how, name);
	}
	return 0;
}

static int set_up(struct conductor *c, int nodes_dir, struct bo_err *err)
{
	struct bo_labctl_hooks hooks = {
		.self = c, .idle = idle, .node_ended = node_ended, .pid_changed = pid_changed
	};
	int64_t began = bo_now_ns();
	char took[BO_UNIT_BUF];
	int r;

	r = bo_labctl_new(&c->lab, c->keeper, c->plan, c->machine, nodes_dir, err);
	if (r < 0)
		return r;
	bo_labctl_set_hooks(c->lab, &hooks);
	snprintf(c->run->driver, sizeof(c->run->driver), "%s", bo_labctl_view(c->lab)->link_driver);
	if (bo_plan_attached(c->plan)) {
		note(c, BO_EVENT_NOTE, -1,
		     "attached to running services (driver %s): faults on links are confirmed by the "
		     "services' own packets, how long each was held here and whether it was let go; "
		     "nothing was measured at their peers",
		     c->run->driver);
	} else {
		bo_status_note(INT64_MIN, "lab up in %s: %zu nodes, %zu links (driver %s)",
			       bo_format_duration(bo_now_ns() - began, took), c->plan->nodes.len,
			       c->plan->links.len, c->run->driver);
		began = bo_now_ns();
		r = bo_labctl_start_nodes(c->lab, err);
		if (r < 0)
			return r;
		bo_status_note(INT64_MIN, "every node is ready after %s",
			       bo_format_duration(bo_now_ns() - began, took));
	}
	r = bo_fault_set_init(&c->faults, c->plan, bo_labctl_hands(c->lab), c->run->faults.items,
			      err);
	if (r < 0)
		return r;
	c->faults_ready = true;
	r = bo_fault_set_watch(&c->faults, err);
	if (r < 0)
		return r;
	r = start_sampler(c, err);
	if (r < 0)
		return r;
	r = bo_timeline_init(&c->timeline, c->plan, err);
	if (r < 0)
		return r;
	if (c->plan->guards.len)
		r = bo_guards_new(&c->guards, c->plan, err);
	return r < 0 ? r : check_running(c, err);
}

/* Load keeps to the clock.  A phase that waited for a node to come back, for most of its time, is not what was asked
 * for: what is measured in it, and in the one before, is something else. */
static void check_late(struct conductor *c, enum bo_phase phase, int64_t now)
{
	int64_t late = now - bo_plan_phase_start(c->plan, phase), length = c->plan->phase_ns[phase];
	char by[BO_UNIT_BUF], of[BO_UNIT_BUF];

	if (late > LATE_NS && late > length / 2)
		note(c, BO_EVENT_PROBLEM, -1,
		     "phase %s began %s late, and is planned for %s: taking back a fault took that long",
		     bo_phase_name(phase), bo_format_duration(late, by),
		     bo_format_duration(length, of));
}

/*
 * enter_phase() - from when on requests belong to @phase
 * They are due by the plan, so a phase starts by the plan: if it started when this thread woke up, the request that is
 * due first would be counted in the phase before.  Only a fault that took its time to go holds it up.
 */
static void enter_phase(struct conductor *c, enum bo_phase phase)
{
	int64_t now = since_t0(c), start = bo_plan_phase_start(c->plan, phase);

	if (start < c->reverted_ns)
		start = c->reverted_ns;
	if (c->run->phases[c->phase].start_ns != INT64_MIN &&
	    c->run->phases[c->phase].end_ns == INT64_MIN)
		c->run->phases[c->phase].end_ns = start;
	c->phase = phase;
	c->run->phases[phase].start_ns = start;
	bo_sampler_phase(c->sampler, c->t0_ns + start);
	bo_run_event(c->run, now, BO_EVENT_PHASE, -1, "%s", bo_phase_name(phase));
	bo_status_note(now, "phase %s", bo_phase_name(phase));
	check_late(c, phase, now);
}

static void apply_fault(struct conductor *c, int i)
{
	const struct bo_fault_record *rec = &c->run->faults.items[i];
	const struct bo_fault_spec *spec = &c->plan->faults.items[i];
	struct bo_err err = { 0 };

	if (bo_fault_set_apply(&c->faults, (size_t)i, bo_now_ns(), &err) < 0)
		note(c, BO_EVENT_PROBLEM, -1, "fault %s could not be applied: %s", spec->id,
		     err.msg);
	else
		note(c, BO_EVENT_FAULT, -1, "fault on: %s",
		     rec->requested[0] ? rec->requested : spec->id);
}

static void revert_fault(struct conductor *c, int i)
{
	const struct bo_fault_record *rec = &c->run->faults.items[i];
	const struct bo_fault_spec *spec = &c->plan->faults.items[i];
	struct bo_err err = { 0 };
	int r;

	if (!c->faults.faults[i].active)
		return;
	r = bo_fault_set_revert(&c->faults, (size_t)i, &err);
	bo_labctl_judged(c->lab, spec, &c->run->faults.items[i]);
	c->reverted_ns = since_t0(c);
	/* EINTR at the end: a node was started again and nobody will wait for it to be ready. */
	if (r < 0 && !(c->over && err.code == EINTR)) {
		note(c, c->over ? BO_EVENT_NOTE : BO_EVENT_PROBLEM, -1,
		     "fault %s could not be reverted: %s", spec->id, err.msg);
		return;
	}
	if (rec->confirm == BO_CONFIRM_OK)
		note(c, BO_EVENT_FAULT, -1, "fault off: %s; confirmed: %s", spec->id,
		     rec->achieved);
	else
		note(c, BO_EVENT_FAULT, -1, "fault off: %s; NOT confirmed (%s): %s", spec->id,
		     bo_confirm_name(rec->confirm), rec->reason[0] ? rec->reason : rec->achieved);
}

static void act(struct conductor *c, const struct bo_action *a)
{
	switch (a->kind) {
	case BO_ACTION_PHASE:
		enter_phase(c, (enum bo_phase)a->index);
		break;
	case BO_ACTION_APPLY:
		apply_fault(c, a->index);
		break;
	case BO_ACTION_REVERT:
		revert_fault(c, a->index);
		break;
	case BO_ACTION_END:
		c->over = true;
		break;
	}
}

static void keeper_gone(struct conductor *c, const struct bo_err *err)
{
	note(c, BO_EVENT_PROBLEM, -1, "%s; %s", err->msg,
	     bo_plan_attached(c->plan) ? "what was changed in services is taken back without it"
				       : "its nodes died with it");
	c->over = true;
}

/* wait until the next action or tick is due, or the keeper or a signal has something to say */
static void wait_next(struct conductor *c, int64_t due_ns)
{
	struct pollfd fds[] = { { .fd = bo_keeper_fd(c->keeper), .events = POLLIN },
				{ .fd = c->sigfd, .events = POLLIN } };
	int64_t now = bo_now_ns(), until = now + TICK_NS;
	struct timespec ts;

	if (due_ns < until)
		until = due_ns;
	ts = bo_ns_to_timespec(until - now);
	(void)ppoll(fds, 2, &ts, NULL);
}

/* a fault that cannot take its next step says so once, not every tick */
static void tick_faults(struct conductor *c)
{
	struct bo_err err = { 0 };

	if (bo_fault_set_tick(&c->faults, bo_now_ns(), &err) < 0 && !c->tick_failed) {
		c->tick_failed = true;
		note(c, BO_EVENT_PROBLEM, -1, "%s", err.msg);
	}
}

/* the phase's end by plan, which is when the next action of the kind is due */
static void tick_evidence(struct conductor *c)
{
	int64_t start = bo_plan_phase_start(c->plan, c->phase), now = bo_now_ns() - c->t0_ns;

	if (c->run->phases[c->phase].start_ns != INT64_MIN)
		bo_evidence_tick(c->evidence, c->phase, now - start,
				 start + c->plan->phase_ns[c->phase] - now);
}

static void walk(struct conductor *c)
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
		if (!c->over) {
			show(c);
			wait_next(c, c->t0_ns + a->at_ns);
		}
	}
	if (c->run->phases[c->phase].start_ns != INT64_MIN)
		c->run->phases[c->phase].end_ns = since_t0(c);
}

static void stop_loads(struct conductor *c)
{
	for (size_t i = 0; i < c->plan->loads.len; i++)
		if (c->loads[i])
			bo_load_stop(c->loads[i]);
	for (size_t i = 0; i < c->plan->loads.len; i++) {
		struct bo_err err = { 0 };

		if (c->loads[i] && bo_load_finish(c->loads[i], c->run, &err) < 0)
			note(c, BO_EVENT_PROBLEM, -1, "load %s: %s", c->plan->loads.items[i].name,
			     err.msg);
		bo_load_free(c->loads[i]);
		c->loads[i] = NULL;
	}
}

static void note_logs(struct conductor *c)
{
	for (size_t i = 1; i < c->plan->nodes.len; i++) {
		const char *name = c->plan->nodes.items[i].name;
		struct bo_logpump_stats st;
		char a[BO_UNIT_BUF], b[BO_UNIT_BUF];

		bo_labctl_log_stats(c->lab, (int)i, &st);
		if (st.write_errno)
			note(c, BO_EVENT_NOTE, (int)i, "nodes/%s.log is incomplete: %s", name,
			     strerrordesc_np(st.write_errno));
		else if (st.bytes > st.kept)
			note(c, BO_EVENT_NOTE, (int)i,
			     "%s printed %s; nodes/%s.log keeps the first %s", name,
			     bo_format_size((int64_t)st.bytes, a), name,
			     bo_format_size((int64_t)st.kept, b));
	}
}

/* A guard that was not asked for a while was none for so long. */
static void note_guards(struct conductor *c)
{
	int64_t longest = c->guards ? bo_guards_longest_ns(c->guards) : 0;
	char took[BO_UNIT_BUF];

	if (longest > GUARD_GAP_NS)
		note(c, BO_EVENT_NOTE, -1, "the guards were once not looked at for %s",
		     bo_format_duration(longest, took));
}

static void tear_down(struct conductor *c)
{
	static const struct bo_labctl_hooks none = { 0 };
	struct bo_err err = { 0 };
	int64_t began;
	char took[BO_UNIT_BUF];

	c->over = true;
	for (size_t i = c->plan->faults.len; c->faults_ready && i-- > 0;)
		revert_fault(c, (int)i);
	if (c->faults_ready && bo_fault_set_revert_all(&c->faults, &err) < 0)
		note(c, BO_EVENT_NOTE, -1, "%s", err.msg);
	stop_loads(c);
	if (c->sampler)
		bo_sampler_stop(c->sampler);
	if (c->evidence)
		bo_evidence_finish(c->evidence);
	c->run->ended_ns = c->t0_ns ? since_t0(c) : 0;
	note_guards(c);
	if (c->lab)
		bo_labctl_set_hooks(c->lab, &none);
	if (c->faults_ready)
		bo_fault_set_done(&c->faults);
	began = bo_now_ns();
	if (bo_keeper_stop(c->keeper, &err) < 0)
		note(c, BO_EVENT_NOTE, -1, "clean-up: %s; `brownout sweep` takes back what is left",
		     err.msg);
	else
		bo_status_note(INT64_MIN, "%s in %s, nothing left behind",
			       bo_plan_attached(c->plan) ? "detached" : "lab down",
			       bo_format_duration(bo_now_ns() - began, took));
	if (c->lab)
		note_logs(c);
	bo_guards_free(c->guards);
	bo_sampler_free(c->sampler);
	bo_labctl_free(c->lab);
	bo_timeline_done(&c->timeline);
	bo_close(&c->sigfd);
	free(c->loads);
}

static void fix_t0(struct conductor *c)
{
	struct timespec ts;

	c->t0_ns = bo_now_ns() + T0_AHEAD_NS;
	clock_gettime(CLOCK_REALTIME, &ts);
	c->run->t0_ns = c->t0_ns;
	c->faults.t0_ns = c->t0_ns;
	c->run->started_unix_ns = (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec + T0_AHEAD_NS;
}

int bo_conductor_run(struct bo_keeper *keeper, const struct bo_machine *machine, struct bo_run *run,
		     int run_dir, struct bo_err *err)
{
	struct conductor c = { .keeper = keeper,
			       .machine = machine,
			       .plan = run->plan,
			       .run = run,
			       .sigfd = -1,
			       .began_ns = bo_now_ns() };
	bo_auto_fd int nodes_dir = -1;
	struct bo_err why = { 0 };
	int r;

	if (mkdirat(run_dir, "nodes", 0755) < 0 && errno != EEXIST)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "nodes/");
	nodes_dir = openat(run_dir, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c.loads = calloc(run->plan->loads.len + 1, sizeof(*c.loads));
	if (nodes_dir < 0 || !c.loads) {
		free(c.loads);
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "nodes/");
	}
	r = open_signals(&c, err);
	if (r < 0) {
		free(c.loads);
		return r;
	}
	r = set_up(&c, nodes_dir, &why);
	if (!r) {
		fix_t0(&c);
		r = start_loads(&c, &why);
	}
	if (!r)
		r = bo_evidence_new(&c.evidence, run, c.sampler, run_dir, &why);
	if (!r)
		r = bo_sampler_start(c.sampler, c.t0_ns, &why);
	if (!r)
		walk(&c);
	else if (!c.run->abort_reason)
		note(&c, BO_EVENT_PROBLEM, -1, "the lab did not come up: %s", why.msg);
	tear_down(&c);
	r = bo_slo_judge(run, err);
	if (!r && c.evidence)
		bo_evidence_name(c.evidence);
	bo_evidence_free(c.evidence);
	return r;
}
