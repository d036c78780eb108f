/* SPDX-License-Identifier: Apache-2.0 */
/* harness/attachctl.c — struct bo_hands for services that run already.
 * Each has an attachment behind a socket (lab/attach.h), which the keeper started; what is asked of a service goes there
 * directly.  A link is a service and one of its peers; it is measured by the service's own packets, as the
 * attachment recorded them, or by probes that end where netem lets go of them, because nobody at a foreign peer would
 * answer any. */
#include "harness/attachctl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/lab/attach.h"
#include "brownout/sys/process.h"

#define END_TIMEOUT_NS (5 * BO_NSEC_PER_SEC)
#define STATUS_UNKNOWN (-1) /* only a parent is told */

/** struct service - parallel to plan->nodes; @sock -1: a peer, or the client */
struct service {
	int sock;
	int pidfd;
	struct bo_node_state state;
	bool told;
};

/** struct doer - who did it, of one direction of a link;  @used: something was to be done */
struct doer {
	struct bo_attach_by by;
	bool used;
};

struct bo_attachctl {
	const struct bo_plan *plan;
	struct bo_machine machine;
	struct bo_hands hands;
	struct service *services;
	struct bo_tcp_rtt
		*rtts; /* parallel to plan->links: at the last measurement that met packets */
	struct doer (*doers)[BO_DIR_COUNT]; /* parallel to plan->links */
};

static struct service *service_of(struct bo_attachctl *ctl, int node)
{
	return &ctl->services[node];
}

/** peer_number() - the attachment counts the peers of its service alone, in the order of the plan */
static int peer_number(const struct bo_plan *plan, int link)
{
	const struct bo_link_spec *l = &plan->links.items[link];
	int n = 0;

	for (int i = 1; i < l->b; i++)
		n += plan->nodes.items[i].kind == BO_NODE_PEER &&
		     plan->nodes.items[i].peer_of == l->a;
	return n;
}

static int link_impair(void *self, int link, enum bo_dir dir, const struct bo_impair *im,
		       struct bo_err *err)
{
	struct bo_attachctl *ctl = self;
	struct doer *doer = &ctl->doers[link][dir];
	struct bo_attach_by by = { 0 };
	int r = bo_attach_impair(service_of(ctl, ctl->plan->links.items[link].a)->sock,
				 peer_number(ctl->plan, link), dir, im, &by, err);

	if (r == 0 && !bo_impair_is_none(im))
		*doer = (struct doer){ .by = by, .used = true };
	return r;
}

static int link_probe(void *self, int link, enum bo_dir dir, bool on, struct bo_err *err)
{
	(void)self;
	(void)link;
	(void)dir;
	(void)on;
	(void)err;
	return 0;
}

static int link_measure(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			struct bo_link_measure *ret, struct bo_err *err)
{
	struct bo_attachctl *ctl = self;

	return bo_attach_measure(service_of(ctl, ctl->plan->links.items[link].a)->sock,
				 peer_number(ctl->plan, link), dir, from_ns, to_ns, ret, NULL, err);
}

static int link_samples(void *self, int link, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
			struct bo_link_samples *ret, struct bo_err *err)
{
	struct bo_attachctl *ctl = self;
	struct bo_tcp_rtt rtt = { 0 };
	int r = bo_attach_samples(service_of(ctl, ctl->plan->links.items[link].a)->sock,
				  peer_number(ctl->plan, link), dir, from_ns, to_ns, ret, &rtt,
				  err);

	if (r == 0)
		ctl->rtts[link] = ret->nprobes ? rtt : (struct bo_tcp_rtt){ 0 };
	return r;
}

/** look() - notice the end of the process */
static void look(struct service *s)
{
	struct pollfd p = { .fd = s->pidfd, .events = POLLIN };

	if (s->pidfd < 0 || !s->state.running || poll(&p, 1, 0) <= 0)
		return;
	s->state = (struct bo_node_state){ .exit_status = STATUS_UNKNOWN, .since_ns = bo_now_ns() };
}

static int end_service(struct bo_attachctl *ctl, int node, int signal, struct bo_err *err)
{
	struct service *s = service_of(ctl, node);
	int r;

	look(s);
	if (!s->state.running)
		return 0;
	s->told = true;
	r = bo_attach_signal(s->sock, signal, err);
	if (r == 0 && signal == SIGKILL)
		r = bo_pidfd_wait_exit(s->pidfd, END_TIMEOUT_NS, err);
	look(s);
	if (!s->state.running)
		s->state.exit_status = signal;
	return r;
}

