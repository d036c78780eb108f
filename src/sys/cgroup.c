/* SPDX-License-Identifier: Apache-2.0 */
/* sys/cgroup.c — make, join, limit, freeze and remove groups.
 * Owns: nothing.  Threads: any.  Privilege: write access to the hierarchies. */
#include "brownout/sys/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "cgroup_file.h"

#define PATIENCE_NS (5 * BO_NSEC_PER_SEC)
#define RETRY_NS (200 * BO_NSEC_PER_USEC)

/* Is this controller's directory the same as an earlier one's (v2, or cpu,cpuacct on one mount)? */
static bool repeated(const struct bo_cgroup *cg, int i)
{
	for (int j = 0; j < i; j++)
		if (strcmp(cg->path[i], cg->path[j]) == 0)
			return true;
	return false;
}

int bo_cgroup_at(struct bo_cgroup *ret, const struct bo_cgroups *cgs,
		 const struct bo_cgroup *parent, const char *name, struct bo_err *err)
{
	struct bo_cgroup cg = { 0 };

	for (int i = 0; i < BO_CG_COUNT; i++) {
		const char *base = parent ? parent->path[i] : cgs->hier[i].base;
		int n;

		cg.version[i] = parent ? parent->version[i] : cgs->hier[i].version;
		if (!cg.version[i])
			continue;
		n = snprintf(cg.path[i], sizeof(cg.path[i]), "%s/%s", base, name);
		if (n < 0 || (size_t)n >= sizeof(cg.path[i]))
			return bo_err_set(err, ENAMETOOLONG, BO_SUBSYS_SYS,
					  "cgroup name too long: %.80s", name);
	}
	*ret = cg;
	return 0;
}

int bo_cgroup_make(const struct bo_cgroup *cg, bool inner, struct bo_err *err)
{
	for (int i = 0; i < BO_CG_COUNT; i++) {
		char enable[32];
		int rc;

		if (!cg->version[i])
			continue;
		if (!repeated(cg, i) && mkdir(cg->path[i], 0755) < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "making cgroup %.200s",
					    cg->path[i]);
		if (!inner || cg->version[i] != 2 || i == BO_CG_FREEZER)
			continue;
		snprintf(enable, sizeof(enable), "+%s", bo_cg_name((enum bo_cg)i));
		rc = cgroup_file_write(cg->path[i], "cgroup.subtree_control", enable);
		if (rc < 0)
			return bo_err_set(err, -rc, BO_SUBSYS_SYS, "enabling %s in %.200s: %s",
					  enable + 1, cg->path[i], strerror(-rc));
	}
	return 0;
}

/* SIGKILL to everything inside.  Return: how many processes were seen */
static size_t kill_inside(const char *dir)
{
	char path[CGROUP_FILE_PATH];
	bo_auto_file FILE *f = fopen(cgroup_file_path(dir, "cgroup.procs", path), "re");
	size_t seen = 0;
	int pid;

	/* 0 stands for a process of a pid namespace that cannot be seen from here: only cgroup.kill reaches it. */
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (pid > 0)
			kill(pid, SIGKILL);
		seen++;
	}
	if (seen) {
		(void)cgroup_file_write(dir, "cgroup.kill", "1");
		/* On v1 a frozen process does not die before it is thawed; SIGKILL is pending, so it runs no further. */
		(void)cgroup_file_write(dir, "freezer.state", "THAWED");
	}
	return seen;
}

static int remove_one(const char *dir, size_t *killed, struct bo_err *err)
{
	int64_t deadline = bo_now_ns() + PATIENCE_NS;
	struct timespec pause = bo_ns_to_timespec(RETRY_NS);
	size_t most = 0;

	for (;;) {
		size_t seen;

		if (rmdir(dir) == 0 || errno == ENOENT)
			break;
		if (errno != EBUSY || bo_now_ns() > deadline)
			return bo_err_errno(err, BO_SUBSYS_SYS, "removing cgroup %.200s", dir);
		/* Busy: something still runs, or has ended and is not yet uncharged; there is no event for the latter. */
		seen = kill_inside(dir);
		most = seen > most ? seen : most;
		nanosleep(&pause, NULL);
	}
	*killed += most;
	return 0;
}

