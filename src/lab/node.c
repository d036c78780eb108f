/* SPDX-License-Identifier: Apache-2.0 */
/* lab/node.c — start, watch and end a node's process tree.
 * The tree hangs on its PID 1 (init.c): SIGKILL to that one process through its pidfd takes the whole pid namespace down
 * at once, and its own end is the end of all.  The network namespace and the cgroup stay, so a node can be started
 * again, and the kernel closes the dead processes' sockets over the links with FIN or RST as it would on a real machine.
 * Owns: pidfds and channels in struct lab_node.  Threads: single-threaded.
 * Privilege: CAP_SYS_ADMIN to start, CAP_KILL to signal other users' processes. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/fdpass.h"
#include "brownout/sys/process.h"
#include "lab-internal.h"

#define START_TIMEOUT_NS (20 * BO_NSEC_PER_SEC)
#define END_TIMEOUT_NS (10 * BO_NSEC_PER_SEC)

void lab_node_reset(struct lab_node *n)
{
	n->init_pidfd = n->chan = n->main_pidfd = -1;
	n->main_pid = n->init_pid = 0;
	n->paused = n->exec_busy = n->have_status = false;
	n->status = 0;
	n->ended_ns = 0;
}

static int node_at(struct bo_lab *lab, int index, struct lab_node **ret, struct bo_err *err)
{
	if (index <= BO_NODE_CLIENT || (size_t)index >= lab->nnodes)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "there is no node %d with processes",
				  index);
	*ret = &lab->nodes[index];
	return 0;
}

static int running_at(struct bo_lab *lab, int index, struct lab_node **ret, struct bo_err *err)
{
	int rc = node_at(lab, index, ret, err);

	if (rc == 0 && (*ret)->init_pidfd < 0)
		return bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "node %s is not running",
				  (*ret)->name);
	return rc;
}

static int undo_stop(void *self, long index, struct bo_err *err);

/* Everything that is left of one life, once its init has been reaped. */
static void forget(struct bo_lab *lab, int index)
{
	struct lab_node *n = &lab->nodes[index];

	if (n->chan >= 0)
		(void)epoll_ctl(lab->epoll, EPOLL_CTL_DEL, n->chan, NULL);
	if (n->init_pidfd >= 0)
		(void)epoll_ctl(lab->epoll, EPOLL_CTL_DEL, n->init_pidfd, NULL);
	bo_close(&n->chan);
	bo_close(&n->init_pidfd);
	bo_close(&n->main_pidfd);
	lab_node_reset(n);
	bo_undo_cancel(&lab->undo, undo_stop, lab, index);
}

/* What init has to say.  Return: 1 and @event for the end of a command, else 0 */
static int hear_init(struct lab_node *n, int index, struct bo_lab_event *event)
{
	struct init_msg msg = { 0 };

	while (n->chan >= 0 && bo_fdpass_recv(n->chan, &msg, sizeof(msg), NULL, NULL, MSG_DONTWAIT,
					      NULL) == (ssize_t)sizeof(msg)) {
		if (msg.kind == INIT_MAIN_ENDED) {
			n->have_status = true;
			n->status = msg.status;
			n->ended_ns = msg.t_ns;
		} else if (msg.kind == INIT_EXEC_DONE && n->exec_busy) {
			n->exec_busy = false;
			*event = (struct bo_lab_event){ .kind = BO_LAB_EXEC_DONE,
							.node = index,
							.status = msg.status,
							.code = msg.code,
							.t_ns = msg.t_ns };
			return 1;
		}
	}
	return 0;
}

static void tell_later(struct bo_lab *lab, const struct bo_lab_event *event)
{
	uint64_t one = 1;

	/* Without memory the event is lost; the node's state is right all the same. */
	if (bo_vec_push(&lab->told_later, *event))
		(void)!write(lab->wake, &one, sizeof(one));
}

/* init has ended: reap it, make the event.  A tree that was killed from outside had no chance to say how. */
static int finish(struct bo_lab *lab, int index, struct bo_lab_event *event, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[index];
	struct bo_lab_event last;
	int rc;

	while (hear_init(n, index, &last) == 1)
		tell_later(lab, &last);
	if (n->exec_busy) {
		last = (struct bo_lab_event){ .kind = BO_LAB_EXEC_DONE,
					      .node = index,
					      .code = ESRCH };
		tell_later(lab, &last);
	}
	rc = bo_pidfd_reap(n->init_pidfd, NULL, err);
	*event = (struct bo_lab_event){ .kind = BO_LAB_NODE_ENDED,
					.node = index,
					.pid = n->main_pid,
					.status = n->have_status ? n->status
								 : W_EXITCODE(0, SIGKILL),
					.t_ns = n->have_status ? n->ended_ns : bo_now_ns() };
	forget(lab, index);
	return rc;
}

