/* SPDX-License-Identifier: Apache-2.0 */
/* harness/conductor.c — one run from lab to verdict.
 *
 * Theory of operation: set-up is sequential (lab, nodes in order, samplers detected).  Then t0 is fixed a moment ahead
 * and everything that is timed is due at t0 plus a planned offset: the load threads get their windows, the main
 * thread walks the schedule.  The main thread does nothing that lasts: what must be waited for (a node that gets
 * ready) is waited for in steps that call bo_conductor_idle(), so Ctrl-C, a dying keeper and the status line go on meanwhile.
 * Whatever ends the run early goes through the same revert, stop, judge path as its planned end. */
#include "harness/conductor-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/units.h"
#include "brownout/census.h"
#include "brownout/slo/budget.h"
#include "harness/status.h"

#define T0_AHEAD_NS (50 * BO_NSEC_PER_MSEC)
#define GUARD_GAP_NS (250 * BO_NSEC_PER_MSEC)

static void pid_changed(void *self, int node, pid_t pid)
{
	struct bo_conductor *c = self;

	if (c->sampler)
		bo_sampler_set_pid(c->sampler, node, pid);
	for (size_t i = 0; pid && i < c->plan->loads.len; i++) {
		int root = bo_labctl_root(c->lab, node);
		struct bo_err err = { 0 };

		if (c->loads[i] && c->plan->loads.items[i].node == node && root >= 0 &&
		    bo_load_set_root(c->loads[i], root, &err) < 0)
			bo_conductor_note(c, BO_EVENT_PROBLEM, node, "%s", err.msg);
	}
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
	struct bo_conductor *c = self;
	const struct bo_node_spec *spec = &c->plan->nodes.items[node];
	struct bo_hands *hands = bo_labctl_hands(c->lab);
	struct bo_mem_stat mem = { .oom_kills = -1 };
	struct bo_err ignored = { 0 };
	char how[128];

	describe_end(state->exit_status, how);
	if (asked) {
		bo_conductor_note(c, BO_EVENT_NODE, node, "%s %s, as asked", spec->name, how);
		return;
	}
	if (hands->memory_stat(hands->self, node, &mem, &ignored) == 0 && mem.oom_kills > 0)
		snprintf(how + strlen(how), sizeof(how) - strlen(how),
			 ", %lld OOM kill%s in its cgroup", (long long)mem.oom_kills,
			 mem.oom_kills == 1 ? "" : "s");
	if (!c->t0_ns) /* reported by who waits for it to be ready, or by check_running() */
		return;
	bo_conductor_note(c, spec->role == BO_ROLE_SUBJECT ? BO_EVENT_NODE : BO_EVENT_PROBLEM, node,
			  "%s %s, though no fault asked it to (see nodes/%s.log)", spec->name, how,
			  spec->name);
	if (spec->role == BO_ROLE_SUBJECT && !c->run->failure) {
		char text[256], at[BO_UNIT_BUF];

		snprintf(text, sizeof(text), "%s %s at +%s in phase %s", spec->name, how,
			 bo_format_duration(bo_conductor_since_t0(c), at), bo_phase_name(c->phase));
		c->run->failure = bo_conductor_keep(c, text);
	}
}

static int open_signals(struct bo_conductor *c, struct bo_err *err)
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
	struct bo_conductor *c = self;
	struct bo_process_files files;
	int r = bo_keeper_open_process(c->keeper, node, pid, &files, err);

	if (r == 0)
		*ret = (struct bo_census_source){
			.pid = pid, .mem_fd = files.mem, .exe_fd = files.exe, .auxv_fd = files.auxv
		};
	return r;
}

static int start_sampler(struct bo_conductor *c, struct bo_err *err)
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

static int start_loads(struct bo_conductor *c, struct bo_err *err)
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
		config.root_fd = bo_labctl_root(c->lab, spec->node);
		snprintf(host, sizeof(host), spec->socket ? "%s" : "%s:%d",
			 c->plan->nodes.items[spec->node].name, spec->port);
		config.host_header = host;
		if ((r = bo_load_new(&c->loads[i], &config, err)) < 0 ||
		    (r = bo_load_start(c->loads[i], err)) < 0)
			return bo_err_wrap(err, "load %s", spec->name);
	}
	return 0;
}

/* The last word before t0: one that was ready may have ended while others were started. */
static int check_running(struct bo_conductor *c, struct bo_err *err)
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

