/* SPDX-License-Identifier: Apache-2.0 */
/* lab/inspect.c — open the memory of a node's process, or its root directory, for somebody who may not.
 * Whoever asks is not trusted: a process belongs to a node when it is in the pid namespace of that node's init, which
 * no process can leave, and /proc/PID is opened once, so that what is checked is what is opened, even if the number is
 * given to another process meanwhile.
 * Owns: nothing.  Threads: single-threaded.  Privilege: CAP_SYS_PTRACE, for as long as a call lasts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/lab/attach.h"
#include "lab-internal.h"

static void close_files(struct bo_process_files *files)
{
	bo_close(&files->mem);
	bo_close(&files->exe);
	bo_close(&files->auxv);
}

static int open_proc(pid_t pid, struct bo_err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? bo_err_set(err, ESRCH, BO_SUBSYS_LAB,
						    "there is no process %d", (int)pid)
				       : bo_err_errno(err, BO_SUBSYS_LAB, "%s", path);
	return fd;
}

/* ENOENT: a process that has ended has no namespaces any more. */
static int pid_namespace(int proc, struct stat *ret, struct bo_err *err)
{
	if (fstatat(proc, "ns/pid", ret, 0) == 0)
		return 0;
	return bo_err_set(err, errno == ENOENT ? ESRCH : errno, BO_SUBSYS_LAB,
			  "its pid namespace: %s", strerrordesc_np(errno));
}

static int is_of(const struct lab_node *n, pid_t pid, int proc, struct bo_err *err)
{
	bo_auto_fd int init = open_proc(n->init_pid, err);
	struct stat its, ours;
	int rc = init < 0 ? init : pid_namespace(init, &ours, err);

	if (rc == 0)
		rc = pid_namespace(proc, &its, err);
	if (rc == 0 && (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino))
		rc = bo_err_set(err, EPERM, BO_SUBSYS_LAB, "process %d is not of node %s", (int)pid,
				n->name);
	return rc;
}

static int open_files(int proc, pid_t pid, struct bo_process_files *ret, struct bo_err *err)
{
	bo_auto_fd int mem = -1, exe = -1, auxv = -1;

	if ((mem = openat(proc, "mem", O_RDONLY | O_CLOEXEC)) < 0 ||
	    (exe = openat(proc, "exe", O_RDONLY | O_CLOEXEC)) < 0 ||
	    (auxv = openat(proc, "auxv", O_RDONLY | O_CLOEXEC)) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "process %d", (int)pid);
	*ret = (struct bo_process_files){ bo_steal_fd(&mem), bo_steal_fd(&exe),
					  bo_steal_fd(&auxv) };
	return 0;
}

static int open_of_node(const struct lab_node *n, pid_t pid, struct bo_process_files *ret,
			struct bo_err *err)
{
	bo_auto_fd int proc = open_proc(pid, err);
	int rc = proc < 0 ? proc : is_of(n, pid, proc, err);

	return rc < 0 ? rc : open_files(proc, pid, ret, err);
}

static int open_attached(const struct bo_attachment *a, pid_t pid, struct bo_process_files *ret,
			 struct bo_err *err)
{
	bo_auto_fd int proc = open_proc(pid, err);
	int rc = proc < 0 ? proc : open_files(proc, pid, ret, err);

	/* Asked after the files are open: their process is the one that was attached to if it still is there now. */
	if (rc == 0 && !bo_process_id_alive(&a->process)) {
		close_files(ret);
		rc = bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "process %d has ended", (int)pid);
	}
	return rc;
}

/** lower() - CAP_SYS_PTRACE sleeps again; what was opened is closed where that fails */
static int lower(int rc, struct bo_process_files *ret, struct bo_err *err)
{
	struct bo_err lowering = { 0 };

	if (bo_caps_effective(CAP_SYS_PTRACE, false, &lowering) < 0 && rc == 0) {
		close_files(ret);
		rc = bo_err_set(err, lowering.code, BO_SUBSYS_LAB, "%s", lowering.msg);
	}
	return rc;
}

int bo_attach_open_process(const struct bo_attachment *attachment, pid_t pid,
			   struct bo_process_files *ret, struct bo_err *err)
{
	int rc;

	if (pid <= 1 || pid != attachment->process.pid)
		return bo_err_set(err, EPERM, BO_SUBSYS_LAB, "process %d is not attached to",
				  (int)pid);
	rc = bo_caps_effective(CAP_SYS_PTRACE, true, err);
	return rc < 0 ? rc : lower(open_attached(attachment, pid, ret, err), ret, err);
}

static int running_node(struct bo_lab *lab, int node, struct lab_node **ret, struct bo_err *err)
{
	if (node <= BO_NODE_CLIENT || (size_t)node >= lab->nnodes)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "there is no node %d with processes",
				  node);
	*ret = &lab->nodes[node];
	if ((*ret)->init_pidfd < 0)
		return bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "node %s is not running",
				  (*ret)->name);
	return 0;
}

int bo_lab_open_process(struct bo_lab *lab, int node, pid_t pid, struct bo_process_files *ret,
			struct bo_err *err)
{
	struct lab_node *n = NULL;
	int rc = running_node(lab, node, &n, err);

	if (rc < 0)
		return rc;
	if (pid <= 1 || pid == n->init_pid)
		return bo_err_set(err, EPERM, BO_SUBSYS_LAB, "process %d is not of node %s",
				  (int)pid, n->name);
	rc = bo_caps_effective(CAP_SYS_PTRACE, true, err);
	if (rc < 0)
		return rc;
	return lower(open_of_node(n, pid, ret, err), ret, err);
}

/* Its init's root is the node's, and a node's processes have no right to change it (chroot(2), mount(2)).  The namespace
 * goes first: once it is held, what is mounted in it stays. */
static int open_root(const struct lab_node *n, struct bo_root_files *ret, struct bo_err *err)
{
	bo_auto_fd int proc = open_proc(n->init_pid, err), mounts = -1, root = -1;

	if (proc < 0)
		return proc;
	if ((mounts = openat(proc, "ns/mnt", O_RDONLY | O_CLOEXEC)) < 0 ||
	    (root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bo_err_set(err, errno == ENOENT ? ESRCH : errno, BO_SUBSYS_LAB,
				  "the root directory of node %s: %s", n->name,
				  strerrordesc_np(errno));
	*ret = (struct bo_root_files){ bo_steal_fd(&root), bo_steal_fd(&mounts) };
	return 0;
}

int bo_lab_open_root(struct bo_lab *lab, int node, struct bo_root_files *ret, struct bo_err *err)
{
	struct bo_err lowering = { 0 };
	struct lab_node *n = NULL;
	int rc = running_node(lab, node, &n, err);

	if (rc == 0)
		rc = bo_caps_effective(CAP_SYS_PTRACE, true, err);
	if (rc < 0)
		return rc;
	rc = open_root(n, ret, err);
	if (bo_caps_effective(CAP_SYS_PTRACE, false, &lowering) < 0 && rc == 0) {
		bo_close(&ret->root);
		bo_close(&ret->mounts);
		rc = bo_err_set(err, lowering.code, BO_SUBSYS_LAB, "%s", lowering.msg);
	}
	return rc;
}