/* SIGKILL, wait until the last process is gone, reap.  @event: how the main process ended */
static int end_tree(struct bo_lab *lab, int index, struct bo_lab_event *event, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[index];
	int rc = bo_pidfd_kill(n->init_pidfd, SIGKILL, err);

	/* On v1 a frozen process dies only once thawed.  It was sent SIGKILL before, so it runs not one instruction. */
	if (rc == 0 && n->paused)
		(void)!bo_cgroup_freeze(&n->cgroup, false, NULL);
	if (rc == 0)
		rc = bo_pidfd_wait_exit(n->init_pidfd, END_TIMEOUT_NS, err);
	if (rc < 0) {
		bo_err_wrap(err, "killing node %s", n->name);
		return rc;
	}
	return finish(lab, index, event, err);
}

static int undo_stop(void *self, long index, struct bo_err *err)
{
	struct bo_lab *lab = self;
	struct bo_lab_event unused;

	return lab->nodes[index].init_pidfd < 0 ? 0 : end_tree(lab, (int)index, &unused, err);
}

/* A message on the report socket; gives up when the keeper's own peer is gone.  Return: as bo_fdpass_recv() */
static ssize_t wait_report(const struct bo_lab *lab, int report, int64_t deadline,
			   struct init_msg *msg, struct bo_fds *fds, pid_t *pid, struct bo_err *err)
{
	for (;;) {
		struct pollfd p[] = { { .fd = report, .events = POLLIN },
				      { .fd = lab->hangup_fd, .events = POLLRDHUP } };
		int64_t left = deadline - bo_now_ns();
		struct timespec ts = bo_ns_to_timespec(left);
		int n = ppoll(p, 2, &ts, NULL);
		ssize_t len;

		if (n < 0 && errno != EINTR)
			return bo_err_errno(err, BO_SUBSYS_LAB, "poll");
		if (n > 0 && p[0].revents) {
			len = bo_fdpass_recv(report, msg, sizeof(*msg), fds, pid, 0, err);
			if (len > 0 && len != (ssize_t)sizeof(*msg))
				return bo_err_set(err, EPROTO, BO_SUBSYS_LAB,
						  "a message of %zd bytes", len);
			return len;
		}
		if (n > 0 && p[1].revents)
			return bo_err_set(err, EPIPE, BO_SUBSYS_LAB, "the conductor is gone");
		if (left <= 0)
			return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_LAB,
					  "it did not start within %d s",
					  (int)(START_TIMEOUT_NS / BO_NSEC_PER_SEC));
	}
}

/* READY (with pid and pidfd), then the end of the socket: execve(2) has closed it.  Anything else is a failure. */
static int wait_started(struct lab_node *n, const struct bo_lab *lab, int report,
			struct bo_err *err)
{
	int64_t deadline = bo_now_ns() + START_TIMEOUT_NS;

	for (;;) {
		struct bo_fds fds = { 0 };
		struct init_msg msg = { 0 };
		pid_t pid = 0;
		ssize_t len = wait_report(lab, report, deadline, &msg, &fds, &pid, err);

		if (len < 0)
			return (int)len;
		if (len == 0) {
			if (n->main_pidfd >= 0)
				return 0;
			return bo_err_set(err, EIO, BO_SUBSYS_LAB, "it ended while starting");
		}
		if (msg.kind == INIT_READY && n->main_pidfd < 0) {
			n->main_pid = pid;
			n->main_pidfd = bo_fds_take(&fds, 0);
		}
		bo_fds_close(&fds);
		if (msg.kind == INIT_FAILED) {
			msg.text[sizeof(msg.text) - 1] = '\0';
			return bo_err_set(err, msg.code > 0 ? msg.code : EIO, BO_SUBSYS_LAB, "%s",
					  msg.text);
		}
	}
}

static int watch(struct bo_lab *lab, int fd, int index, struct bo_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)index };

	if (epoll_ctl(lab->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "watching a node");
	return 0;
}

