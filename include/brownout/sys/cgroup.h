/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/cgroup.h — control groups, version 1 and 2, controller by controller (cgroups(7),
 * Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/).
 * Each controller is taken from the unified hierarchy where that offers it, else from its v1 hierarchy, else it is
 * missing with a reason; machines that mix both are common.  Freezing needs no controller on v2.
 * Enabling a controller in the subtree_control of the v2 base is left switched on: whether somebody else relies on
 * it by then cannot be known.
 * Owns: directories, by path; they outlive the process, so their removal belongs on the undo stack.
 * Threads: any.  Privilege: root, or a delegated v2 subtree. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"

enum bo_cg { BO_CG_MEMORY, BO_CG_CPU, BO_CG_PIDS, BO_CG_FREEZER, BO_CG_COUNT };
const char *bo_cg_name(enum bo_cg cg);

#define BO_CGROUP_PATH 512

/** struct bo_cg_hier - where one controller is to be had; @version 0: nowhere, @why_not says why */
struct bo_cg_hier {
	int version;
	char base[BO_CGROUP_PATH];
	char why_not[160];
};
struct bo_cgroups {
	struct bo_cg_hier hier[BO_CG_COUNT];
};

#define BO_CGROUPS_NO_V2 1u /* pretend that there is no unified hierarchy */

/** bo_cgroups_find() - look at the mounts; enables v2 controllers where that is needed and possible */
BO_NODISCARD int bo_cgroups_find(struct bo_cgroups *ret, unsigned int flags, struct bo_err *err);
/** bo_cgroups_fn - called with each place that may hold our groups;  Return: < 0 stops the walk */
typedef int (*bo_cgroups_fn)(const char *base, int version, void *arg);
/** bo_cgroups_bases() - every writable cgroup mount (and delegated v2 subtree), each once */
BO_NODISCARD int bo_cgroups_bases(bo_cgroups_fn fn, void *arg, struct bo_err *err);

/** struct bo_cgroup - one group: its directory in each controller's hierarchy, "" where there is none */
struct bo_cgroup {
	int version[BO_CG_COUNT];
	char path[BO_CG_COUNT][BO_CGROUP_PATH];
};

/** bo_cgroup_at() - name a group below the bases, or below @parent; makes nothing.  -ENAMETOOLONG */
BO_NODISCARD int bo_cgroup_at(struct bo_cgroup *ret, const struct bo_cgroups *cgs,
			      const struct bo_cgroup *parent, const char *name, struct bo_err *err);
/** bo_cgroup_make() - make its directories; @inner: it will hold groups and no processes (v2: pass controllers on) */
BO_NODISCARD int bo_cgroup_make(const struct bo_cgroup *cg, bool inner, struct bo_err *err);
/** bo_cgroup_remove() - kill what is inside, remove it and wait until that is done; gone already is fine */
BO_NODISCARD int bo_cgroup_remove(const struct bo_cgroup *cg, struct bo_err *err);
/** bo_cgroup_rmtree() - the same for one directory and everything below it; @ret_killed may be NULL */
BO_NODISCARD int bo_cgroup_rmtree(const char *path, size_t *ret_killed, struct bo_err *err);
/** bo_cgroup_kill() - SIGKILL to everything in one directory and below it, thawed so that it takes effect.
 * Return: how many processes were seen */
size_t bo_cgroup_kill(const char *path);

/** struct bo_cgroup_join - open files through which a process puts *itself* into the group; works without privilege
 * because the kernel checks who opened them */
struct bo_cgroup_join {
	int fd[BO_CG_COUNT];
	size_t n;
};
/** bo_cgroup_join_open() - @ret: [out, owned] untouched on failure;  -errno of open(2): the controller's group is gone, or not ours */
BO_NODISCARD int bo_cgroup_join_open(const struct bo_cgroup *cg, struct bo_cgroup_join *ret,
				     struct bo_err *err);
/** bo_cgroup_join() - the calling, single-threaded process enters */
BO_NODISCARD int bo_cgroup_join(const struct bo_cgroup_join *join, struct bo_err *err);
/** bo_cgroup_join_close() - one that is zeroed, or closed already, is fine */
void bo_cgroup_join_close(struct bo_cgroup_join *join);

/**
 * bo_cgroup_memory_max() - hard limit in bytes, INT64_MAX lifts it; swap is limited with it where it can be
 * Return: 0; -EBUSY: v1 cannot reclaim enough to get below it; -ENOTSUP without the controller
 */
BO_NODISCARD int bo_cgroup_memory_max(const struct bo_cgroup *cg, int64_t bytes,
				      struct bo_err *err);
/** bo_cgroup_memory_high() - v2 only (-ENOTSUP): reclaim and throttle above it; INT64_MAX lifts it */
BO_NODISCARD int bo_cgroup_memory_high(const struct bo_cgroup *cg, int64_t bytes,
				       struct bo_err *err);
/** bo_cgroup_cpu_max() - @milli: thousandths of a CPU, 1 …; a hundredth is the least that the kernel takes (1 ms of each
 * 100 ms), and what less says.  cgroup-v2.rst "cpu.max", sched-bwc.rst;  -ENOTSUP without the controller */
BO_NODISCARD int bo_cgroup_cpu_max(const struct bo_cgroup *cg, int64_t milli, struct bo_err *err);
/** bo_cgroup_pids_max() - @pids: processes and threads, 1 …;  -ENOTSUP without the controller */
BO_NODISCARD int bo_cgroup_pids_max(const struct bo_cgroup *cg, int64_t pids, struct bo_err *err);
/** bo_cgroup_freeze() - freeze or thaw, and wait until it is so; -ENOTSUP without a freezer, -ETIMEDOUT */
BO_NODISCARD int bo_cgroup_freeze(const struct bo_cgroup *cg, bool frozen, struct bo_err *err);
/** bo_cgroup_thaw_open() - v1: a descriptor to which "THAWED" can be written by a process that has nothing else left;
 * v2 (where SIGKILL reaches frozen processes) or no freezer: -1 */
int bo_cgroup_thaw_open(const struct bo_cgroup *cg);

/** struct bo_cgroup_memory_files - read-only descriptors, -1 where the kernel has none; [owned] */
struct bo_cgroup_memory_files {
	int version;
	int usage;
	int limit;
	int events;
	int failcnt;
	int high;
};
/** bo_cgroup_memory_open() - of a group without the controller all are -1, and @ret->version 0 */
void bo_cgroup_memory_open(const struct bo_cgroup *cg, struct bo_cgroup_memory_files *ret);
