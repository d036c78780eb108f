/* SPDX-License-Identifier: Apache-2.0 */
/* sys/process.c — pidfds, process identity, and the clean slate before execve(2).
 * Owns: nothing.  Threads: any, but for bo_process_clone().  Privilege: see the header. */
#include "brownout/sys/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

/* glibc 2.36's headers have no name for it; the value is the kernel's (linux/wait.h). */
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

pid_t bo_process_clone(uint64_t namespaces, int *ret_pidfd, struct bo_err *err)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = namespaces | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	/* Without CLONE_VM the child runs on a copy of this stack, exactly as after fork(2). */
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "creating a process in new namespaces");
	if (pid > 0)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

int bo_pidfd_open(pid_t pid, int *ret_fd, struct bo_err *err)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "opening a descriptor of process %d", pid);
	*ret_fd = (int)fd;
	return 0;
}

int bo_pidfd_kill(int pidfd, int signal, struct bo_err *err)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		return bo_err_errno(err, BO_SUBSYS_SYS, "sending signal %d", signal);
	return 0;
}

int bo_pidfd_wait_exit(int pidfd, int64_t timeout_ns, struct bo_err *err)
{
	int64_t deadline = bo_now_ns() + timeout_ns;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - bo_now_ns();
		struct timespec ts = bo_ns_to_timespec(left);
		int rc = ppoll(&p, 1, &ts, NULL);

		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return bo_err_errno(err, BO_SUBSYS_SYS, "waiting for a process");
		if (left <= 0)
			return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_SYS,
					  "a process did not end in time");
	}
}

int bo_pidfd_reap(int pidfd, int *ret_status, struct bo_err *err)
{
	siginfo_t info = { 0 };
	int rc;

	do {
		rc = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "collecting a process");
	if (ret_status)
		*ret_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
							 : W_EXITCODE(0, info.si_status);
	return 0;
}

/* Field 22, counted after the last ')': the name in field 2 may hold anything, blanks and parentheses too. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	char path[48], buf[1024], *at;
	bo_auto_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return -ESRCH;
	buf[n] = '\0';
	at = strrchr(buf, ')');
	if (!at || at[1] != ' ')
		return -EIO;
	at += 2;
	*ret_state = *at;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return -EIO;
		at++;
	}
	*ret_start = strtoull(at, NULL, 10);
	return 0;
}

static int own_pidns(uint64_t *ret)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int bo_process_id_of(pid_t pid, struct bo_process_id *ret, bool *ret_stopped, struct bo_err *err)
{
	struct bo_process_id id = { .pid = pid };
	char state = '?';
	int rc = own_pidns(&id.pidns);

	if (rc == 0)
		rc = read_stat(pid, &state, &id.start_ticks);
	if (rc == -ENOENT || rc == -ESRCH || (rc == 0 && (state == 'Z' || state == 'X')))
		return bo_err_set(err, ESRCH, BO_SUBSYS_SYS, "there is no process %d", pid);
	if (rc < 0)
		return bo_err_set(err, -rc, BO_SUBSYS_SYS, "process %d: %s", pid, strerror(-rc));
	*ret = id;
	if (ret_stopped)
		*ret_stopped = state == 'T';
	return 0;
}

int bo_process_id_self(struct bo_process_id *ret, struct bo_err *err)
{
	struct bo_process_id id = { .pid = getpid() };
	char state;
	int rc = own_pidns(&id.pidns);

	if (rc == 0)
		rc = read_stat(id.pid, &state, &id.start_ticks);
	if (rc < 0)
		return bo_err_set(err, -rc, BO_SUBSYS_SYS,
				  "reading /proc of this process (is /proc mounted?): %s",
				  strerror(-rc));
	*ret = id;
	return 0;
}

bool bo_process_id_alive(const struct bo_process_id *id)
{
	uint64_t pidns = 0, start = 0;
	char state = '?';
	int rc;

	if (own_pidns(&pidns) < 0 || pidns != id->pidns)
		return true;
	rc = read_stat(id->pid, &state, &start);
	/* Under hidepid= other users' processes have no folder in /proc; kill(2) still knows that they are there. */
	if (rc == -ENOENT || rc == -ESRCH)
		return kill(id->pid, 0) == 0 || errno != ESRCH;
	if (rc < 0)
		return true; /* cannot tell: leave it alone */
	return start == id->start_ticks && state != 'Z' && state != 'X';
}

void bo_process_grace(void)
{
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void bo_fds_close_from(int first)
{
	DIR *dir;
	const struct dirent *e;

	if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0)
		return;
	dir = opendir("/proc/self/fd");
	while (dir && (e = readdir(dir))) {
		int fd = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : -1;

		if (fd >= first && fd != dirfd(dir))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static struct rlimit found_fds;

void bo_fds_limit_raise(void)
{
	struct rlimit raised;

	if (found_fds.rlim_max || getrlimit(RLIMIT_NOFILE, &found_fds) < 0)
		return;
	raised = found_fds;
	raised.rlim_cur = raised.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &raised);
}

void bo_fds_limit_restore(void)
{
	if (found_fds.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &found_fds);
}

void bo_thread_slice(int64_t slice_ns)
{
	/* struct sched_attr of linux/sched/types.h, which clashes with <sched.h>. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof(attr),
		   .nice = getpriority(PRIO_PROCESS, 0),
		   .runtime = (uint64_t)slice_ns };

	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

void bo_signals_default(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* SIGKILL, SIGSTOP and glibc's two reserved ones refuse; that is fine. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int bo_thread_realtime(pid_t pid, pid_t tid, struct bo_err *err)
{
	const struct sched_param lowest = { .sched_priority = 1 }, none = { 0 };

	if (pid <= 0 || tid <= 0 || tgkill(pid, tid, 0) < 0)
		return bo_err_set(err, ESRCH, BO_SUBSYS_SYS, "no thread %d of process %d", (int)tid,
				  (int)pid);
	if (sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "SCHED_FIFO");
	/* Should it have ended in between, another may have its number. */
	if (tgkill(pid, tid, 0) == 0)
		return 0;
	(void)sched_setscheduler(tid, SCHED_OTHER, &none);
	return bo_err_set(err, ESRCH, BO_SUBSYS_SYS, "thread %d has ended", (int)tid);
}