static int spawn(struct bo_lab *lab, int index, struct init_args *args, int chan[2], int report[2],
		 struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[index];
	pid_t pid = bo_process_clone(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC,
				     &n->init_pidfd, err);

	if (pid == 0) {
		/* The keeper's ends must close with the keeper, so the child may not hold them. */
		close(chan[0]);
		close(report[0]);
		args->chan = chan[1];
		args->report = report[1];
		lab_init_main(args);
	}
	n->init_pid = pid > 0 ? pid : 0;
	bo_close(&chan[1]);
	bo_close(&report[1]);
	n->chan = bo_steal_fd(&chan[0]);
	if (pid < 0)
		return (int)pid;
	return wait_started(n, lab, report[0], err);
}

static int start(struct bo_lab *lab, int index, const struct bo_node_start *how, struct bo_err *err)
{
	struct lab_node *n = &lab->nodes[index];
	struct init_args args = {
		.lab = lab, .node = n, .start = how, .thaw_fd = bo_cgroup_thaw_open(&n->cgroup)
	};
	int chan[2] = { -1, -1 }, report[2] = { -1, -1 }, on = 1;
	int rc = bo_cgroup_join_open(&n->cgroup, &args.join, err);

	if (rc == 0 && (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, chan) < 0 ||
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0 ||
			setsockopt(report[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0))
		rc = bo_err_errno(err, BO_SUBSYS_LAB, "socketpair");
	if (rc == 0)
		rc = spawn(lab, index, &args, chan, report, err);
	for (int i = 0; i < 2; i++) {
		bo_close(&chan[i]);
		bo_close(&report[i]);
	}
	bo_close(&args.thaw_fd);
	bo_cgroup_join_close(&args.join);
	if (rc == 0)
		rc = watch(lab, n->chan, index, err);
	if (rc == 0)
		rc = watch(lab, n->init_pidfd, index, err);
	return rc;
}

int bo_lab_node_start(struct bo_lab *lab, int node, const struct bo_node_start *how, pid_t *ret_pid,
		      struct bo_err *err)
{
	struct lab_node *n = NULL;
	struct bo_lab_event unused;
	int rc = node_at(lab, node, &n, err);

	if (rc < 0)
		return rc;
	if (n->init_pidfd >= 0)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB, "node %s is running", n->name);
	if (n->netns < 0)
		return bo_err_set(err, ENOTCONN, BO_SUBSYS_LAB, "the lab is not up");
	if (!how->stub && (!how->exe || how->exe[0] != '/' || !how->argv || !how->argv[0]))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "node %s: no absolute path of a command", n->name);
	rc = bo_undo_push(&lab->undo, n->name, undo_stop, lab, node, err);
	if (rc < 0)
		return rc;
	rc = start(lab, node, how, err);
	if (rc == 0) {
		*ret_pid = n->main_pid;
		return 0;
	}
	/* The tree may still be half there; it goes before the caller hears of the failure. */
	if (n->init_pidfd >= 0)
		(void)end_tree(lab, node, &unused, NULL);
	else
		forget(lab, node);
	bo_err_wrap(err, "node %s", lab->nodes[node].name);
	return rc;
}

int bo_lab_node_exec(struct bo_lab *lab, int node, const char *const *argv, int64_t timeout_ns,
		     struct bo_err *err)
{
	static union {
		struct init_msg head;
		char bytes[INIT_MSG_MAX];
	} msg;
	struct lab_node *n = NULL;
	size_t len = sizeof(msg.head);
	int rc = running_at(lab, node, &n, err);

	if (rc < 0)
		return rc;
	if (n->exec_busy || n->paused)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB, "node %s %s", n->name,
				  n->paused ? "is paused" : "is busy with another command");
	msg.head = (struct init_msg){ .kind = INIT_EXEC, .timeout_ns = timeout_ns };
	for (; argv[msg.head.argc]; msg.head.argc++) {
		size_t part = strlen(argv[msg.head.argc]) + 1;

		if (part > sizeof(msg.bytes) - len)
			return bo_err_set(err, E2BIG, BO_SUBSYS_LAB,
					  "a command of more than %d bytes", INIT_MSG_MAX);
		memcpy(msg.bytes + len, argv[msg.head.argc], part);
		len += part;
	}
	if (msg.head.argc == 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "an empty command");
	rc = bo_fdpass_send(n->chan, &msg, len, NULL, NULL);
	if (rc == 0)
		n->exec_busy = true;
	/* EPIPE would read as "the keeper is gone": its init has ended and the event is on its way. */
	return rc < 0 ? bo_err_set(err, rc == -EPIPE ? ESRCH : -rc, BO_SUBSYS_LAB,
				   "node %s is ending", n->name)
		      : 0;
}