static int node_kill(void *self, int node, struct bo_err *err)
{
	return end_service(self, node, SIGKILL, err);
}

static int node_term(void *self, int node, struct bo_err *err)
{
	return end_service(self, node, SIGTERM, err);
}

/* Whoever supervises the service starts it again: allow = { "kill" } says that somebody does. */
static int node_start(void *self, int node, bool ready, struct bo_err *err)
{
	(void)self;
	(void)node;
	(void)ready;
	(void)err;
	return 0;
}

static int node_pause(void *self, int node, struct bo_err *err)
{
	struct bo_attachctl *ctl = self;

	return bo_attach_signal(service_of(ctl, node)->sock, SIGSTOP, err);
}

static int node_resume(void *self, int node, struct bo_err *err)
{
	struct bo_attachctl *ctl = self;

	return bo_attach_signal(service_of(ctl, node)->sock, SIGCONT, err);
}

static int node_state(void *self, int node, struct bo_node_state *ret, struct bo_err *err)
{
	struct bo_attachctl *ctl = self;
	struct service *s = service_of(ctl, node);
	struct bo_node_state now = { 0 };
	int r;

	look(s);
	if (s->sock >= 0 && s->state.running) {
		r = bo_attach_state(s->sock, &now, err);
		if (r < 0)
			return r;
		s->state.paused = now.paused;
	}
	*ret = s->state;
	return 0;
}

static int memory_limit(void *self, int node, enum bo_mem_knob knob, int64_t bytes,
			struct bo_err *err)
{
	struct bo_attachctl *ctl = self;

	(void)knob;
	(void)bytes;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
			  "%s runs already: its memory limit is not ours to change",
			  ctl->plan->nodes.items[node].name);
}

static int memory_stat(void *self, int node, struct bo_mem_stat *ret, struct bo_err *err)
{
	(void)self;
	(void)node;
	(void)err;
	*ret = (struct bo_mem_stat){ .usage_bytes = -1,
				     .limit_bytes = INT64_MAX,
				     .failcnt = -1,
				     .high_events = -1,
				     .oom_kills = -1 };
	return 0;
}

void bo_attachctl_poll(struct bo_attachctl *ctl, const struct bo_labctl_hooks *hooks)
{
	for (size_t i = 1; i < ctl->plan->nodes.len; i++) {
		struct service *s = &ctl->services[i];
		bool was = s->state.running;

		look(s);
		if (!was || s->state.running)
			continue;
		if (hooks->pid_changed)
			hooks->pid_changed(hooks->self, (int)i, 0);
		if (hooks->node_ended)
			hooks->node_ended(hooks->self, (int)i, &s->state, s->told);
	}
}

/** drivers_of() - what may do it; which one did is said of every fault */
static const char *drivers_of(const struct bo_plan *plan, const struct bo_machine *machine)
{
	if (plan->driver == BO_DRIVER_NETEM)
		return "netem";
	if (plan->driver == BO_DRIVER_QUEUE || !machine->divert)
		return "queue";
	return machine->queue ? "netem, queue" : "netem";
}

static int make_view(const struct bo_plan *plan, const char *drivers, struct bo_lab_view *ret,
		     struct bo_err *err)
{
	int r = bo_lab_view_new(ret, plan->nodes.len, 0, err);

	if (r < 0)
		return r;
	ret->link_driver = drivers;
	for (size_t i = 0; i < ret->nnodes; i++) {
		const struct bo_attach_spec *a = plan->nodes.items[i].attach;
		struct bo_lab_node *n = &ret->nodes[i];

		if (!a)
			continue;
		snprintf(n->address4, sizeof(n->address4), "%s", a->address);
		snprintf(n->management4, sizeof(n->management4), "%s", a->address);
	}
	return 0;
}

static int take_services(struct bo_attachctl *ctl, struct bo_keeper *keeper, struct bo_err *err)
{
	for (size_t i = 0; i < ctl->plan->nodes.len; i++)
		ctl->services[i].sock = ctl->services[i].pidfd = -1;
	for (size_t i = 0; i < ctl->plan->nodes.len; i++) {
		struct service *s = &ctl->services[i];
		pid_t pid = 0;

		s->sock = bo_keeper_take_attachment(keeper, (int)i, &pid);
		s->state = (struct bo_node_state){ .running = true,
						   .pid = pid,
						   .since_ns = bo_now_ns() };
		if (pid && bo_pidfd_open(pid, &s->pidfd, err) < 0)
			return bo_err_wrap(err, "%s", ctl->plan->nodes.items[i].name);
	}
	return 0;
}

