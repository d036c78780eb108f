/* SPDX-License-Identifier: Apache-2.0 */
/* census/access.c — why the kernel does not let us look, and what would change that (ptrace(2)).
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/census.h"

#define CAP_SYS_PTRACE_BIT 19 /* linux/capability.h */

/* The value of "Key:\t…" in /proc/PID/status, in @base; @fallback when it cannot be had. */
static uint64_t status_value(const char *pid, const char *key, int base, int column,
			     uint64_t fallback)
{
	char path[64], line[256];
	bo_auto_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key))) {
			char *at = line + strlen(key), *end = at;
			uint64_t v = fallback;

			for (int i = 0; i <= column; i++, at = end)
				v = strtoull(at, &end, base);
			return v;
		}
	return fallback;
}

static int yama_scope(void)
{
	bo_auto_file FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = -1;

	if (f && fscanf(f, "%d", &scope) != 1)
		scope = -1;
	return scope;
}

void bo_census_access_probe(pid_t pid, struct bo_census_access *ret)
{
	char text[32], path[64], mine[64] = "", other[64] = "";
	struct stat st;

	snprintf(text, sizeof(text), "%d", pid);
	*ret = (struct bo_census_access){ .pid = pid, .own_uid = geteuid(), .dumpable = true };
	/* Real, effective, saved, file system: the second decides. */
	ret->target_uid = (uid_t)status_value(text, "Uid:", 10, 1, ret->own_uid);
	ret->have_cap = status_value("self", "CapEff:", 16, 0, 0) >> CAP_SYS_PTRACE_BIT & 1;
	ret->yama_scope = yama_scope();
	/* The files of a process that is not dumpable belong to root, but not their folder (proc(5)). */
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!stat(path, &st) && st.st_uid != ret->target_uid)
		ret->dumpable = false;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (readlink("/proc/self/ns/user", mine, sizeof(mine) - 1) > 0 &&
	    readlink(path, other, sizeof(other) - 1) > 0)
		ret->other_userns = strcmp(mine, other) != 0;
}

const char *bo_census_access_advice(const struct bo_census_access *a, char *buf, size_t size)
{
	if (a->have_cap)
		snprintf(
			buf, size, "CAP_SYS_PTRACE is there but does not reach it: %s",
			a->other_userns
				? "it lives in another user namespace; run the census there, or in a parent of it"
			: a->yama_scope == 3
				? "kernel.yama.ptrace_scope is 3, which forbids it until the next boot"
				: "it belongs to a parent user namespace, or a security module or seccomp refuses; "
				  "run the census outside of this container");
	else if (a->own_uid != a->target_uid)
		snprintf(
			buf, size,
			"it runs as user %u, you are user %u: become that user, or get CAP_SYS_PTRACE (sudo brownout census %d)",
			a->target_uid, a->own_uid, a->pid);
	else if (!a->dumpable)
		snprintf(
			buf, size,
			"it is not dumpable (set-uid, file capabilities or prctl(PR_SET_DUMPABLE)): CAP_SYS_PTRACE "
			"is needed (sudo brownout census %d)",
			a->pid);
	else if (a->yama_scope == 1)
		snprintf(
			buf, size,
			"kernel.yama.ptrace_scope is 1, which lets you read your own descendants only: start it from "
			"here, or sudo sysctl kernel.yama.ptrace_scope=0, or sudo brownout census %d",
			a->pid);
	else if (a->yama_scope == 2)
		snprintf(
			buf, size,
			"kernel.yama.ptrace_scope is 2: CAP_SYS_PTRACE is needed (sudo brownout census %d)",
			a->pid);
	else if (a->yama_scope == 3)
		snprintf(
			buf, size,
			"kernel.yama.ptrace_scope is 3, which forbids it to everybody until the next boot");
	else
		snprintf(
			buf, size,
			"it has capabilities or groups that you have not, or a security module or seccomp refuses: "
			"try sudo brownout census %d",
			a->pid);
	return buf;
}
