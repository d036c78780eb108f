/* SPDX-License-Identifier: Apache-2.0 */
/* harness/labctl.c — one table of hands over the keeper (privileged deeds), the wires (impairments without netem) and
 * the link probe (measurement).  Everything that waits does so in small steps and calls the idle hook in between, so
 * the status line moves, Ctrl-C is heard and a dying keeper is noticed. */
#include "harness/labctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/fault/fault.h"
#include "brownout/model/linkfile.h"
#include "brownout/lab/dns.h"
#include "harness/attachctl.h"
#include "harness/memstat.h"
#include "harness/ready.h"
#include "harness/scenario.h"

#define READY_STEP_NS (20 * BO_NSEC_PER_MSEC)
#define READY_ATTEMPT_NS (500 * BO_NSEC_PER_MSEC)

struct node_rt {
	struct bo_node_state state;
	bool asked_to_end;
	int log_wr; /* [borrowed: the pump] */
	char *exe;
	struct bo_cgroup_files files;
	struct bo_wire *management; /* only where the kernel has no veth */
	/* Of its latest life and of the one before: the load's thread may just be on its way through that. */
	struct bo_root_files root, old_root;
};

struct bo_labctl {
	struct bo_keeper *keeper;
	const struct bo_plan *plan;
	struct bo_lab_view view;
	struct bo_hands hands;
	struct bo_labctl_hooks hooks;
	struct bo_wire **wires;
	struct bo_linkprobe *probe;
	struct bo_logpump *pump;
	struct bo_dns *dns; /* NULL when no node has a name server */
	struct node_rt *nodes;
	struct bo_attachctl *attached; /* instead of all this, but for the view and the hands */
};

static const struct bo_root_files no_root = { -1, -1 };

static void root_close(struct bo_root_files *files)
{
	bo_close(&files->root);
	bo_close(&files->mounts);
}

static int link_impair(void *self, int link, enum bo_dir dir, const struct bo_impair *im,
		       struct bo_err *err)
{
	struct bo_labctl *lab = self;
	int r = lab->wires[link] ? bo_wire_impair(lab->wires[link], dir, im, err)
				 : bo_keeper_link_impair(lab->keeper, link, dir, im, err);

	if (r == 0)
		bo_linkprobe_tell(lab->probe, link, dir,
				  im->trace ? bo_trace_mean_bps(im->trace) : im->rate_bps);
	return r;
}

static int link_rules(void *self, int link, const struct bo_conn_rule *rules, size_t n,
		      struct bo_err *err)
{
	struct bo_labctl *lab = self;

	if (lab->wires[link])
		return bo_wire_rules_set(lab->wires[link], rules, n, err);
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
			  "rules on connections need a wire, and this link is none");
}

static int link_rule_counts(void *self, int link, uint32_t id, struct bo_conn_counts *ret,
			    struct bo_err *err)
{
	struct bo_labctl *lab = self;

	if (lab->wires[link])
		return bo_wire_rules_read(lab->wires[link], id, ret, err);
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
			  "rules on connections need a wire, and this link is none");
}

static int link_probe(void *self, int link, enum bo_dir dir, bool on, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return bo_linkprobe_run(lab->probe, link, dir, on, err);
}

static int link_measure(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			struct bo_link_measure *ret, struct bo_err *err)
{
	struct bo_labctl *lab = self;
	int r = lab->wires[link] ? bo_wire_check(lab->wires[link], err) : 0;

	return r < 0 ? r : bo_linkprobe_measure(lab->probe, link, dir, from_ns, to_ns, ret, err);
}

static int link_samples(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			struct bo_link_samples *ret, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return bo_linkprobe_samples(lab->probe, link, dir, from_ns, to_ns, ret, err);
}

