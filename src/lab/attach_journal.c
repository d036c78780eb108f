/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_journal.c — what is to be taken back when an attachment is killed, and taking it back.
 *
 * A journal is a file in BO_ATTACH_RUN_DIR that its owner keeps locked (flock(2)): a lock that can be had is that of a
 * dead one, whatever number another process has been given since.  It names the namespace by the inode of its file,
 * the table and the qdisc by names that are used once.  A namespace that is gone has taken all with it.
 * The file lies on a tmpfs: it need only outlive processes, as what it lists does not outlive the machine.
 *
 * Owns: the files.  Threads: single-threaded.  Privilege: root; CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_KILL to undo. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/rtnl.h"

#define PREFIX "attach-"
#define HEADER "brownout attachment 2"
/* Longer than netem holds anything here (attach_netem.c). */
#define DRAIN_NS (6 * BO_NSEC_PER_SEC)
#define DYING_NS (5 * BO_NSEC_PER_SEC)

/* --- writing ---------------------------------------------------------------------------------- */

void bo_attach_journal_path(const char *table, char *ret, size_t size)
{
	snprintf(ret, size, BO_ATTACH_RUN_DIR "/" PREFIX "%s", table);
}

int bo_attach_journal_open(struct bo_attach_journal *j, struct bo_err *err)
{
	struct stat st;

	j->fd = -1;
	if (mkdir(BO_ATTACH_RUN_DIR, 0700) < 0 && errno != EEXIST)
		return bo_err_errno(err, BO_SUBSYS_LAB, "cannot make " BO_ATTACH_RUN_DIR);
	bo_attach_journal_path(j->table, j->path, sizeof(j->path));
	j->fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "cannot make %s", j->path);
	/* A sweep that came in between holds the lock or has removed the file. */
	if (flock(j->fd, LOCK_EX | LOCK_NB) < 0 || fstat(j->fd, &st) < 0 || !st.st_nlink) {
		int rc = bo_err_errno(err, BO_SUBSYS_LAB, "cannot lock %s", j->path);

		bo_attach_journal_close(j);
		return rc;
	}
	return 0;
}

int bo_attach_journal_write(const struct bo_attach_journal *j, struct bo_err *err)
{
	char text[1024];
	ssize_t written;
	int n = snprintf(text, sizeof(text),
			 HEADER "\nnetns %" PRIu64 " %" PRIu64 "\nprocess %" PRIu64 " %d %" PRIu64
				"\ntable %s\nifb %s\ndevice %d\nstopped %d\npath %s\nend\n",
			 j->netns_dev, j->netns_ino, j->process.pidns, j->process.pid,
			 j->process.start_ticks, j->table[0] ? j->table : "-",
			 j->ifb[0] ? j->ifb : "-", j->device, j->stopped,
			 j->netns[0] ? j->netns : "-");

	/* What follows "end" is not read, so there is no moment at which the file says nothing. */
	if (n < 0 || (size_t)n >= sizeof(text))
		return bo_err_set(err, E2BIG, BO_SUBSYS_LAB, "cannot write %s: too long", j->path);
	written = pwrite(j->fd, text, (size_t)n, 0);
	if (written >= 0 && written != n)
		errno = ENOSPC;
	if (written != n || ftruncate(j->fd, n) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "cannot write %s", j->path);
	return 0;
}

void bo_attach_journal_close(struct bo_attach_journal *j)
{
	if (j->fd < 0)
		return;
	unlink(j->path);
	bo_close(&j->fd);
}

bool bo_attach_journal_read(int fd, struct bo_attach_journal *ret)
{
	struct bo_attach_journal j = { .fd = -1 };
	char text[1024], last[8] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text,
		   HEADER " netns %" SCNu64 " %" SCNu64 " process %" SCNu64 " %d %" SCNu64
			  " table %31s ifb %15s device %d stopped %d path %255[^\n] %7s",
		   &j.netns_dev, &j.netns_ino, &j.process.pidns, &j.process.pid,
		   &j.process.start_ticks, j.table, j.ifb, &j.device, &j.stopped, j.netns,
		   last) != 11 ||
	    strcmp(last, "end") != 0)
		return false;
	if (!strcmp(j.table, "-"))
		j.table[0] = '\0';
	if (!strcmp(j.ifb, "-"))
		j.ifb[0] = '\0';
	if (!strcmp(j.netns, "-"))
		j.netns[0] = '\0';
	*ret = j;
	return true;
}

/* --- taking back ------------------------------------------------------------------------------ */

static int open_if_same(const struct bo_attach_journal *j, const char *path)
{
	bo_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != j->netns_dev || st.st_ino != j->netns_ino)
		return -ENOENT;
	return bo_steal_fd(&fd);
}

/** find_netns() - [owned] by its path or by anybody who is in it;  -ENOENT: it is gone;  -EACCES: cannot tell */
static int find_netns(const struct bo_attach_journal *j)
{
	char path[64];
	int fd = j->netns[0] ? open_if_same(j, j->netns) : -ENOENT, missing = -ENOENT;
	DIR *proc = fd < 0 ? opendir("/proc") : NULL;
	const struct dirent *e;

	while (proc && fd < 0 && (e = readdir(proc))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", e->d_name);
		fd = open_if_same(j, path);
		missing = fd == -EACCES || fd == -EPERM ? -EACCES : missing;
	}
	if (proc)
		closedir(proc);
	return fd < 0 ? missing : fd;
}