/* Call @fn for each directory below @path (not for @path itself) */
static int each_below(const char *path,
		      int (*fn)(const char *below, size_t *count, struct bo_err *err),
		      size_t *count, struct bo_err *err)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	int rc = 0;

	while (dir && rc == 0 && (e = readdir(dir))) {
		char below[BO_CGROUP_PATH];
		int n;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		n = snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (n > 0 && (size_t)n < sizeof(below))
			rc = fn(below, count, err);
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int kill_tree(const char *path, size_t *killed, struct bo_err *err)
{
	int rc = each_below(path, kill_tree, killed, err);

	*killed += kill_inside(path);
	return rc;
}

size_t bo_cgroup_kill(const char *path)
{
	size_t killed = 0;

	(void)!kill_tree(path, &killed, NULL);
	return killed;
}

static int remove_tree(const char *path, size_t *killed, struct bo_err *err)
{
	int rc = each_below(path, remove_tree, killed, err);

	return rc < 0 ? rc : remove_one(path, killed, err);
}

int bo_cgroup_rmtree(const char *path, size_t *ret_killed, struct bo_err *err)
{
	size_t killed = 0;
	int rc = remove_tree(path, &killed, err);

	if (ret_killed)
		*ret_killed = killed;
	return rc;
}

int bo_cgroup_remove(const struct bo_cgroup *cg, struct bo_err *err)
{
	int first = 0;

	/* Through every hierarchy before the first is removed: what is frozen by one is busy in all of them. */
	for (int i = 0; i < BO_CG_COUNT; i++)
		if (cg->version[i] && !repeated(cg, i))
			bo_cgroup_kill(cg->path[i]);
	for (int i = 0; i < BO_CG_COUNT; i++) {
		int rc;

		if (!cg->version[i] || repeated(cg, i))
			continue;
		rc = bo_cgroup_rmtree(cg->path[i], NULL, first ? NULL : err);
		first = first ? first : rc;
	}
	return first;
}

int bo_cgroup_join_open(const struct bo_cgroup *cg, struct bo_cgroup_join *ret, struct bo_err *err)
{
	struct bo_cgroup_join join = { 0 };

	for (int i = 0; i < BO_CG_COUNT; i++) {
		const char *file = cg->version[i] == 1 ? "tasks" : "cgroup.procs";
		int fd;

		if (!cg->version[i] || repeated(cg, i))
			continue;
		/* v1 "tasks" moves one thread and needs no threadgroup lock, whose RCU grace period costs
		 * tens of milliseconds; the caller has one thread.  v2 has no such file outside threaded groups. */
		fd = cgroup_file_open(cg->path[i], file, O_WRONLY);
		if (fd < 0) {
			int rc = bo_err_errno(err, BO_SUBSYS_SYS, "opening %.200s/%s", cg->path[i],
					      file);

			bo_cgroup_join_close(&join);
			return rc;
		}
		join.fd[join.n++] = fd;
	}
	*ret = join;
	return 0;
}

int bo_cgroup_join(const struct bo_cgroup_join *join, struct bo_err *err)
{
	for (size_t i = 0; i < join->n; i++)
		if (write(join->fd[i], "0", 1) < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "joining the cgroup");
	return 0;
}

void bo_cgroup_join_close(struct bo_cgroup_join *join)
{
	for (size_t i = 0; i < join->n; i++)
		close(join->fd[i]);
	join->n = 0;
}

static int no_controller(const struct bo_cgroup *cg, enum bo_cg i, struct bo_err *err)
{
	if (cg->version[i])
		return 0;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "there is no %s controller to be had here",
			  bo_cg_name(i));
}

static int put_or_err(const char *dir, const char *file, const char *text, struct bo_err *err)
{
	int rc = cgroup_file_write(dir, file, text);

	if (rc < 0)
		return bo_err_set(err, -rc, BO_SUBSYS_SYS, "writing %s to %s: %s", text, file,
				  strerror(-rc));
	return 0;
}

