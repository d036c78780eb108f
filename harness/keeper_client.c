/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_client.c — the conductor's side: fork the keeper, give everything up, and ask.
 * Calls are synchronous; what is asked of nodes and links is in keeper_ask.c.  Events that arrive while an answer is
 * waited for are queued, and an eventfd keeps bo_keeper_fd() readable until they have been taken.
 * Owns: the socket, the queue.  Threads: a lock is held from a request to its answer, and while events are taken: the
 * census thread asks for descriptors while the main thread goes about its business.
 * Privilege: none once bo_keeper_start() has returned. */
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/wake.h"
#include "brownout/sys/caps.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "harness/keeper_client.h"

#define GONE_TIMEOUT_NS (30 * BO_NSEC_PER_SEC)
/* Longer than the longest that the keeper waits for anything itself (20 s, for a node's init). */
#define SILENT_AFTER_S 30

static int gone(struct bo_err *err)
{
	return bo_err_set(err, EPIPE, BO_SUBSYS_HARNESS, "the keeper is gone");
}

static void queue_event(struct bo_keeper *k, const struct kp_rep *rep)
{
	struct bo_keeper_event ev = {
		.node = rep->index, .pid = rep->pid, .exit_status = rep->status, .t_ns = rep->t_ns
	};
	uint64_t one = 1;

	if (bo_vec_push(&k->events, ev))
		(void)!write(k->queued, &one, sizeof(one));
}

/* The next message that is no event.  Return: 1; 0 when there is none (at once with MSG_DONTWAIT); -EPIPE */
static int next_reply(struct bo_keeper *k, struct kp_rep *rep, struct bo_fds *fds, int flags,
		      struct bo_err *err)
{
	for (;;) {
		ssize_t n = bo_fdpass_recv(k->sock, rep, sizeof(*rep), fds, NULL, flags, err);

		if (n == -EAGAIN)
			return 0;
		if (n != (ssize_t)sizeof(*rep))
			return n < 0 && n != -ECONNRESET ? (int)n : gone(err);
		if (rep->kind != KP_EVENT)
			return 1;
		queue_event(k, rep);
	}
}

/* It is stopped, or stuck in the kernel.  Whoever waited without end could not be interrupted either. */
static int silent(struct bo_keeper *k, struct bo_err *err)
{
	k->silent = true;
	return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_HARNESS, "the keeper has not answered for %d s",
			  SILENT_AFTER_S);
}

int bo_kp_ask(struct bo_keeper *k, struct kp_req req, const void *payload, size_t len, int fd,
	      struct bo_err *err)
{
	struct bo_fds fds = { .fd = { fd }, .n = fd >= 0 };
	struct bo_strbuf msg = { 0 };
	int rc;

	if (k->silent)
		return silent(k, err);
	req.seq = ++k->seq;
	bo_strbuf_add(&msg, (const char *)&req, sizeof(req));
	bo_strbuf_add(&msg, payload ? payload : "", len);
	if (!bo_strbuf_ok(&msg))
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	else if (msg.len > KP_MSG_MAX)
		rc = bo_err_set(err, E2BIG, BO_SUBSYS_HARNESS,
				"a request of %zu bytes to the keeper, at most %d", msg.len,
				KP_MSG_MAX);
	else
		rc = bo_fdpass_send(k->sock, msg.buf, msg.len, &fds, err);
	bo_strbuf_done(&msg);
	return rc == -EPIPE || rc == -ECONNRESET ? gone(err) : rc;
}

int bo_kp_await_fds(struct bo_keeper *k, struct kp_rep *rep, struct bo_fds *fds, struct bo_err *err)
{
	int rc;

	do {
		if (fds)
			bo_fds_close(fds);
		rc = next_reply(k, rep, fds, 0, err);
		if (rc <= 0)
			return rc < 0 ? rc : silent(k, err);
	} while (rep->kind != KP_REPLY || rep->seq != k->seq);
	if (rep->code == 0)
		return 0;
	rep->msg[sizeof(rep->msg) - 1] = '\0';
	return bo_err_set(err, rep->code, BO_SUBSYS_HARNESS, "%s", rep->msg);
}

int bo_kp_await(struct bo_keeper *k, struct kp_rep *rep, struct bo_err *err)
{
	return bo_kp_await_fds(k, rep, NULL, err);
}

