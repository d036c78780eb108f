/* SPDX-License-Identifier: Apache-2.0 */
/* lab/init.c — PID 1 of a node.
 * Sets up the node's namespaces, starts the main process, gives up all privilege, and then does four things: reaps,
 * tells the keeper how the main process ended (and exits, upon which the kernel kills the rest of the pid namespace),
 * runs readiness commands, and dies with the keeper.  The last is done twice over: the kernel's parent-death signal,
 * and the closing of the channel, which also covers a keeper that was dead before the signal was armed.
 * init itself stays out of the node's cgroups: neither the freezer nor the OOM killer nor pids.max must get at it.
 * Owns: the node's mounts and processes.  Threads: single-threaded.
 * Privilege: the keeper's until the main process is forked, none after. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/vec.h"
#include "brownout/lab/stub.h"
#include "brownout/sys/fdpass.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "lab-internal.h"

#define EXEC_FD 3 /* of a child on its way to execve(2): where a failure is told; CLOEXEC */

struct init {
	struct init_args *args;
	struct init_paths paths;
	char **env;
	pid_t main_pid;
	pid_t exec_pid;
	int64_t exec_deadline_ns;
	int exec_code;
};

static void tell(int sock, enum init_msg_kind kind, int code, int status, const char *text)
{
	struct init_msg msg = { .kind = kind, .code = code, .status = status, .t_ns = bo_now_ns() };

	snprintf(msg.text, sizeof(msg.text), "%s", text ? text : "");
	/* A keeper that does not listen any more is dead, and then so is this process in a moment. */
	(void)!bo_fdpass_send(sock, &msg, sizeof(msg), NULL, NULL);
}

static void die_with_keeper(const struct init_args *args)
{
	struct pollfd p = { .fd = args->chan };

	/* On v1 a frozen tree outlives SIGKILL, so there the signal is one that init gets to handle: it thaws first. */
	prctl(PR_SET_PDEATHSIG, args->thaw_fd >= 0 ? SIGTERM : SIGKILL);
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
		_exit(0);
}

/* PATH …, then what the scenario adds, which wins.  Lives as long as init. */
static char **make_env(const char *name, const char *const *extra)
{
	static char host[BO_LAB_NAME_MAX + 16];
	static const char *const base[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"
		"/usr/local/go/bin",
		"HOME=/tmp", "LANG=C.UTF-8", host
	};
	BO_VEC(char *) env = { 0 };

	snprintf(host, sizeof(host), "HOSTNAME=%s", name);
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		size_t key = strcspn(base[i], "=") + 1;
		bool replaced = false;

		for (size_t j = 0; extra && extra[j]; j++)
			replaced |= strncmp(extra[j], base[i], key) == 0;
		if (!replaced && !bo_vec_push(&env, (char *)(uintptr_t)base[i]))
			return NULL;
	}
	for (size_t j = 0; extra && extra[j]; j++)
		if (!bo_vec_push(&env, (char *)(uintptr_t)extra[j]))
			return NULL;
	return bo_vec_push(&env, NULL) ? env.items : NULL;
}