/* v1 keeps limit_in_bytes <= memsw.limit_in_bytes at every moment, so going up means memsw first. */
static int memory_max_v1(const char *dir, const char *text, struct bo_err *err)
{
	int rc = cgroup_file_write(dir, "memory.limit_in_bytes", text);
	int swap;

	if (rc == -EINVAL) {
		rc = cgroup_file_write(dir, "memory.memsw.limit_in_bytes", text);
		if (rc == 0)
			return put_or_err(dir, "memory.limit_in_bytes", text, err);
	}
	if (rc == -EBUSY) {
		char usage[32] = "?";

		if (cgroup_file_read(dir, "memory.usage_in_bytes", usage, sizeof(usage)) > 0)
			usage[strcspn(usage, "\n")] = '\0';
		return bo_err_set(
			err, EBUSY, BO_SUBSYS_SYS,
			"cgroup v1 cannot reclaim enough to get below %s bytes (usage now %s)",
			text, usage);
	}
	if (rc < 0)
		return bo_err_set(err, -rc, BO_SUBSYS_SYS,
				  "writing %s to memory.limit_in_bytes: %s", text, strerror(-rc));
	/* Without swap accounting there is no such file, and with swap in use it may be busy: the limit itself holds. */
	swap = cgroup_file_write(dir, "memory.memsw.limit_in_bytes", text);
	return swap == 0 || swap == -ENOENT || swap == -EBUSY
		       ? 0
		       : bo_err_set(err, -swap, BO_SUBSYS_SYS, "limiting swap to %s: %s", text,
				    strerror(-swap));
}

int bo_cgroup_memory_max(const struct bo_cgroup *cg, int64_t bytes, struct bo_err *err)
{
	const char *dir = cg->path[BO_CG_MEMORY];
	int rc = no_controller(cg, BO_CG_MEMORY, err);
	char text[32];

	if (rc < 0)
		return rc;
	if (bytes <= 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SYS, "a memory limit of %" PRId64 " bytes",
				  bytes);
	snprintf(text, sizeof(text), "%" PRId64, bytes);
	if (cg->version[BO_CG_MEMORY] == 1)
		return memory_max_v1(dir, bytes == INT64_MAX ? "-1" : text, err);
	/* Swap first: otherwise the squeeze would only push memory out to swap and nothing would be felt. */
	rc = cgroup_file_write(dir, "memory.swap.max", bytes == INT64_MAX ? "max" : "0");
	if (rc < 0 && rc != -ENOENT)
		return bo_err_set(err, -rc, BO_SUBSYS_SYS, "limiting swap: %s", strerror(-rc));
	return put_or_err(dir, "memory.max", bytes == INT64_MAX ? "max" : text, err);
}

int bo_cgroup_memory_high(const struct bo_cgroup *cg, int64_t bytes, struct bo_err *err)
{
	int rc = no_controller(cg, BO_CG_MEMORY, err);
	char text[32];

	if (rc < 0)
		return rc;
	if (cg->version[BO_CG_MEMORY] == 1)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS,
				  "memory.high needs cgroup v2; this machine's is v1");
	if (bytes <= 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SYS, "a memory limit of %" PRId64 " bytes",
				  bytes);
	snprintf(text, sizeof(text), "%" PRId64, bytes);
	return put_or_err(cg->path[BO_CG_MEMORY], "memory.high", bytes == INT64_MAX ? "max" : text,
			  err);
}

int bo_cgroup_cpu_max(const struct bo_cgroup *cg, int64_t milli, struct bo_err *err)
{
	/* The default period of 100 ms; the kernel wants a quota of at least 1 ms. */
	int64_t quota_us = milli * 100 > 1000 ? milli * 100 : 1000;
	int rc = no_controller(cg, BO_CG_CPU, err);
	char text[48];

	if (rc < 0)
		return rc;
	if (cg->version[BO_CG_CPU] == 2) {
		snprintf(text, sizeof(text), "%" PRId64 " 100000", quota_us);
		return put_or_err(cg->path[BO_CG_CPU], "cpu.max", text, err);
	}
	rc = put_or_err(cg->path[BO_CG_CPU], "cpu.cfs_period_us", "100000", err);
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%" PRId64, quota_us);
	return put_or_err(cg->path[BO_CG_CPU], "cpu.cfs_quota_us", text, err);
}