int bo_kp_simple(struct bo_keeper *k, struct kp_req req, struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct kp_rep rep;
	int rc = bo_kp_ask(k, req, NULL, 0, -1, err);

	return rc < 0 ? rc : bo_kp_await(k, &rep, err);
}

/* ---- start ------------------------------------------------------------------------------------------------- */

static int loopback_up(struct bo_err *err)
{
	bo_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "bringing lo up");
	return 0;
}

/* root may have been given without the capability (a container); an ordinary user never has it. */
static bool can_make_namespaces(void)
{
	return bo_caps_is_effective(CAP_SYS_ADMIN);
}

static int fork_keeper(struct bo_keeper *k, const struct bo_user *user, struct bo_err *err)
{
	const struct timeval patience = { .tv_sec = SILENT_AFTER_S };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "socketpair");
	fflush(NULL); /* else the child would hold a copy of what is buffered */
	pid = bo_process_clone(0, &k->pidfd, err);
	if (pid == 0) {
		close(pair[0]);
		bo_keeper_main(pair[1], user);
	}
	close(pair[1]);
	k->sock = pair[0];
	(void)setsockopt(k->sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return pid < 0 ? (int)pid : 0;
}

/* The conductor's stage: a network namespace of its own, then nothing any more. */
static int become_conductor(struct bo_keeper *k, const struct bo_user *user, bool attached,
			    struct bo_err *err)
{
	bo_auto_fd int netns = -1;
	struct kp_rep rep;
	int rc = attached ? bo_netns_current(&netns, err) : bo_netns_new(&netns, err);

	if (rc == 0 && !attached)
		rc = loopback_up(err);
	if (rc == 0)
		rc = bo_kp_ask(k, (struct kp_req){ .op = KP_HELLO }, NULL, 0, netns, err);
	bo_wake_allow_realtime(); /* for the threads of the wires */
	if (rc == 0)
		rc = bo_user_become(user, err);
	/* A change of user makes a process undumpable, which keeps it from its own /proc files; it holds nothing that
	 * would have to be hidden. */
	if (rc == 0)
		prctl(PR_SET_DUMPABLE, 1);
	return rc < 0 ? rc : bo_kp_await(k, &rep, err);
}

/* By threads that must not wait: not for the lock, and not for the answer, whose number is nobody's. */
static void make_realtime(void *arg, pid_t tid)
{
	const struct kp_req req = { .op = KP_REALTIME, .value = tid };

	(void)!send(((struct bo_keeper *)arg)->sock, &req, sizeof(req),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int start(struct bo_keeper **ret, bool attached, struct bo_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct bo_user user = { 0 };
	struct bo_keeper *k;
	int rc = bo_user_from_sudo(&user, err);

	if (rc == 0 && attached && !can_make_namespaces())
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "services that run already can only be attached to as root; try "
				  "sudo brownout run --attach");
	if (rc == 0 && !can_make_namespaces())
		rc = bo_userns_enter(err);
	if (rc < 0)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	k->sock = k->pidfd = -1;
	pthread_mutex_init(&k->lock, NULL);
	/* A link takes up to seven descriptors here and four in the keeper; 1024, the usual soft limit, are few. */
	bo_fds_limit_raise();
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->queued = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = fork_keeper(k, &user, err);
	if (rc == 0 && (epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->sock, &ev) < 0 ||
			epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->queued, &ev) < 0))
		rc = bo_err_errno(err, BO_SUBSYS_HARNESS, "epoll");
	if (rc == 0)
		rc = become_conductor(k, &user, attached, err);
	if (rc < 0) {
		bo_keeper_free(k);
		return rc;
	}
	bo_wake_realtime_by(make_realtime, k);
	*ret = k;
	return 0;
}

int bo_keeper_start(struct bo_keeper **ret, struct bo_err *err)
{
	return start(ret, false, err);
}

int bo_keeper_start_attached(struct bo_keeper **ret, struct bo_err *err)
{
	return start(ret, true, err);
}

/* ---- attachments ------------------------------------------------------------------------------------------- */