int bo_lab_node_kill(struct bo_lab *lab, int node, struct bo_err *err)
{
	struct lab_node *n = NULL;
	struct bo_lab_event event;
	int rc = node_at(lab, node, &n, err);

	if (rc < 0 || n->init_pidfd < 0)
		return rc;
	rc = end_tree(lab, node, &event, err);
	if (rc == 0)
		tell_later(lab, &event);
	return rc;
}

int bo_lab_node_term(struct bo_lab *lab, int node, struct bo_err *err)
{
	struct lab_node *n = NULL;
	int rc = running_at(lab, node, &n, err);

	return rc < 0 ? rc : bo_pidfd_kill(n->main_pidfd, SIGTERM, err);
}

/* Without a freezer init stops them all; it answers once that is so. */
static int pause_by_signals(const struct bo_lab *lab, struct lab_node *n, bool frozen,
			    struct bo_err *err)
{
	struct init_msg msg = { .kind = frozen ? INIT_STOP : INIT_CONT };
	int64_t deadline = bo_now_ns() + END_TIMEOUT_NS;
	int rc = bo_fdpass_send(n->chan, &msg, sizeof(msg), NULL, err);

	while (rc == 0) {
		ssize_t len = wait_report(lab, n->chan, deadline, &msg, NULL, NULL, err);

		if (len < 0)
			return (int)len;
		if (len == 0)
			return bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "node %s ended", n->name);
		if (msg.kind == INIT_MAIN_ENDED) {
			n->have_status = true;
			n->status = msg.status;
			n->ended_ns = msg.t_ns;
		}
		if (msg.kind == INIT_STOPPED)
			return msg.code ? bo_err_set(err, msg.code, BO_SUBSYS_LAB, "%.200s",
						     msg.text)
					: 0;
	}
	return rc;
}

int bo_lab_node_pause(struct bo_lab *lab, int node, bool frozen, struct bo_err *err)
{
	struct lab_node *n = NULL;
	int rc = running_at(lab, node, &n, err);

	if (rc < 0)
		return rc;
	if (n->paused == frozen)
		return 0;
	if (n->exec_busy)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB, "node %s is busy with a command",
				  n->name);
	if (n->cgroup.version[BO_CG_FREEZER]) {
		rc = bo_cgroup_freeze(&n->cgroup, frozen, err);
		/* Half frozen is not frozen: let it go on rather than limp. */
		if (rc < 0 && frozen)
			(void)!bo_cgroup_freeze(&n->cgroup, false, NULL);
	} else {
		rc = pause_by_signals(lab, n, frozen, err);
	}
	if (rc < 0) {
		bo_err_wrap(err, "%s node %s", frozen ? "pausing" : "resuming", n->name);
		return rc;
	}
	n->paused = frozen;
	return 0;
}

int bo_lab_fd(const struct bo_lab *lab)
{
	return lab->epoll;
}

static bool take_later(struct bo_lab *lab, struct bo_lab_event *ret)
{
	uint64_t count;

	if (lab->told_later.len == 0) {
		(void)!read(lab->wake, &count, sizeof(count));
		return false;
	}
	*ret = lab->told_later.items[0];
	lab->told_later.len--;
	memmove(lab->told_later.items, lab->told_later.items + 1,
		lab->told_later.len * sizeof(*ret));
	return true;
}

int bo_lab_next_event(struct bo_lab *lab, struct bo_lab_event *ret)
{
	struct epoll_event ev;

	if (take_later(lab, ret))
		return 1;
	while (epoll_wait(lab->epoll, &ev, 1, 0) == 1) {
		int index = (int)ev.data.u32;
		struct lab_node *n;

		if (index == LAB_WAKE)
			return take_later(lab, ret);
		n = &lab->nodes[index];
		if (hear_init(n, index, ret) == 1)
			return 1;
		if (n->have_status && n->paused) {
			(void)!bo_cgroup_freeze(&n->cgroup, false, NULL);
			n->paused = false;
		}
		if (bo_pidfd_wait_exit(n->init_pidfd, 0, NULL) == 0) {
			(void)finish(lab, index, ret, NULL);
			return 1;
		}
		/* The channel may have hung up a moment before the pidfd tells of the end; level-triggered, it
		 * would spin until then. */
		if (ev.events & EPOLLHUP)
			(void)epoll_ctl(lab->epoll, EPOLL_CTL_DEL, n->chan, NULL);
	}
	return 0;
}
