/* SPDX-License-Identifier: Apache-2.0 */
/* support/residue.c — what a run may leave nowhere: processes bo-*, cgroups brownout-*, devices of a lab in the host's
 * network namespace, mounts, files in /tmp.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "support/residue.h"

#include <ctype.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/lab/sweep.h"
#include "brownout/sys/cgroup.h"

struct look {
	pid_t keeper;
	FILE *out;
	int found;
};

static void report(struct look *l, const char *what, const char *name)
{
	fprintf(l->out, "residue: %s %s\n", what, name);
	l->found++;
}

static void look_in(struct look *l, const char *dir_name, const char *what,
		    const char *const *patterns)
{
	DIR *dir = opendir(dir_name);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		for (size_t i = 0; patterns[i]; i++)
			if (fnmatch(patterns[i], e->d_name, 0) == 0)
				report(l, what, e->d_name);
	if (dir)
		closedir(dir);
}

static bool stat_of(pid_t pid, char comm[64], pid_t *ret_parent)
{
	char path[64], line[512] = "", *end;
	FILE *f;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	/* pid (comm) state ppid …; comm may hold anything, so its end is the last parenthesis */
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!end || sscanf(end, ") %*c %d", &parent) != 1)
		return false;
	*end = '\0';
	snprintf(comm, 64, "%.63s", strchr(line, '(') ? strchr(line, '(') + 1 : "");
	*ret_parent = parent;
	return true;
}

/* Somebody's run that goes on beside the tests is no residue: up from its processes there is a shell, a ctest or a
 * terminal.  What was left behind has only itself and then process 1. */
static bool belongs_to_somebody(pid_t pid)
{
	char comm[64];
	pid_t parent;

	while (pid > 1 && stat_of(pid, comm, &parent)) {
		if (strncmp(comm, "bo-", 3) != 0 && strcmp(comm, "brownout") != 0)
			return true;
		pid = parent;
	}
	return false;
}

static void look_at_processes(struct look *l)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[300], comm[64] = "";
		FILE *f;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && strncmp(comm, "bo-", 3) == 0 &&
		    !belongs_to_somebody((pid_t)atoi(e->d_name))) {
			comm[strcspn(comm, "\n")] = '\0';
			snprintf(path, sizeof(path), "%s (%s)", e->d_name, comm);
			report(l, "process", path);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static int look_at_base(const char *base, int version, void *arg)
{
	struct look *l = arg;
	DIR *dir = opendir(base);
	const struct dirent *e;

	(void)version;
	while (dir && (e = readdir(dir))) {
		struct bo_process_id owner;
		char path[1024];

		if (!bo_sweep_parse(e->d_name, &owner) || (l->keeper && owner.pid != l->keeper))
			continue;
		if (!l->keeper && belongs_to_somebody(owner.pid))
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, e->d_name);
		report(l, "cgroup", path);
	}
	if (dir)
		closedir(dir);
	return 0;
}

static void look_at_mounts(struct look *l)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "/.cover") || strstr(line, " brownout"))
			report(l, "mount", line);
	if (f)
		fclose(f);
}

int residue_check(pid_t keeper, FILE *out)
{
	static const char *const devices[] = { "l-[0-9]*",   "m-[0-9]*", "mgmt",
					       "probe-[ab]", "bo-*",     NULL };
	static const char *const files[] = { ".cover", "brownout-*", NULL };
	struct look l = { .keeper = keeper, .out = out };

	if (!keeper)
		look_at_processes(&l);
	if (bo_cgroups_bases(look_at_base, &l, NULL) < 0)
		report(&l, "cgroup", "(cannot look)");
	look_in(&l, "/sys/class/net", "device", devices);
	if (!keeper)
		look_in(&l, "/tmp", "file /tmp/", files);
	look_at_mounts(&l);
	return l.found;
}