static void describe_attachment(const struct bo_plan *plan, int node, struct bo_attach_conf *ret)
{
	const struct bo_node_spec *spec = &plan->nodes.items[node];

	memset(ret, 0, sizeof(*ret)); /* the padding travels, too */
	snprintf(ret->name, sizeof(ret->name), "%s", spec->name);
	ret->spec = *spec->attach;
	ret->driver = plan->driver;
	ret->seed = plan->seed;
	ret->stream = (uint32_t)node;
	bo_vec_foreach(peer, &plan->nodes)
		if (peer->kind == BO_NODE_PEER && peer->peer_of == node &&
		    ret->npeers < BO_ATTACH_PEERS_MAX)
			ret->peers[ret->npeers++] = *peer->peer;
}

static int attach_one(struct bo_keeper *k, const struct bo_plan *plan, int node, struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct bo_attached attached = { .node = node, .sock = -1 };
	struct bo_attach_conf conf;
	struct bo_fds fds = { 0 };
	struct kp_rep rep;
	int rc;

	describe_attachment(plan, node, &conf);
	rc = bo_kp_ask(k, (struct kp_req){ .op = KP_ATTACH }, &conf, sizeof(conf), -1, err);
	if (rc == 0)
		rc = bo_kp_await_fds(k, &rep, &fds, err);
	if (rc == 0) {
		attached.sock = bo_fds_take(&fds, 0);
		attached.pid = rep.pid;
		if (attached.sock < 0)
			rc = bo_err_set(err, EPROTO, BO_SUBSYS_HARNESS,
					"the keeper sent no descriptor");
		else if (!bo_vec_push(&k->attached, attached))
			rc = bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	if (rc < 0)
		bo_close(&attached.sock);
	bo_fds_close(&fds);
	return rc;
}

int bo_keeper_attach_all(struct bo_keeper *k, const struct bo_plan *plan, struct bo_err *err)
{
	for (size_t i = 1; i < plan->nodes.len; i++) {
		const struct bo_node_spec *node = &plan->nodes.items[i];

		if (node->kind == BO_NODE_ATTACHED && attach_one(k, plan, (int)i, err) < 0)
			return bo_err_wrap(err, "%s:%d: t:attach '%s'", node->src.file,
					   node->src.line, node->name);
	}
	return 0;
}

int bo_keeper_take_attachment(struct bo_keeper *k, int node, pid_t *ret_pid)
{
	bo_vec_foreach(a, &k->attached) {
		if (a->node != node)
			continue;
		*ret_pid = a->pid;
		return bo_steal_fd(&a->sock);
	}
	return -1;
}

int bo_kp_attachment_number(const struct bo_keeper *k, int node)
{
	for (size_t i = 0; i < k->attached.len; i++)
		if (k->attached.items[i].node == node)
			return (int)i;
	return node;
}

/* ---- requests ---------------------------------------------------------------------------------------------- */

int bo_keeper_machine(struct bo_keeper *k, struct bo_machine *ret, struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct kp_rep rep;
	int rc = bo_kp_ask(k, (struct kp_req){ .op = KP_MACHINE }, NULL, 0, -1, err);

	if (rc == 0)
		rc = bo_kp_await(k, &rep, err);
	if (rc == 0)
		*ret = rep.machine;
	return rc;
}

static void put_lab(struct bo_strbuf *msg, const struct bo_plan *plan)
{
	struct kp_lab head = { .nnodes = (uint32_t)plan->nodes.len,
			       .nlinks = (uint32_t)plan->links.len,
			       .driver = plan->driver,
			       .seed = plan->seed };

	bo_strbuf_add(msg, (const char *)&head, sizeof(head));
	bo_vec_foreach(n, &plan->nodes) {
		struct kp_lab_node node;

		memset(&node, 0, sizeof(node)); /* the padding travels, too */
		snprintf(node.name, sizeof(node.name), "%s", n->name);
		node.memory_bytes = n->memory_bytes;
		node.cpus_milli = n->cpus_milli;
		node.pids = n->pids;
		node.dns = n->dns;
		bo_strbuf_add(msg, (const char *)&node, sizeof(node));
	}
	bo_vec_foreach(l, &plan->links) {
		struct kp_lab_link link = { .a = l->a, .b = l->b };

		bo_strbuf_add(msg, (const char *)&link, sizeof(link));
	}
}

static int check_names(const struct bo_plan *plan, struct bo_err *err)
{
	bo_vec_foreach(n, &plan->nodes)
		if (strlen(n->name) > BO_LAB_NAME_MAX)
			return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
					  "node %s: a name has at most %d characters", n->name,
					  BO_LAB_NAME_MAX);
	return 0;
}