int bo_cgroup_pids_max(const struct bo_cgroup *cg, int64_t pids, struct bo_err *err)
{
	int rc = no_controller(cg, BO_CG_PIDS, err);
	char text[32];

	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%" PRId64, pids);
	return put_or_err(cg->path[BO_CG_PIDS], "pids.max", text, err);
}

/* v2: cgroup.events says "frozen 1" once every process inside has stopped, and signals the change by POLLPRI. */
static int freeze_v2(const char *dir, bool frozen, struct bo_err *err)
{
	const char *want = frozen ? "frozen 1" : "frozen 0";
	int64_t deadline = bo_now_ns() + PATIENCE_NS;
	char text[256];
	bo_auto_fd int fd = -1;
	int rc = put_or_err(dir, "cgroup.freeze", frozen ? "1" : "0", err);

	if (rc < 0)
		return rc;
	fd = cgroup_file_open(dir, "cgroup.events", O_RDONLY);
	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "opening cgroup.events");
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "reading cgroup.events");
		text[n] = '\0';
		if (strstr(text, want))
			return 0;
		if (bo_now_ns() > deadline)
			return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_SYS,
					  "cgroup.events did not come to \"%s\"", want);
		poll(&p, 1, 100);
	}
}

/* v1 passes through FREEZING and tells nobody when it is done; asking again also re-sends to newly forked tasks. */
static int freeze_v1(const char *dir, bool frozen, struct bo_err *err)
{
	const char *want = frozen ? "FROZEN" : "THAWED";
	int64_t deadline = bo_now_ns() + PATIENCE_NS;
	struct timespec pause = bo_ns_to_timespec(RETRY_NS);
	char text[32];

	for (;;) {
		int rc = put_or_err(dir, "freezer.state", want, err);

		if (rc < 0)
			return rc;
		if (cgroup_file_read(dir, "freezer.state", text, sizeof(text)) > 0 &&
		    strncmp(text, want, strlen(want)) == 0)
			return 0;
		if (bo_now_ns() > deadline)
			return bo_err_set(err, ETIMEDOUT, BO_SUBSYS_SYS,
					  "freezer.state did not come to %s", want);
		nanosleep(&pause, NULL);
	}
}

int bo_cgroup_freeze(const struct bo_cgroup *cg, bool frozen, struct bo_err *err)
{
	int rc = no_controller(cg, BO_CG_FREEZER, err);

	if (rc < 0)
		return rc;
	return cg->version[BO_CG_FREEZER] == 2 ? freeze_v2(cg->path[BO_CG_FREEZER], frozen, err)
					       : freeze_v1(cg->path[BO_CG_FREEZER], frozen, err);
}

int bo_cgroup_thaw_open(const struct bo_cgroup *cg)
{
	return cg->version[BO_CG_FREEZER] == 1
		       ? cgroup_file_open(cg->path[BO_CG_FREEZER], "freezer.state", O_WRONLY)
		       : -1;
}

void bo_cgroup_memory_open(const struct bo_cgroup *cg, struct bo_cgroup_memory_files *ret)
{
	const char *dir = cg->path[BO_CG_MEMORY];
	int version = cg->version[BO_CG_MEMORY];

	*ret = (struct bo_cgroup_memory_files){ .version = version, -1, -1, -1, -1, -1 };
	if (version == 1) {
		ret->usage = cgroup_file_open(dir, "memory.usage_in_bytes", O_RDONLY);
		ret->limit = cgroup_file_open(dir, "memory.limit_in_bytes", O_RDONLY);
		ret->events = cgroup_file_open(dir, "memory.oom_control", O_RDONLY);
		ret->failcnt = cgroup_file_open(dir, "memory.failcnt", O_RDONLY);
	} else if (version == 2) {
		ret->usage = cgroup_file_open(dir, "memory.current", O_RDONLY);
		ret->limit = cgroup_file_open(dir, "memory.max", O_RDONLY);
		ret->events = cgroup_file_open(dir, "memory.events", O_RDONLY);
		ret->high = cgroup_file_open(dir, "memory.high", O_RDONLY);
	}
}
