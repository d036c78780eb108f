/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_warden.c — who takes everything back when an attachment cannot.
 * Rules with the bypass flag let traffic pass once their listener is dead.  netem goes on, and a process that we stopped
 * stays stopped: so each attachment has a child that sleeps on a pipe.  The pipe's end means that the attachment is dead,
 * and time that passes without a word that it hangs: then it is killed first.  What there is to do is in the journal,
 * whose lock says that nobody else is at it.
 * It leaves the terminal's session, so that what is meant for the run does not end it.
 * Owns: nothing.  Threads: single-threaded.  Privilege: the attachment's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

/* The attachment ends its faults itself; this is for one that does not. */
#define LATE_NS (2 * BO_NSEC_PER_SEC)
#define END_TIMEOUT_NS (20 * BO_NSEC_PER_SEC)

/** wait_for() - until the attachment is dead, or has hung for too long;  Return: is it dead? */
static bool wait_for(int pipe)
{
	int64_t expires_ns = INT64_MAX;

	for (;;) {
		struct pollfd p = { .fd = pipe, .events = POLLIN };
		int64_t left_ns = expires_ns == INT64_MAX ? 0 : expires_ns + LATE_NS - bo_now_ns();
		struct timespec ts = bo_ns_to_timespec(left_ns > 0 ? left_ns : 0);
		int n = ppoll(&p, 1, expires_ns == INT64_MAX ? NULL : &ts, NULL);
		int64_t said_ns;

		if (n == 0)
			return false;
		if (n < 0)
			continue;
		if (read(pipe, &said_ns, sizeof(said_ns)) != (ssize_t)sizeof(said_ns))
			return true;
		expires_ns = said_ns;
	}
}

static void live(int pipe, int attachment, const char *path) __attribute__((noreturn));

static void live(int pipe, int attachment, const char *path)
{
	struct bo_err ignored = { 0 };

	prctl(PR_SET_NAME, "bo-warden");
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (!wait_for(pipe)) {
		(void)!bo_pidfd_kill(attachment, SIGKILL, &ignored);
		(void)!bo_pidfd_wait_exit(attachment, END_TIMEOUT_NS, &ignored);
	}
	bo_attach_journal_undo(path);
	_exit(0);
}

int bo_attach_warden_start(struct bo_attach_warden *ret, const char *table, struct bo_err *err)
{
	struct bo_attach_warden w = { .pidfd = -1, .pipe = -1 };
	bo_auto_fd int self = -1;
	int pipes[2], rc = bo_pidfd_open(getpid(), &self, err);
	char path[128];
	pid_t pid;

	if (rc < 0)
		return rc;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "pipe");
	bo_attach_journal_path(table, path, sizeof(path));
	pid = bo_process_clone(0, &w.pidfd, err);
	if (pid == 0) {
		/* The conductor and the keeper wait for the ends of the others. */
		int kept[] = { fcntl(pipes[0], F_DUPFD_CLOEXEC, 200),
			       fcntl(self, F_DUPFD_CLOEXEC, 200) };

		if (kept[0] < 0 || kept[1] < 0 || dup3(kept[0], 3, O_CLOEXEC) < 0 ||
		    dup3(kept[1], 4, O_CLOEXEC) < 0)
			_exit(1);
		bo_fds_close_from(5);
		live(3, 4, path);
	}
	close(pipes[0]);
	w.pipe = pipes[1];
	if (pid < 0) {
		bo_close(&w.pipe);
		return (int)pid;
	}
	*ret = w;
	return 0;
}

void bo_attach_warden_tell(const struct bo_attach_warden *warden, int64_t expires_ns)
{
	/* One that is dead is noticed by its pidfd. */
	(void)!write(warden->pipe, &expires_ns, sizeof(expires_ns));
}

void bo_attach_warden_end(struct bo_attach_warden *warden)
{
	struct bo_err ignored = { 0 };

	bo_close(&warden->pipe);
	if (warden->pidfd >= 0 && bo_pidfd_wait_exit(warden->pidfd, END_TIMEOUT_NS, &ignored) == 0)
		(void)!bo_pidfd_reap(warden->pidfd, NULL, &ignored);
	bo_close(&warden->pidfd);
}