static int set_up(struct bo_conductor *c, int run_dir, int nodes_dir, struct bo_err *err)
{
	struct bo_labctl_hooks hooks = { .self = c,
					 .idle = bo_conductor_idle,
					 .node_ended = node_ended,
					 .pid_changed = pid_changed };
	int64_t began = bo_now_ns();
	char took[BO_UNIT_BUF];
	int r;

	r = bo_labctl_new(&c->lab, c->keeper, c->plan, c->machine, nodes_dir, err);
	if (r < 0)
		return r;
	bo_labctl_set_hooks(c->lab, &hooks);
	r = bo_recordings_new(&c->recordings, c->plan, c->lab, run_dir, err);
	if (r < 0)
		return r;
	snprintf(c->run->driver, sizeof(c->run->driver), "%s", bo_labctl_view(c->lab)->link_driver);
	if (bo_plan_attached(c->plan)) {
		bo_conductor_note(
			c, BO_EVENT_NOTE, -1,
			"attached to running services (driver %s): faults on links are confirmed by "
			"what was held here, for how long, and whether it was let go: the services' "
			"own packets (queue), or probes among them (netem); nothing was measured at "
			"their peers",
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
	if (!r && c->plan->stop_early)
		r = bo_early_new(&c->early, c->run, err);
	return r < 0 ? r : check_running(c, err);
}

static void stop_loads(struct bo_conductor *c)
{
	for (size_t i = 0; i < c->plan->loads.len; i++)
		if (c->loads[i])
			bo_load_stop(c->loads[i]);
	for (size_t i = 0; i < c->plan->loads.len; i++) {
		struct bo_err err = { 0 };

		if (c->loads[i] && bo_load_finish(c->loads[i], c->run, &err) < 0)
			bo_conductor_note(c, BO_EVENT_PROBLEM, -1, "load %s: %s",
					  c->plan->loads.items[i].name, err.msg);
		bo_load_free(c->loads[i]);
		c->loads[i] = NULL;
	}
}

static void note_logs(struct bo_conductor *c)
{
	for (size_t i = 1; i < c->plan->nodes.len; i++) {
		const char *name = c->plan->nodes.items[i].name;
		struct bo_logpump_stats st;
		char a[BO_UNIT_BUF], b[BO_UNIT_BUF];

		bo_labctl_log_stats(c->lab, (int)i, &st);
		if (st.write_errno)
			bo_conductor_note(c, BO_EVENT_NOTE, (int)i,
					  "nodes/%s.log is incomplete: %s", name,
					  strerrordesc_np(st.write_errno));
		else if (st.bytes > st.kept)
			bo_conductor_note(c, BO_EVENT_NOTE, (int)i,
					  "%s printed %s; nodes/%s.log keeps the first %s", name,
					  bo_format_size((int64_t)st.bytes, a), name,
					  bo_format_size((int64_t)st.kept, b));
	}
}

/* Once the wires have ended: what they said last is in the files, too. */
static void note_recordings(struct bo_conductor *c)
{
	char text[320];

	bo_recordings_finish(c->recordings);
	for (size_t i = 0; i < c->plan->links.len * 2; i++)
		if (bo_recordings_text(c->recordings, i, text, sizeof(text)))
			bo_conductor_note(c, BO_EVENT_NOTE, -1, "%s", text);
	bo_recordings_free(c->recordings);
}

/* A guard that was not asked for a while was none for so long. */
static void note_guards(struct bo_conductor *c)
{
	int64_t longest = c->guards ? bo_guards_longest_ns(c->guards) : 0;
	char took[BO_UNIT_BUF];

	if (longest > GUARD_GAP_NS)
		bo_conductor_note(c, BO_EVENT_NOTE, -1, "the guards were once not looked at for %s",
				  bo_format_duration(longest, took));
}

static void tear_down(struct bo_conductor *c)
{
	static const struct bo_labctl_hooks none = { 0 };
	struct bo_err err = { 0 };
	int64_t began;
	char took[BO_UNIT_BUF];

	c->over = true;
	for (size_t i = c->plan->faults.len; c->faults_ready && i-- > 0;)
		bo_conductor_revert(c, (int)i);
	if (c->faults_ready && bo_fault_set_revert_all(&c->faults, &err) < 0)
		bo_conductor_note(c, BO_EVENT_NOTE, -1, "%s", err.msg);
	stop_loads(c);
	if (c->sampler)
		bo_sampler_stop(c->sampler);
	if (c->evidence)
		bo_evidence_finish(c->evidence);
	c->run->ended_ns = c->t0_ns ? bo_conductor_since_t0(c) : 0;
	note_guards(c);
	if (c->lab)
		bo_labctl_set_hooks(c->lab, &none);
	if (c->faults_ready)
		bo_fault_set_done(&c->faults);
	began = bo_now_ns();
	if (bo_keeper_stop(c->keeper, &err) < 0)
		bo_conductor_note(c, BO_EVENT_NOTE, -1,
				  "clean-up: %s; `brownout sweep` takes back what is left",
				  err.msg);
	else
		bo_status_note(INT64_MIN, "%s in %s, nothing left behind",
			       bo_plan_attached(c->plan) ? "detached" : "lab down",
			       bo_format_duration(bo_now_ns() - began, took));
	if (c->lab)
		note_logs(c);
	bo_guards_free(c->guards);
	bo_early_free(c->early);
	bo_sampler_free(c->sampler);
	bo_labctl_free(c->lab);
	note_recordings(c);
	bo_timeline_done(&c->timeline);
	bo_close(&c->sigfd);
	free(c->loads);
}

static void fix_t0(struct bo_conductor *c)
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
	struct bo_conductor c = { .keeper = keeper,
				  .machine = machine,
				  .plan = run->plan,
				  .run = run,
				  .sigfd = -1,
				  .give_up_ns = INT64_MAX,
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
	r = set_up(&c, run_dir, nodes_dir, &why);
	if (!r) {
		fix_t0(&c);
		r = start_loads(&c, &why);
	}
	if (!r)
		r = bo_evidence_new(&c.evidence, run, c.sampler, run_dir, &why);
	if (!r)
		r = bo_sampler_start(c.sampler, c.t0_ns, &why);
	if (!r)
		bo_conductor_walk(&c);
	else if (!c.run->abort_reason)
		bo_conductor_note(&c, BO_EVENT_PROBLEM, -1, "the lab did not come up: %s", why.msg);
	tear_down(&c);
	r = bo_slo_judge(run, err);
	if (!r && c.evidence)
		bo_evidence_name(c.evidence);
	bo_evidence_free(c.evidence);
	return r;
}