int bo_attachctl_new(struct bo_attachctl **ret, struct bo_keeper *keeper,
		     const struct bo_plan *plan, const struct bo_machine *machine,
		     struct bo_lab_view *ret_view, struct bo_err *err)
{
	struct bo_attachctl *ctl = calloc(1, sizeof(*ctl));
	int r = 0;

	if (ctl) {
		ctl->services = calloc(plan->nodes.len, sizeof(*ctl->services));
		ctl->rtts = calloc(plan->links.len + 1, sizeof(*ctl->rtts));
		ctl->doers = calloc(plan->links.len + 1, sizeof(*ctl->doers));
	}
	if (!ctl || !ctl->services || !ctl->rtts || !ctl->doers) {
		free(ctl ? ctl->services : NULL);
		free(ctl ? ctl->rtts : NULL);
		free(ctl ? ctl->doers : NULL);
		free(ctl);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	ctl->plan = plan;
	ctl->machine = *machine;
	ctl->machine.cgroup_freezer =
		false; /* the group is not ours, others may be in it: SIGSTOP it is */
	ctl->hands = (struct bo_hands){
		.self = ctl,
		.machine = &ctl->machine,
		.link_driver = drivers_of(plan, machine),
		.link_impair = link_impair,
		.link_probe = link_probe,
		.link_measure = link_measure,
		.link_samples = link_samples,
		.node_kill = node_kill,
		.node_term = node_term,
		.node_start = node_start,
		.node_pause = node_pause,
		.node_resume = node_resume,
		.node_state = node_state,
		.memory_limit = memory_limit,
		.memory_stat = memory_stat,
	};
	r = take_services(ctl, keeper, err);
	if (r == 0)
		r = make_view(plan, ctl->hands.link_driver, ret_view, err);
	if (r < 0)
		bo_attachctl_free(ctl);
	else
		*ret = ctl;
	return r;
}

const struct bo_hands *bo_attachctl_hands(const struct bo_attachctl *ctl)
{
	return &ctl->hands;
}

/** replace() - every @from in @text by the shorter @to */
static void replace(char *text, const char *from, const char *to)
{
	for (char *at = text; (at = strstr(at, from)); at += strlen(to)) {
		memcpy(at, to, strlen(to));
		memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	}
}

/** say_driver() - who did it; in AUTO also why it was not netem */
static void say_driver(const struct bo_attachctl *ctl, int link, struct bo_fault_record *record)
{
	const struct doer *doers = ctl->doers[link];
	const struct doer *one = doers[0].used ? &doers[0] : &doers[1];
	bool both = doers[0].used && doers[1].used && doers[0].by.driver != doers[1].by.driver;
	size_t len = strlen(record->achieved);

	if (!one->used)
		return;
	snprintf(record->driver, sizeof(record->driver), "%s",
		 both ? "netem, queue" : bo_driver_name(one->by.driver));
	one = doers[1].used && doers[1].by.why[0] ? &doers[1] : one;
	snprintf(record->achieved + len, sizeof(record->achieved) - len, "; by %s%s%s%s",
		 record->driver, one->by.why[0] ? " (" : "", one->by.why,
		 one->by.why[0] ? ")" : "");
}

void bo_attachctl_words(const struct bo_attachctl *ctl, const struct bo_fault_spec *spec,
			struct bo_fault_record *record)
{
	const struct bo_tcp_rtt *rtt;
	size_t len;
	char took[BO_UNIT_BUF];

	if (spec->target != BO_TARGET_LINK)
		return;
	say_driver(ctl, spec->index, record);
	/* In place, as the word is longer. */
	if (!strcmp(record->driver, "queue")) {
		replace(record->achieved, "probes", "pkts");
		replace(record->reason, "probes", "pkts");
	}
	rtt = &ctl->rtts[spec->index];
	len = strlen(record->achieved);
	if (rtt->connections)
		snprintf(record->achieved + len, sizeof(record->achieved) - len,
			 "; TCP says %s there and back (%u connection%s)",
			 bo_format_duration(rtt->p50_ns, took), rtt->connections,
			 rtt->connections == 1 ? "" : "s");
}

void bo_attachctl_free(struct bo_attachctl *ctl)
{
	if (!ctl)
		return;
	for (size_t i = 0; i < ctl->plan->nodes.len; i++) {
		bo_close(&ctl->services[i].sock);
		bo_close(&ctl->services[i].pidfd);
	}
	free(ctl->services);
	free(ctl->rtts);
	free(ctl->doers);
	free(ctl);
}
