/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_target.c — from a pid, a namespace file or a container's id or name to descriptors.
 * /proc/PID is read after the pidfd has been opened, and the process must then still be there: what is found is of that
 * process, even if its number is given to another one later.
 * Owns: nothing.  Threads: single-threaded.  Privilege: CAP_SYS_PTRACE, for the namespaces of other users' processes. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

#define CONTAINER_ID_MIN 12
#define ENGINE_TIMEOUT_NS (5 * BO_NSEC_PER_SEC)
#define NSFS_MAGIC_NUMBER 0x6e736673 /* linux/magic.h: NSFS_MAGIC */

static bool is_ours(const char *token, const char *id)
{
	size_t len = strlen(id), hex;

	/* A whole hexadecimal word that begins with the id: docker-<id>.scope, crio-<id>.scope, /docker/<id> */
	for (const char *at = token; (at = strstr(at, id)); at++) {
		hex = strspn(at, "0123456789abcdef");
		if (hex >= len && (at == token || !isxdigit((unsigned char)at[-1])))
			return true;
	}
	return false;
}

static bool read_small(const char *path, char *buf, size_t size)
{
	bo_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/** inner_pid() - the process's number in its innermost pid namespace, 0 when it cannot be known */
static int inner_pid(const char *proc, const char *pid)
{
	char path[128], buf[4096];
	const char *line, *last;

	snprintf(path, sizeof(path), "%.60s/%.20s/status", proc, pid);
	if (!read_small(path, buf, sizeof(buf)) || !(line = strstr(buf, "\nNSpid:")))
		return 0;
	line += strlen("\nNSpid:");
	last = line;
	for (const char *at = line; *at && *at != '\n'; at++)
		if ((*at == '\t' || *at == ' ') && isdigit((unsigned char)at[1]))
			last = at + 1;
	return atoi(last);
}

static bool is_id(const char *id)
{
	size_t len = strlen(id);

	return len >= CONTAINER_ID_MIN && strspn(id, "0123456789abcdef") == len;
}

int bo_attach_container_pid(const char *proc, const char *id, pid_t *ret, struct bo_err *err)
{
	DIR *dir = NULL;
	const struct dirent *e;
	pid_t best = 0;

	if (!is_id(id))
		return bo_err_set(err, ENOENT, BO_SUBSYS_LAB,
				  "container: \"%.60s\" is no id, nor %d digits of one", id,
				  CONTAINER_ID_MIN);
	if (!(dir = opendir(proc)))
		return bo_err_errno(err, BO_SUBSYS_LAB, "%s", proc);
	while ((e = readdir(dir))) {
		char path[128], groups[8192];
		pid_t pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;

		snprintf(path, sizeof(path), "%.60s/%.20s/cgroup", proc, e->d_name);
		if (!pid || !read_small(path, groups, sizeof(groups)) || !is_ours(groups, id))
			continue;
		/* Its process 1; where it shares the host's pid namespace, the oldest will do. */
		if (inner_pid(proc, e->d_name) == 1) {
			best = pid;
			break;
		}
		if (!best || pid < best)
			best = pid;
	}
	closedir(dir);
	if (!best)
		return bo_err_set(err, ESRCH, BO_SUBSYS_LAB,
				  "container: no process is in a cgroup of container \"%.60s\"",
				  id);
	*ret = best;
	return 0;
}

static int open_netns(const char *path, struct bo_attach_target *t, struct bo_err *err)
{
	struct statfs fs;
	struct stat st;

	/* The journal has a line for it. */
	if (strchr(path, '\n'))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "network namespace: a path with a line break");
	t->netns = open(path, O_RDONLY | O_CLOEXEC);
	if (t->netns < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "network namespace %s", path);
	if (fstatfs(t->netns, &fs) < 0 || fs.f_type != NSFS_MAGIC_NUMBER ||
	    fstat(t->netns, &st) < 0)
		return bo_err_set(
			err, ENOENT, BO_SUBSYS_LAB,
			"%s: expected a network namespace, as in /run/netns/orders, found "
			"another kind of file",
			path);
	t->netns_dev = st.st_dev;
	t->netns_ino = st.st_ino;
	return 0;
}

static int open_process(pid_t pid, struct bo_attach_target *t, struct bo_err *err)
{
	struct pollfd p = { .events = POLLIN };
	char path[64];
	int rc = bo_pidfd_open(pid, &t->pidfd, err);

	if (rc < 0)
		return bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "there is no process %d", (int)pid);
	rc = bo_process_id_of(pid, &t->process, NULL, err);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (rc == 0)
		rc = open_netns(path, t, err);
	p.fd = t->pidfd;
	if (rc == 0 && poll(&p, 1, 0) != 0)
		rc = bo_err_set(err, ESRCH, BO_SUBSYS_LAB, "process %d has just ended", (int)pid);
	return rc;
}

int bo_attach_find(const struct bo_attach_spec *spec, struct bo_attach_target *ret,
		   struct bo_err *err)
{
	struct bo_attach_target t = { .netns = -1, .pidfd = -1 };
	pid_t pid = spec->pid;
	int rc = 0;

	/* What looks like an id may be a name still. */
	if (spec->container[0])
		rc = bo_attach_container_pid("/proc", spec->container, &pid, err);
	if (rc == -ESRCH || rc == -ENOENT)
		rc = bo_attach_runtime_pid(spec->container, ENGINE_TIMEOUT_NS, &pid, err);
	if (rc == 0)
		rc = spec->netns[0] ? open_netns(spec->netns, &t, err) : open_process(pid, &t, err);
	if (rc < 0) {
		bo_attach_target_done(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void bo_attach_target_done(struct bo_attach_target *target)
{
	bo_close(&target->netns);
	bo_close(&target->pidfd);
}