/* the end of a node that we asked for; returns once the keeper has said that it is over */
static int wait_ended(struct bo_labctl *lab, int node, int64_t timeout_ns, struct bo_err *err)
{
	int64_t deadline = bo_now_ns() + timeout_ns;

	while (lab->nodes[node].state.running) {
		struct pollfd pfd = { .fd = bo_keeper_fd(lab->keeper), .events = POLLIN };
		int r;

		if (bo_now_ns() > deadline)
			return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_LAB, "node %s is still running",
					  lab->plan->nodes.items[node].name);
		(void)poll(&pfd, 1, 20);
		r = bo_labctl_poll(lab, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int node_kill(void *self, int node, struct bo_err *err)
{
	struct bo_labctl *lab = self;
	int r;

	if (!lab->nodes[node].state.running)
		return 0;
	lab->nodes[node].asked_to_end = true;
	r = bo_keeper_node_kill(lab->keeper, node, err);
	return r < 0 ? r : wait_ended(lab, node, 5 * BO_NSEC_PER_SEC, err);
}

static int node_term(void *self, int node, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	if (!lab->nodes[node].state.running)
		return 0;
	lab->nodes[node].asked_to_end = true;
	return bo_keeper_node_term(lab->keeper, node, err);
}

static int ready_once(struct bo_labctl *lab, int node, bool *ret_ready, char *why, size_t size,
		      struct bo_err *err)
{
	const struct bo_ready_spec *rs = &lab->plan->nodes.items[node].ready;
	const char *address = lab->view.nodes[node].management4;
	const struct bo_ready_way way = { address, rs->socket, lab->nodes[node].root.root };
	const struct bo_ready_idle idle = { lab->hooks.idle, lab->hooks.self };
	int status = -1, r;

	switch (rs->kind) {
	case BO_READY_NONE:
		*ret_ready = true;
		return 0;
	case BO_READY_TCP:
		*ret_ready = bo_ready_tcp(address, rs->port, READY_ATTEMPT_NS, &idle, why, size);
		return 0;
	case BO_READY_HTTP:
		*ret_ready = bo_ready_http(rs->url, &way, READY_ATTEMPT_NS, &idle, why, size);
		return 0;
	case BO_READY_UNIX:
		*ret_ready = bo_ready_unix(lab->nodes[node].root.root, rs->socket, why, size);
		return 0;
	case BO_READY_LOG:
		*ret_ready = bo_logpump_matched(lab->pump, node);
		snprintf(why, size, "no line of output matches \"%s\"", rs->pattern);
		return 0;
	case BO_READY_COMMAND:
		r = bo_keeper_node_exec(lab->keeper, node, rs->argv, READY_ATTEMPT_NS, &status,
					err);
		*ret_ready = !r && WIFEXITED(status) && !WEXITSTATUS(status);
		if (r)
			snprintf(why, size, "%s: %s", rs->argv[0], err->msg);
		else
			snprintf(why, size, "%s: exit status %d", rs->argv[0],
				 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		return r == -EPIPE ? r : 0;
	}
	return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "unknown readiness kind %d",
			  (int)rs->kind);
}

static int not_ready(struct bo_labctl *lab, int node, const char *why, struct bo_err *err)
{
	const struct bo_node_spec *spec = &lab->plan->nodes.items[node];
	const struct bo_node_state *st = &lab->nodes[node].state;
	char line[160], took[BO_UNIT_BUF];

	bo_logpump_last_line(lab->pump, node, line, sizeof(line));
	if (!st->running)
		return bo_err_set(
			err, ESRCH, BO_SUBSYS_LAB,
			"%s %s %d before it was ready; its last line: %s (see nodes/%s.log)",
			spec->name,
			WIFSIGNALED(st->exit_status) ? "was killed by signal"
						     : "exited with status",
			WIFSIGNALED(st->exit_status) ? WTERMSIG(st->exit_status)
						     : WEXITSTATUS(st->exit_status),
			line[0] ? line : "(it printed nothing)", spec->name);
	return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_LAB,
			  "%s was not ready within %s: %s; its last line: %s (see nodes/%s.log)",
			  spec->name, bo_format_duration(spec->ready.deadline_ns, took), why,
			  line[0] ? line : "(it printed nothing)", spec->name);
}

static int wait_ready(struct bo_labctl *lab, int node, struct bo_err *err)
{
	const struct bo_node_spec *spec = &lab->plan->nodes.items[node];
	int64_t deadline = bo_now_ns() + spec->ready.deadline_ns;
	char why[256] = "";

	for (;;) {
		bool ready = false;
		int r = ready_once(lab, node, &ready, why, sizeof(why), err);

		if (r < 0)
			return r;
		r = bo_labctl_poll(lab, err);
		if (r < 0)
			return r;
		if (!lab->nodes[node].state.running)
			return not_ready(lab, node, why, err);
		if (ready)
			return 0;
		if (bo_now_ns() >= deadline)
			return not_ready(lab, node, why, err);
		if (lab->hooks.idle) {
			r = lab->hooks.idle(lab->hooks.self, err);
			if (r < 0)
				return r;
		}
		(void)poll(&(struct pollfd){ .fd = bo_keeper_fd(lab->keeper), .events = POLLIN }, 1,
			   (int)(READY_STEP_NS / BO_NSEC_PER_MSEC));
	}
}

static bool needs_root(const struct bo_plan *plan, int node)
{
	bo_vec_foreach(load, &plan->loads)
		if (load->node == node && load->socket)
			return true;
	return plan->nodes.items[node].ready.socket != NULL;
}

/* Each life of a node has a /tmp of its own.  A node that has ended at once has none: the wait for it will say how. */
static int take_root(struct bo_labctl *lab, int node, struct bo_err *err)
{
	struct node_rt *rt = &lab->nodes[node];
	struct bo_root_files root = no_root;
	int r;

	if (!needs_root(lab->plan, node))
		return 0;
	r = bo_keeper_open_root(lab->keeper, node, &root, err);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	root_close(&rt->old_root);
	rt->old_root = rt->root;
	rt->root = root;
	return 0;
}

static int node_start(void *self, int node, bool ready, struct bo_err *err)
{
	struct bo_labctl *lab = self;
	struct node_rt *rt = &lab->nodes[node];
	pid_t pid = 0;
	int r;

	if (!rt->state.running) {
		bo_logpump_rearm(lab->pump, node);
		r = bo_keeper_node_start(lab->keeper, lab->plan, node, rt->exe, rt->log_wr, &pid,
					 err);
		if (r < 0)
			return bo_err_wrap(err, "start %s", lab->plan->nodes.items[node].name);
		rt->state = (struct bo_node_state){ .running = true,
						    .pid = pid,
						    .since_ns = bo_now_ns() };
		rt->asked_to_end = false;
		r = take_root(lab, node, err);
		if (r < 0)
			return r;
		if (lab->hooks.pid_changed)
			lab->hooks.pid_changed(lab->hooks.self, node, pid);
	}
	return ready ? wait_ready(lab, node, err) : 0;
}

static int node_pause_resume(struct bo_labctl *lab, int node, bool frozen, struct bo_err *err)
{
	int r = bo_keeper_node_pause(lab->keeper, node, frozen, err);

	if (!r)
		lab->nodes[node].state.paused = frozen;
	return r;
}

static int node_pause(void *self, int node, struct bo_err *err)
{
	return node_pause_resume(self, node, true, err);
}

static int node_resume(void *self, int node, struct bo_err *err)
{
	return node_pause_resume(self, node, false, err);
}

static int node_state(void *self, int node, struct bo_node_state *ret, struct bo_err *err)
{
	struct bo_labctl *lab = self;
	int r = bo_labctl_poll(lab, err);

	if (r < 0)
		return r;
	*ret = lab->nodes[node].state;
	return 0;
}

static int memory_limit(void *self, int node, enum bo_mem_knob knob, int64_t bytes,
			struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return bo_keeper_memory_limit(lab->keeper, node, knob, bytes, err);
}

static int memory_stat(void *self, int node, struct bo_mem_stat *ret, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return bo_memstat_read(&lab->nodes[node].files, ret, err);
}

static int no_dns(const struct bo_labctl *lab, int node, struct bo_err *err)
{
	return bo_err_set(err, ENOENT, BO_SUBSYS_LAB, "node %s has no name server",
			  lab->plan->nodes.items[node].name);
}

static int node_dns(void *self, int node, const struct bo_dns_fault *fault, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return lab->dns ? bo_dns_fault(lab->dns, node, fault, err) : no_dns(lab, node, err);
}

static int node_dns_stats(void *self, int node, struct bo_dns_stats *ret, struct bo_err *err)
{
	struct bo_labctl *lab = self;

	return lab->dns ? bo_dns_stats(lab->dns, node, ret, err) : no_dns(lab, node, err);
}

int bo_labctl_poll(struct bo_labctl *lab, struct bo_err *err)
{
	struct bo_keeper_event ev;
	int r;

	if (lab->attached)
		bo_attachctl_poll(lab->attached, &lab->hooks);
	while ((r = bo_keeper_next_event(lab->keeper, &ev, err)) > 0) {
		struct node_rt *rt = &lab->nodes[ev.node];

		if (!rt->state.running || rt->state.pid != ev.pid)
			continue;
		rt->state.running = false;
		rt->state.paused = false;
		rt->state.pid = 0;
		rt->state.exit_status = ev.exit_status;
		rt->state.since_ns = ev.t_ns;
		if (lab->hooks.pid_changed)
			lab->hooks.pid_changed(lab->hooks.self, ev.node, 0);
		if (lab->hooks.node_ended)
			lab->hooks.node_ended(lab->hooks.self, ev.node, &rt->state,
					      rt->asked_to_end);
	}
	return r;
}

static int adopt_links(struct bo_labctl *lab, struct bo_err *err)
{
	for (size_t i = 0; i < lab->view.nlinks; i++) {
		struct bo_lab_link *l = &lab->view.links[i];
		int r;

		if (l->tun_a >= 0) {
			const int tun[2] = { bo_steal_fd(&l->tun_a), bo_steal_fd(&l->tun_b) };
			const int stamps[2] = { bo_steal_fd(&l->stamps_a),
						bo_steal_fd(&l->stamps_b) };

			r = bo_wire_new_stamped(&lab->wires[i], tun, stamps, lab->plan->seed, i,
						err);
			/* What a fault does to connections it does to those that were there before
			 * it, too. */
			if (r == 0 && bo_fault_link_tracks(lab->plan, (int)i))
				r = bo_wire_rules_set(lab->wires[i], NULL, 0, err);
			if (r < 0)
				return r;
		}
		r = bo_linkprobe_add(lab->probe, (int)i, &l->probe_a, &l->probe_b, err);
		l->probe_a.fd = l->probe_b.fd = -1;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Without veth the management link is a wire too, and is never impaired. */
static int adopt_management(struct bo_labctl *lab, struct bo_err *err)
{
	for (size_t i = 1; i < lab->view.nnodes; i++) {
		struct bo_lab_node *n = &lab->view.nodes[i];
		int r;

		if (n->management_tun_client < 0)
			continue;
		r = bo_wire_new(&lab->nodes[i].management, bo_steal_fd(&n->management_tun_client),
				bo_steal_fd(&n->management_tun_node), 0, 0, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int dns_up(struct bo_labctl *lab, struct bo_err *err)
{
	bo_auto_free struct bo_dns_host *hosts = calloc(lab->view.nnodes, sizeof(*hosts));

	if (!hosts)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (size_t i = 0; i < lab->view.nnodes; i++)
		hosts[i] = (struct bo_dns_host){ .name = lab->plan->nodes.items[i].name,
						 .address4 = lab->view.nodes[i].address4,
						 .address6 = lab->view.nodes[i].address6 };
	return bo_dns_new(&lab->dns, hosts, lab->view.nnodes, err);
}

static int adopt_dns(struct bo_labctl *lab, struct bo_err *err)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i < lab->view.nnodes; i++) {
		struct bo_lab_node *n = &lab->view.nodes[i];

		if (n->dns_udp < 0)
			continue;
		if (!lab->dns)
			r = dns_up(lab, err);
		if (r == 0)
			r = bo_dns_add(lab->dns, (int)i, bo_steal_fd(&n->dns_udp),
				       bo_steal_fd(&n->dns_tcp), err);
	}
	return r;
}

static struct bo_cgroup_files dup_files(const struct bo_cgroup_files *f)
{
	struct bo_cgroup_files out = { .version = f->version };

	out.usage = f->usage >= 0 ? fcntl(f->usage, F_DUPFD_CLOEXEC, 3) : -1;
	out.limit = f->limit >= 0 ? fcntl(f->limit, F_DUPFD_CLOEXEC, 3) : -1;
	out.events = f->events >= 0 ? fcntl(f->events, F_DUPFD_CLOEXEC, 3) : -1;
	out.failcnt = f->failcnt >= 0 ? fcntl(f->failcnt, F_DUPFD_CLOEXEC, 3) : -1;
	out.high = f->high >= 0 ? fcntl(f->high, F_DUPFD_CLOEXEC, 3) : -1;
	return out;
}

static int adopt_nodes(struct bo_labctl *lab, int nodes_dir, struct bo_err *err)
{
	const struct bo_plan *plan = lab->plan;

	for (size_t i = 1; i < plan->nodes.len; i++) {
		const struct bo_node_spec *spec = &plan->nodes.items[i];
		struct node_rt *rt = &lab->nodes[i];
		char file[80];
		int fd, r;

		rt->files = dup_files(&lab->view.nodes[i].cgroup);
		snprintf(file, sizeof(file), "%s.log", spec->name);
		fd = openat(nodes_dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
			    0644);
		if (fd < 0)
			return bo_err_errno(err, BO_SUBSYS_HARNESS, "nodes/%s", file);
		r = bo_logpump_add(lab->pump, (int)i, fd,
				   spec->ready.kind == BO_READY_LOG ? spec->ready.pattern : NULL,
				   &rt->log_wr, err);
		if (r < 0)
			return r;
		if (spec->kind == BO_NODE_COMMAND) {
			r = bo_scenario_find_command(plan, spec, &rt->exe, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int bo_labctl_new(struct bo_labctl **ret, struct bo_keeper *keeper, const struct bo_plan *plan,
		  const struct bo_machine *machine, int nodes_dir, struct bo_err *err)
{
	struct bo_labctl *lab = calloc(1, sizeof(*lab));
	int r;

	if (!lab)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	lab->keeper = keeper;
	lab->plan = plan;
	lab->wires = calloc(plan->links.len + 1, sizeof(*lab->wires));
	lab->nodes = calloc(plan->nodes.len, sizeof(*lab->nodes));
	if (!lab->wires || !lab->nodes) {
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < plan->nodes.len; i++) {
		lab->nodes[i].files = BO_CGROUP_FILES_NONE;
		lab->nodes[i].root = lab->nodes[i].old_root = no_root;
	}
	if (bo_plan_attached(plan)) {
		r = bo_attachctl_new(&lab->attached, keeper, plan, machine, &lab->view, err);
		if (r < 0)
			goto fail;
		lab->hands = *bo_attachctl_hands(lab->attached);
		*ret = lab;
		return 0;
	}
	if ((r = bo_keeper_lab_up(keeper, plan, &lab->view, err)) < 0 ||
	    (r = bo_linkprobe_new(&lab->probe, plan->links.len, err)) < 0 ||
	    (r = adopt_links(lab, err)) < 0 || (r = adopt_management(lab, err)) < 0 ||
	    (r = adopt_dns(lab, err)) < 0 ||
	    (r = bo_logpump_new(&lab->pump, plan->nodes.len, err)) < 0 ||
	    (r = adopt_nodes(lab, nodes_dir, err)) < 0 ||
	    (r = bo_logpump_start(lab->pump, err)) < 0)
		goto fail;
	lab->hands = (struct bo_hands){
		.self = lab,
		.machine = machine,
		.link_driver = lab->view.link_driver,
		.link_impair = link_impair,
		.link_rules = link_rules,
		.link_rule_counts = link_rule_counts,
		.link_probe = link_probe,
		.link_measure = link_measure,
		.link_samples = link_samples,
		.node_kill = node_kill,
		.node_term = node_term,
		.node_start = node_start,
		.node_pause = node_pause,
		.node_resume = node_resume,
		.node_state = node_state,
		.node_dns = node_dns,
		.node_dns_stats = node_dns_stats,
		.memory_limit = memory_limit,
		.memory_stat = memory_stat,
	};
	*ret = lab;
	return 0;
fail:
	bo_labctl_free(lab);
	return r;
}

void bo_labctl_set_hooks(struct bo_labctl *lab, const struct bo_labctl_hooks *hooks)
{
	lab->hooks = *hooks;
}

/* May @node start?  Those that it names in `after` and, for a subject, every dependency are ready. */
static bool may_start(const struct bo_plan *plan, const bool *started, size_t node)
{
	const struct bo_node_spec *spec = &plan->nodes.items[node];

	for (const char *const *name = spec->after; name && *name; name++) {
		int at = bo_plan_node(plan, *name);

		if (at > 0 && !started[at])
			return false;
	}
	for (size_t i = 1; spec->role == BO_ROLE_SUBJECT && i < plan->nodes.len; i++)
		if (plan->nodes.items[i].role == BO_ROLE_DEPENDENCY && !started[i])
			return false;
	return true;
}

int bo_labctl_start_nodes(struct bo_labctl *lab, struct bo_err *err)
{
	const struct bo_plan *plan = lab->plan;
	bo_auto_free bool *started = calloc(plan->nodes.len, sizeof(*started));
	size_t left = lab->attached ? 0 : plan->nodes.len - 1;

	if (!started)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	while (left) {
		size_t before = left;

		for (size_t i = 1; i < plan->nodes.len; i++) {
			int r;

			if (started[i] || !may_start(plan, started, i))
				continue;
			r = node_start(lab, (int)i, true, err);
			if (r < 0)
				return r;
			started[i] = true;
			left--;
		}
		if (left == before)
			return bo_err_set(
				err, ELOOP, BO_SUBSYS_HARNESS,
				"the nodes' `after` go round in a circle: none of those left may start");
	}
	return 0;
}

void bo_labctl_judged(const struct bo_labctl *lab, const struct bo_fault_spec *spec,
		      struct bo_fault_record *record)
{
	if (lab->attached)
		bo_attachctl_words(lab->attached, spec, record);
}

struct bo_hands *bo_labctl_hands(struct bo_labctl *lab)
{
	return &lab->hands;
}

const struct bo_lab_view *bo_labctl_view(const struct bo_labctl *lab)
{
	return &lab->view;
}

struct bo_wire *bo_labctl_wire(const struct bo_labctl *lab, int link)
{
	return lab->wires[link];
}

struct bo_cgroup_files bo_labctl_take_cgroup(struct bo_labctl *lab, int node)
{
	struct bo_cgroup_files out = lab->view.nodes[node].cgroup;

	lab->view.nodes[node].cgroup = BO_CGROUP_FILES_NONE;
	return out;
}

int bo_labctl_root(const struct bo_labctl *lab, int node)
{
	return lab->nodes[node].root.root;
}

void bo_labctl_log_stats(struct bo_labctl *lab, int node, struct bo_logpump_stats *ret)
{
	*ret = (struct bo_logpump_stats){ 0 };
	if (lab->pump)
		bo_logpump_stats(lab->pump, node, ret);
}

void bo_labctl_free(struct bo_labctl *lab)
{
	if (!lab)
		return;
	bo_linkprobe_free(lab->probe);
	for (size_t i = 0; lab->wires && i < lab->plan->links.len; i++)
		bo_wire_free(lab->wires[i]);
	bo_logpump_free(lab->pump);
	bo_dns_free(lab->dns);
	for (size_t i = 0; lab->nodes && i < lab->plan->nodes.len; i++) {
		struct node_rt *rt = &lab->nodes[i];

		bo_cgroup_files_close(&rt->files);
		bo_wire_free(rt->management);
		root_close(&rt->root);
		root_close(&rt->old_root);
		free(rt->exe);
	}
	bo_attachctl_free(lab->attached);
	bo_lab_view_done(&lab->view);
	free(lab->nodes);
	free(lab->wires);
	free(lab);
}
