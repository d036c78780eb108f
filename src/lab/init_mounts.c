/* SPDX-License-Identifier: Apache-2.0 */
/* lab/init_mounts.c — what a node sees of the file system.
 * The host's files, but: a /proc of its own, an empty /tmp and /dev/shm, /etc/hosts naming every node, and an empty
 * /etc/resolv.conf; with a name server of its own /etc/hosts names the node alone, and resolv.conf and nsswitch.conf
 * lead to that server.  The two files live unlinked in the node's own tmpfs, so no file of the host is made or changed,
 * and everything goes away with the mount namespace.
 * Owns: nothing that outlives the namespace.  Threads: single-threaded, PID 1 of the node.
 * Privilege: CAP_SYS_ADMIN in the namespace's user namespace. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/lab/dns.h"
#include "lab-internal.h"

#define NKEEP 3

/* One path below /tmp that has to stay visible once the empty /tmp covers it. */
struct keep {
	char path[PATH_MAX];
	int fd;
	bool dir;
};

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int resolve(const char *what, const char *path, char ret[PATH_MAX], struct bo_err *err)
{
	if (!realpath(path, ret))
		return bo_err_errno(err, BO_SUBSYS_LAB, "%s %.200s", what, path);
	return 0;
}

/* Get hold of @path before /tmp is covered; paths elsewhere need nothing. */
static int keep_open(const char *path, bool dir, struct keep *keep, struct bo_err *err)
{
	if (!below(path, "/tmp"))
		return 0;
	keep->fd = open(path, O_PATH | O_CLOEXEC);
	if (keep->fd < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "opening %.200s", path);
	snprintf(keep->path, sizeof(keep->path), "%s", path);
	keep->dir = dir;
	return 0;
}