int bo_lab_view_new(struct bo_lab_view *ret, size_t nnodes, size_t nlinks, struct bo_err *err)
{
	struct bo_lab_view view = { .nodes = calloc(nnodes + 1, sizeof(*view.nodes)),
				    .links = calloc(nlinks + 1, sizeof(*view.links)) };

	if (!view.nodes || !view.links) {
		bo_lab_view_done(&view);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	view.nnodes = nnodes;
	view.nlinks = nlinks;
	for (size_t i = 0; i < nnodes; i++) {
		view.nodes[i].cgroup = BO_CGROUP_FILES_NONE;
		view.nodes[i].management_tun_client = view.nodes[i].management_tun_node = -1;
		view.nodes[i].dns_udp = view.nodes[i].dns_tcp = -1;
	}
	for (size_t i = 0; i < nlinks; i++) {
		view.links[i].tun_a = view.links[i].tun_b = -1;
		view.links[i].stamps_a = view.links[i].stamps_b = -1;
		view.links[i].probe_a.fd = view.links[i].probe_b.fd = -1;
	}
	*ret = view;
	return 0;
}

/* The descriptor of bit @bit, or -1; descriptors come in the order of the bits that are set. */
static int fd_of(struct bo_fds *fds, uint32_t mask, unsigned int bit)
{
	if (!(mask & (1u << bit)))
		return -1;
	return bo_fds_take(fds, (size_t)__builtin_popcount(mask & ((1u << bit) - 1)));
}

static void take_node(struct bo_lab_view *view, const struct kp_rep *rep, struct bo_fds *fds)
{
	struct bo_lab_node *n = &view->nodes[rep->index];

	n->cgroup = (struct bo_cgroup_files){ .version = rep->version,
					      .usage = fd_of(fds, rep->fdmask, 0),
					      .limit = fd_of(fds, rep->fdmask, 1),
					      .events = fd_of(fds, rep->fdmask, 2),
					      .failcnt = fd_of(fds, rep->fdmask, 3),
					      .high = fd_of(fds, rep->fdmask, 4) };
	n->management_tun_client = fd_of(fds, rep->fdmask, 5);
	n->management_tun_node = fd_of(fds, rep->fdmask, 6);
	n->dns_udp = fd_of(fds, rep->fdmask, 7);
	n->dns_tcp = fd_of(fds, rep->fdmask, 8);
	memcpy(n->address4, rep->address.primary4, sizeof(n->address4));
	memcpy(n->address6, rep->address.primary6, sizeof(n->address6));
	memcpy(n->management4, rep->address.management4, sizeof(n->management4));
	memcpy(n->management6, rep->address.management6, sizeof(n->management6));
}

static void take_end(struct bo_linkprobe_end *end, int fd)
{
	end->fd = fd;
	end->addr_len = sizeof(end->addr);
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&end->addr, &end->addr_len) < 0)
		end->addr_len = 0;
}

static int take_view(struct bo_keeper *k, struct bo_lab_view *view, struct bo_err *err)
{
	for (;;) {
		struct bo_fds fds = { 0 };
		struct kp_rep rep;
		int rc = next_reply(k, &rep, &fds, 0, err);

		if (rc <= 0)
			return rc < 0 ? rc : silent(k, err);
		if (rep.kind == KP_NODE && (size_t)rep.index < view->nnodes) {
			take_node(view, &rep, &fds);
		} else if (rep.kind == KP_LINK && (size_t)rep.index < view->nlinks) {
			struct bo_lab_link *l = &view->links[rep.index];

			l->tun_a = fd_of(&fds, rep.fdmask, 0);
			l->tun_b = fd_of(&fds, rep.fdmask, 1);
			l->stamps_a = fd_of(&fds, rep.fdmask, 4);
			l->stamps_b = fd_of(&fds, rep.fdmask, 5);
			take_end(&l->probe_a, fd_of(&fds, rep.fdmask, 2));
			take_end(&l->probe_b, fd_of(&fds, rep.fdmask, 3));
		}
		bo_fds_close(&fds);
		if (rep.kind != KP_REPLY || rep.seq != k->seq)
			continue;
		rep.msg[sizeof(rep.msg) - 1] = '\0';
		if (rep.code)
			return bo_err_set(err, rep.code, BO_SUBSYS_HARNESS, "%s", rep.msg);
		view->link_driver = rep.driver == BO_DRIVER_NETEM ? "netem" : "wire";
		return 0;
	}
}