/* stdin /dev/null, stdout and stderr @log, and nothing else open but @report as EXEC_FD. */
static int arrange_fds(int log_fd, int report)
{
	bo_auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way first, so that no dup2(2) below hits one that is still needed. */
	bo_auto_fd int log_high = fcntl(log_fd >= 0 ? log_fd : null, F_DUPFD_CLOEXEC, 16);
	bo_auto_fd int report_high = fcntl(report, F_DUPFD_CLOEXEC, 16);

	if (null < 0 || log_high < 0 || report_high < 0 || dup2(null, 0) < 0 ||
	    dup2(log_high, 1) < 0 || dup2(log_high, 2) < 0 ||
	    dup3(report_high, EXEC_FD, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int enter_cwd(const struct init *in, struct bo_err *err)
{
	if (chdir(in->paths.cwd) == 0)
		return 0;
	return bo_err_errno(err, BO_SUBSYS_LAB, "entering %.200s", in->paths.cwd);
}

static void fail_child(const struct bo_err *err) __attribute__((noreturn));
static void fail_child(const struct bo_err *err)
{
	tell(EXEC_FD, INIT_FAILED, err->code, 0, err->msg);
	_exit(127);
}

static void become_stub(const struct bo_stub_spec *spec, struct bo_err *err)
	__attribute__((noreturn));
static void become_stub(const struct bo_stub_spec *spec, struct bo_err *err)
{
	struct bo_stub *stub = NULL;

	if (bo_stub_new(&stub, spec, err) < 0)
		fail_child(err);
	bo_signals_default();
	prctl(PR_SET_NAME, "bo-stub");
	close(EXEC_FD); /* what execve(2) does for a command: listening now */
	if (bo_stub_run(stub, -1, err) < 0)
		dprintf(2, "stub: %s\n", err->msg);
	_exit(1);
}

/* The pid as the keeper sees it comes with the message: the kernel translates the credentials of the sender. */
static int announce(struct bo_err *err)
{
	struct init_msg msg = { .kind = INIT_READY };
	struct bo_fds fds = { .n = 1 };
	int rc = bo_pidfd_open(getpid(), &fds.fd[0], err);

	if (rc == 0)
		rc = bo_fdpass_send(EXEC_FD, &msg, sizeof(msg), &fds, err);
	return rc;
}

static void main_child(struct init *in) __attribute__((noreturn));
static void main_child(struct init *in)
{
	struct init_args *args = in->args;
	struct bo_err err = { 0 };
	int rc = bo_cgroup_join(&args->join, &err);

	prctl(PR_SET_NAME, "bo-child");
	if (rc == 0)
		rc = bo_user_become(&args->lab->user, &err);
	if (rc == 0 && arrange_fds(args->start->log_fd, args->report) < 0)
		rc = bo_err_errno(&err, BO_SUBSYS_LAB, "arranging descriptors");
	if (rc < 0) {
		tell(args->report, INIT_FAILED, err.code, 0, err.msg);
		_exit(127);
	}
	bo_fds_close_from(EXEC_FD + 1);
	rc = enter_cwd(in, &err);
	if (rc == 0)
		rc = announce(&err);
	if (rc < 0)
		fail_child(&err);
	if (args->start->stub)
		become_stub(args->start->stub, &err);
	bo_fds_close_from(EXEC_FD + 1); /* the pidfd that was sent */
	bo_fds_limit_restore();
	bo_signals_default();
	execve(in->paths.exe, (char *const *)(uintptr_t)args->start->argv, in->env);
	bo_err_errno(&err, BO_SUBSYS_LAB, "%.300s", args->start->exe);
	fail_child(&err);
}

static void exec_child(const struct init *in, char **argv, int report) __attribute__((noreturn));
static void exec_child(const struct init *in, char **argv, int report)
{
	struct bo_err err = { 0 };
	int rc = bo_cgroup_join(&in->args->join, &err);

	setpgid(0, 0); /* so that a timeout reaches what it started, too */
	if (rc < 0 || arrange_fds(-1, report) < 0)
		_exit(127);
	bo_fds_close_from(EXEC_FD + 1);
	if (enter_cwd(in, &err) < 0)
		fail_child(&err);
	bo_fds_limit_restore();
	bo_signals_default();
	environ = in->env;
	execvp(argv[0], argv);
	bo_err_errno(&err, BO_SUBSYS_LAB, "%.200s", argv[0]);
	fail_child(&err);
}

/* Run a command.  Whether execve(2) worked is waited for here: it is a matter of microseconds. */
static void begin_exec(struct init *in, const struct init_msg *msg, char *strings, size_t len)
{
	bo_auto_free char **argv = calloc((size_t)msg->argc + 1, sizeof(char *));
	struct init_msg failed = { 0 };
	int pair[2];
	char *at = strings;

	for (uint32_t i = 0; argv && i < msg->argc && at < strings + len; i++) {
		argv[i] = at;
		at += strlen(at) + 1;
	}
	if (!argv || !argv[0] || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		tell(in->args->chan, INIT_EXEC_DONE, ENOMEM, 0, "out of memory or descriptors");
		return;
	}
	in->exec_pid = fork();
	if (in->exec_pid == 0)
		exec_child(in, argv, pair[1]);
	close(pair[1]);
	in->exec_deadline_ns = bo_now_ns() + msg->timeout_ns;
	in->exec_code = in->exec_pid < 0 ? errno : 0;
	if (in->exec_pid > 0 &&
	    bo_fdpass_recv(pair[0], &failed, sizeof(failed), NULL, NULL, 0, NULL) > 0)
		in->exec_code = failed.code;
	close(pair[0]);
	if (in->exec_pid < 0) {
		in->exec_pid = 0;
		tell(in->args->chan, INIT_EXEC_DONE, in->exec_code, 0, "fork");
	}
}

static char state_of(const char *pid)
{
	char path[64], buf[512];
	bo_auto_fd int fd = -1;
	const char *paren;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return 'X'; /* gone */
	buf[n] = '\0';
	paren = strrchr(buf, ')');
	return paren && paren[1] ? paren[2] : '?';
}

/* Are all processes of the namespace but this one stopped (or dead)?  /proc is this node's own. */
static bool all_stopped(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	bool all = dir != NULL;

	while (all && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) && strcmp(e->d_name, "1") != 0)
			all = strchr("TtZX", state_of(e->d_name)) != NULL;
	if (dir)
		closedir(dir);
	return all;
}

/* Without a freezer: kill(-1) from PID 1 reaches every process of the namespace at once, but none outside. */
static void stop_all(struct init *in, bool stop)
{
	int64_t deadline = bo_now_ns() + 5 * BO_NSEC_PER_SEC;
	struct timespec pause = { .tv_nsec = 200000 };

	kill(-1, stop ? SIGSTOP : SIGCONT);
	while (stop && !all_stopped()) {
		if (bo_now_ns() > deadline) {
			kill(-1,
			     SIGCONT); /* half stopped is not stopped: let it go on rather than limp */
			tell(in->args->chan, INIT_STOPPED, ETIMEDOUT, 0,
			     "some process did not stop");
			return;
		}
		nanosleep(&pause, NULL);
	}
	tell(in->args->chan, INIT_STOPPED, 0, 0, NULL);
}

static void leave(const struct init *in) __attribute__((noreturn));
static void leave(const struct init *in)
{
	/* The kernel now kills the rest of the namespace; see die_with_keeper() for the thawing. */
	if (in->args->thaw_fd >= 0)
		(void)!write(in->args->thaw_fd, "THAWED", 6);
	_exit(0);
}

static void reap(struct init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == in->main_pid) {
			tell(in->args->chan, INIT_MAIN_ENDED, 0, status, NULL);
			leave(in);
		}
		if (pid == in->exec_pid) {
			tell(in->args->chan, INIT_EXEC_DONE, in->exec_code, status, NULL);
			in->exec_pid = 0;
		}
	}
}