static int make_mountpoint(const char *path, bool dir)
{
	char at[PATH_MAX];

	snprintf(at, sizeof(at), "%s", path);
	for (char *slash = strchr(at + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(at, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (dir)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	bo_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : 0;
}

static int keep_mount(const struct keep *keep, struct bo_err *err)
{
	char from[48];
	int rc = make_mountpoint(keep->path, keep->dir);

	if (rc < 0)
		return bo_err_set(err, -rc, BO_SUBSYS_LAB, "making a place for %.200s: %s",
				  keep->path, strerror(-rc));
	snprintf(from, sizeof(from), "/proc/self/fd/%d", keep->fd);
	/* Recursive, because a user namespace may not take a mount apart from those on top of it. */
	if (mount(from, keep->path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "keeping %.200s visible", keep->path);
	return 0;
}

/* Put a file with @text over @target.  Once bound it needs no name any more. */
static int cover_file(const char *target, const char *text, struct bo_err *err)
{
	static const char name[] = "/tmp/.cover";
	bo_auto_fd int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "writing what becomes %s", target);
	if (mount(name, target, NULL, MS_BIND, NULL) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "mounting over %s", target);
	if (unlink(name) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "unlinking %s", name);
	return 0;
}

static int mount_own(const char *type, const char *target, unsigned long flags, const char *data,
		     struct bo_err *err)
{
	if (mount(type, target, type, flags, data) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "mounting %s on %s", type, target);
	return 0;
}

/* Whatever the host asks besides (mdns4_minimal, resolve, myhostname) is not there in a lab, or would answer first. */
static int cover_files_dns(const struct bo_lab *lab, const struct lab_node *node,
			   struct bo_err *err)
{
	bo_auto_free char *hosts = lab_hosts_text(lab, node);
	int rc = hosts ? cover_file("/etc/hosts", hosts, err)
		       : bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");

	if (rc == 0)
		rc = cover_file("/etc/resolv.conf", "nameserver " BO_DNS_ADDRESS "\n", err);
	if (rc == 0 && access("/etc/nsswitch.conf", F_OK) == 0)
		rc = cover_file("/etc/nsswitch.conf",
				"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
				"networks: files\nprotocols: files\nservices: files\n",
				err);
	return rc;
}

static int cover_files(const struct bo_lab *lab, struct bo_err *err)
{
	int rc = cover_file("/etc/hosts", lab->hosts, err);

	/* Without a name server every name that is not in the lab fails at once instead of after a timeout. */
	if (rc == 0 && access("/etc/resolv.conf", F_OK) == 0)
		rc = cover_file("/etc/resolv.conf", "", err);
	return rc;
}

static int mount_proc(struct bo_err *err)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
		return 0;
	if (errno == EPERM)
		return bo_err_set(
			err, EPERM, BO_SUBSYS_LAB,
			"mounting /proc was refused: inside a container with a masked /proc run it with "
			"--security-opt systempaths=unconfined (podman: unmask=all) or --privileged");
	return bo_err_errno(err, BO_SUBSYS_LAB, "mounting /proc");
}

static int mount_tmp(const struct bo_lab *lab, const struct lab_node *node, struct keep *keeps,
		     struct bo_err *err)
{
	bool keep_all = false;
	int rc = mount_own("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777", err);

	if (rc == 0)
		rc = node->dns ? cover_files_dns(lab, node, err) : cover_files(lab, err);
	/* A scenario that lies in /tmp itself asks for all of /tmp: then it is the host's. */
	for (int i = 0; i < NKEEP; i++)
		keep_all |= keeps[i].fd >= 0 && strcmp(keeps[i].path, "/tmp") == 0;
	if (rc == 0 && keep_all)
		return umount2("/tmp", MNT_DETACH) < 0
			       ? bo_err_errno(err, BO_SUBSYS_LAB, "giving /tmp back")
			       : 0;
	for (int i = 0; rc == 0 && i < NKEEP; i++)
		if (keeps[i].fd >= 0)
			rc = keep_mount(&keeps[i], err);
	return rc;
}

static int open_keeps(const struct bo_node_start *start, struct init_paths *paths,
		      struct keep *keeps, struct bo_err *err)
{
	const char *cwd = start->cwd ? start->cwd : start->keep_dir;
	char dir[PATH_MAX];
	int rc = 0;

	/* Folders first: what lies in one that is kept needs no mount of its own. */
	if (start->keep_dir) {
		rc = resolve("the scenario's folder", start->keep_dir, dir, err);
		if (rc == 0)
			rc = keep_open(dir, true, &keeps[0], err);
	}
	if (rc == 0 && cwd) {
		rc = resolve("working directory", cwd, paths->cwd, err);
		if (rc == 0 && !(keeps[0].fd >= 0 && below(paths->cwd, keeps[0].path)))
			rc = keep_open(paths->cwd, true, &keeps[1], err);
	}
	if (rc == 0 && start->exe) {
		rc = resolve("command", start->exe, paths->exe, err);
		for (int i = 0; rc == 0 && i < 2; i++)
			if (keeps[i].fd >= 0 && below(paths->exe, keeps[i].path))
				return 0;
		if (rc == 0)
			rc = keep_open(paths->exe, false, &keeps[2], err);
	}
	return rc;
}

int lab_init_mounts(const struct bo_lab *lab, const struct lab_node *node,
		    const struct bo_node_start *start, struct init_paths *ret, struct bo_err *err)
{
	static struct keep keeps[NKEEP];
	int rc;

	for (int i = 0; i < NKEEP; i++)
		keeps[i].fd = -1;
	*ret = (struct init_paths){ .cwd = "/" };
	/* Nothing that is mounted from here on may show outside, and nothing mounted outside may cover it. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "making the mounts private");
	rc = open_keeps(start, ret, keeps, err);
	if (rc == 0)
		rc = mount_tmp(lab, node, keeps, err);
	for (int i = 0; i < NKEEP; i++)
		bo_close(&keeps[i].fd);
	/* What a service leaves in POSIX shared memory must not stay on the host. */
	if (rc == 0 && access("/dev/shm", F_OK) == 0)
		rc = mount_own("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", err);
	/* Last, because /proc/self/fd was still needed. */
	return rc < 0 ? rc : mount_proc(err);
}