int bo_keeper_lab_up(struct bo_keeper *k, const struct bo_plan *plan, struct bo_lab_view *ret,
		     struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct bo_strbuf msg = { 0 };
	struct bo_lab_view view;
	int rc = check_names(plan, err);

	if (rc == 0)
		rc = bo_lab_view_new(&view, plan->nodes.len, plan->links.len, err);
	if (rc < 0)
		return rc;
	put_lab(&msg, plan);
	rc = bo_strbuf_ok(&msg)
		     ? bo_kp_ask(k, (struct kp_req){ .op = KP_LAB_UP }, msg.buf, msg.len, -1, err)
		     : bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	bo_strbuf_done(&msg);
	if (rc == 0)
		rc = take_view(k, &view, err);
	if (rc < 0) {
		bo_lab_view_done(&view);
		return rc;
	}
	*ret = view;
	return 0;
}

void bo_lab_view_done(struct bo_lab_view *view)
{
	for (size_t i = 0; view->nodes && i < view->nnodes; i++) {
		struct bo_lab_node *n = &view->nodes[i];

		bo_cgroup_files_close(&n->cgroup);
		bo_close(&n->management_tun_client);
		bo_close(&n->management_tun_node);
		bo_close(&n->dns_udp);
		bo_close(&n->dns_tcp);
	}
	for (size_t i = 0; view->links && i < view->nlinks; i++) {
		struct bo_lab_link *l = &view->links[i];

		bo_close(&l->tun_a);
		bo_close(&l->tun_b);
		bo_close(&l->stamps_a);
		bo_close(&l->stamps_b);
		bo_close(&l->probe_a.fd);
		bo_close(&l->probe_b.fd);
	}
	free(view->nodes);
	free(view->links);
	*view = (struct bo_lab_view){ 0 };
}

/* ---- events and the end -------------------------------------------------------------------------------------- */

int bo_keeper_fd(const struct bo_keeper *k)
{
	return k->epoll;
}

int bo_keeper_next_event(struct bo_keeper *k, struct bo_keeper_event *ret, struct bo_err *err)
{
	BO_KP_LOCK(k);
	int rc = 0;

	if (k->events.len == 0) {
		uint64_t count;
		struct bo_fds fds = { 0 };
		struct kp_rep rep;

		(void)!read(k->queued, &count, sizeof(count));
		/* A stray answer (to a call that was given up) is dropped. */
		while ((rc = next_reply(k, &rep, &fds, MSG_DONTWAIT, err)) == 1)
			bo_fds_close(&fds);
	}
	if (k->events.len == 0)
		return rc;
	*ret = k->events.items[0];
	k->events.len--;
	memmove(k->events.items, k->events.items + 1, k->events.len * sizeof(*ret));
	return 1;
}

static int wait_end(struct bo_keeper *k, struct bo_err *err)
{
	int rc = 0;

	bo_wake_realtime_by(NULL, NULL);
	bo_vec_foreach(a, &k->attached)
		bo_close(&a->sock);
	bo_close(&k->sock);
	if (k->pidfd >= 0)
		rc = bo_pidfd_wait_exit(k->pidfd, k->silent ? 0 : GONE_TIMEOUT_NS, err);
	if (rc == 0 && k->pidfd >= 0)
		rc = bo_pidfd_reap(k->pidfd, NULL, err);
	bo_close(&k->pidfd);
	if (rc < 0)
		bo_err_wrap(err, "waiting for the keeper");
	return rc;
}

int bo_keeper_stop(struct bo_keeper *k, struct bo_err *err)
{
	struct bo_err late = { 0 };
	int rc = bo_kp_simple(k, (struct kp_req){ .op = KP_STOP }, err);
	int end = wait_end(k, &late);

	if (rc == 0 && end < 0) {
		if (err)
			*err = late;
		return end;
	}
	return rc;
}

void bo_keeper_free(struct bo_keeper *k)
{
	if (!k)
		return;
	/* The keeper takes everything back at the end of the socket; leaving before it has done so would leave the
	 * machine unclean for whoever looks next. */
	(void)!wait_end(k, NULL);
	bo_close(&k->epoll);
	bo_close(&k->queued);
	bo_vec_done(&k->events);
	bo_vec_done(&k->attached);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