static void take_command(struct init *in)
{
	static union {
		struct init_msg head;
		char bytes[INIT_MSG_MAX + 1];
	} msg;
	ssize_t n = bo_fdpass_recv(in->args->chan, &msg, INIT_MSG_MAX, NULL, NULL, 0, NULL);

	if (n == 0)
		leave(in); /* the keeper is gone */
	if (n < (ssize_t)sizeof(msg.head))
		return;
	msg.bytes[n] = '\0';
	switch (msg.head.kind) {
	case INIT_EXEC:
		begin_exec(in, &msg.head, msg.bytes + sizeof(msg.head),
			   (size_t)n - sizeof(msg.head));
		break;
	case INIT_STOP:
	case INIT_CONT:
		stop_all(in, msg.head.kind == INIT_STOP);
		break;
	default:
		break;
	}
}

static void serve(struct init *in, int signals) __attribute__((noreturn));
static void serve(struct init *in, int signals)
{
	struct pollfd p[] = { { .fd = in->args->chan, .events = POLLIN },
			      { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		int64_t left = in->exec_deadline_ns - bo_now_ns();
		struct timespec ts = bo_ns_to_timespec(left);
		bool timed = in->exec_pid > 0 && in->exec_code != ETIMEDOUT;

		if (ppoll(p, 2, timed ? &ts : NULL, NULL) < 0 && errno != EINTR)
			_exit(1);
		if (timed && in->exec_deadline_ns <= bo_now_ns()) {
			in->exec_code = ETIMEDOUT;
			kill(-in->exec_pid, SIGKILL);
		}
		while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			if (info.ssi_signo == SIGTERM)
				leave(in);
		reap(in);
		if (p[0].revents)
			take_command(in);
	}
}

static int set_up(struct init *in, struct bo_err *err)
{
	struct init_args *args = in->args;
	struct rlimit no_core = { 0 };
	int rc = bo_netns_enter(args->node->netns, err);

	if (rc < 0)
		return rc;
	if (sethostname(args->node->name, strlen(args->node->name)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "setting the host name");
	/* A crashing service must not leave a core file; it may raise the limit again. */
	if (getrlimit(RLIMIT_CORE, &no_core) == 0) {
		no_core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &no_core);
	}
	in->env = make_env(args->node->name, args->start->env);
	if (!in->env)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	return lab_init_mounts(args->lab, args->node, args->start, &in->paths, err);
}

static int block_signals(int *ret_fd, struct bo_err *err)
{
	sigset_t all, wanted;

	sigfillset(&all);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	*ret_fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? bo_err_errno(err, BO_SUBSYS_LAB, "signalfd") : 0;
}

/* Keep what init still needs and nothing of the keeper's: a service could reach for it through /proc otherwise. */
static int keep_only(struct init_args *args, int *signals)
{
	int *keep[4 + BO_CG_COUNT] = { &args->chan, &args->thaw_fd, signals };
	size_t n = 3;

	for (size_t i = 0; i < args->join.n; i++)
		keep[n++] = &args->join.fd[i];
	for (size_t i = 0; i < n; i++) {
		if (*keep[i] < 0)
			continue;
		/* Above the places they go to, and below any limit on descriptors that is in use. */
		*keep[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, 32);
		if (*keep[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (*keep[i] >= 0)
			*keep[i] = dup3(*keep[i], (int)(10 + i), O_CLOEXEC);
	bo_fds_close_from((int)(10 + n));
	for (int fd = 0; fd < 10; fd++)
		close(fd);
	/* 0 … 2 stay taken, so that nothing opened later becomes somebody's stdout. */
	return open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2 ? 0 : -EBADF;
}

void lab_init_main(struct init_args *args)
{
	static struct init in;
	struct bo_err err = { 0 };
	int signals = -1;
	int rc;

	in.args = args;
	bo_signals_default();
	setsid(); /* Ctrl-C in the terminal is for the conductor alone */
	prctl(PR_SET_NAME, "bo-init");
	die_with_keeper(args);
	rc = block_signals(&signals, &err);
	if (rc == 0)
		rc = set_up(&in, &err);
	if (rc == 0) {
		in.main_pid = fork();
		if (in.main_pid == 0)
			main_child(&in);
		if (in.main_pid < 0)
			rc = bo_err_errno(&err, BO_SUBSYS_LAB, "starting a process");
	}
	/* From here on init holds no capability at all and is the conductor's user: it reaps, waits, and signals
	 * processes of that same user inside its own pid namespace.  Changing credentials clears the
	 * parent-death signal, so it is armed anew. */
	if (rc == 0)
		rc = bo_user_become(&args->lab->user, &err);
	if (rc < 0) {
		tell(args->report, INIT_FAILED, err.code, 0, err.msg);
		_exit(1);
	}
	die_with_keeper(args);
	prctl(PR_SET_DUMPABLE, 0);
	if (chdir("/") < 0 || keep_only(args, &signals) < 0)
		_exit(1);
	serve(&in, signals);
}