static int undo_inside(const struct bo_attach_journal *j, struct bo_err *err)
{
	struct nl_sock *nft = NULL, *rtnl = NULL;
	struct bo_err later = { 0 };
	int rc = 0, rc2 = 0;

	/* A kernel without nf_tables has none of ours. */
	if (j->table[0]) {
		rc = bo_nft_open(&nft, err);
		if (rc == 0)
			rc = bo_nft_remove(nft, j->table, err);
		bo_nft_close(&nft);
		rc = rc == -ENOTSUP ? 0 : rc;
	}
	if (j->ifb[0]) {
		rc2 = bo_rtnl_open(&rtnl, rc < 0 ? &later : err);
		if (rc2 == 0)
			rc2 = bo_divert_undo(rtnl, j->ifb, j->device, DRAIN_NS,
					     rc < 0 ? &later : err);
		bo_rtnl_close(&rtnl);
	}
	return rc < 0 ? rc : rc2;
}

static void go_on(const struct bo_attach_journal *j)
{
	if (j->stopped && bo_process_id_alive(&j->process))
		(void)!kill(j->process.pid, SIGCONT);
}

/** lock_of_the_dying() - a process that is being killed closes its files one by one: its pipe, say, before its lock */
static bool lock_of_the_dying(int fd)
{
	const int64_t deadline_ns = bo_now_ns() + DYING_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || bo_now_ns() > deadline_ns)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

void bo_attach_journal_undo(const char *path)
{
	bo_auto_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct bo_attach_journal j;
	struct bo_err ignored = { 0 };

	if (fd < 0 || !lock_of_the_dying(fd))
		return;
	if (bo_attach_journal_read(fd, &j)) {
		go_on(&j);
		if (undo_inside(&j, &ignored) < 0)
			return; /* for the next sweep */
	}
	unlink(path);
}

/** undo() - in a process of its own, because a namespace is a property of whoever enters it */
static int undo(const struct bo_attach_journal *j)
{
	bo_auto_fd int netns = find_netns(j);
	struct bo_err err = { 0 };
	int pidfd = -1, status = 0;
	pid_t pid;

	go_on(j);
	if (netns < 0)
		return netns == -ENOENT ? 0 : netns;
	pid = bo_process_clone(0, &pidfd, &err);
	if (pid == 0) {
		int rc = bo_netns_enter(netns, &err);

		_exit(-(rc < 0 ? rc : undo_inside(j, &err)) & 0x7f);
	}
	if (pid < 0)
		return (int)pid;
	if (bo_pidfd_reap(pidfd, &status, &err) < 0 || !WIFEXITED(status))
		status = W_EXITCODE(EIO, 0);
	bo_close(&pidfd);
	return -WEXITSTATUS(status);
}

static int sweep_one(const char *name, bool dry_run, struct bo_sweep_report *ret)
{
	struct bo_swept found = { 0 };
	struct bo_attach_journal j;
	struct bo_err ignored = { 0 };
	bo_auto_fd int fd = -1;

	snprintf(found.path, sizeof(found.path), BO_ATTACH_RUN_DIR "/%.100s", name);
	fd = open(found.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0; /* its owner has just finished */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0; /* its owner lives */
	/* One that was never written is about nothing. */
	if (!dry_run && bo_attach_journal_read(fd, &j)) {
		/* For the namespaces of other users' processes; without it, undo() says that it cannot tell. */
		bool asleep = !bo_caps_is_effective(CAP_SYS_PTRACE);

		if (asleep)
			(void)!bo_caps_effective(CAP_SYS_PTRACE, true, &ignored);
		found.code = -undo(&j);
		if (asleep)
			(void)!bo_caps_effective(CAP_SYS_PTRACE, false, &ignored);
	}
	if (!dry_run && !found.code && unlink(found.path) < 0 && errno != ENOENT)
		found.code = errno;
	return bo_vec_push(&ret->found, found) ? 0 : -ENOMEM;
}

int bo_attach_sweep(bool dry_run, struct bo_sweep_report *ret, struct bo_err *err)
{
	DIR *dir = opendir(BO_ATTACH_RUN_DIR);
	const struct dirent *e;
	int rc = 0;

	/* Made by root for root: for others there is nothing to see and nothing to take back. */
	if (!dir)
		return errno == ENOENT || errno == EACCES
			       ? 0
			       : bo_err_errno(err, BO_SUBSYS_LAB, BO_ATTACH_RUN_DIR);
	while (rc == 0 && (e = readdir(dir)))
		if (!strncmp(e->d_name, PREFIX, strlen(PREFIX)))
			rc = sweep_one(e->d_name, dry_run, ret);
	closedir(dir);
	return rc < 0 ? bo_err_set(err, -rc, BO_SUBSYS_LAB, "out of memory") : 0;
}
