/* SPDX-License-Identifier: Apache-2.0 */
/* sys/cgroup_find.c — where is each controller to be had, and may we use it?
 * v1: one mount per controller (or several on one), told by the super options in /proc/self/mountinfo.
 * v2: one mount; root works at its top, an ordinary user in the highest directory above its own group that it may
 * write to (systemd delegates user@UID.service).  Moving a process needs write access to cgroup.procs of the common
 * ancestor, which is why only directories above our own group are of use.
 * Owns: nothing.  Threads: any.  Privilege: none to look; enabling controllers needs write access. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/cgroup.h"
#include "cgroup_file.h"

static const char *const cg_names[] = { "memory", "cpu", "pids", "freezer" };
_Static_assert(sizeof(cg_names) / sizeof(cg_names[0]) == BO_CG_COUNT, "one name per controller");

const char *bo_cg_name(enum bo_cg cg)
{
	return cg >= 0 && cg < BO_CG_COUNT ? cg_names[cg] : "?";
}

struct mount {
	int version;
	char point[BO_CGROUP_PATH];
	char options[256];
};

/* proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELDS…] - TYPE SOURCE SUPER-OPTIONS */
static bool parse_mount(char *line, struct mount *ret)
{
	char *tail = strstr(line, " - ");
	char type[32], super[256], point[BO_CGROUP_PATH];

	if (!tail || sscanf(tail + 3, "%31s %*s %255s", type, super) != 2 ||
	    sscanf(line, "%*s %*s %*s %*s %511s", point) != 1)
		return false;
	if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
		return false;
	ret->version = strcmp(type, "cgroup2") == 0 ? 2 : 1;
	snprintf(ret->point, sizeof(ret->point), "%s", point);
	snprintf(ret->options, sizeof(ret->options), "%s", super);
	return true;
}

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	for (const char *at = list; *at;) {
		size_t n = strcspn(at, separators);

		if (n == len && strncmp(at, word, n) == 0)
			return true;
		at += n + strspn(at + n, separators);
	}
	return false;
}

/* The group of this process in the unified hierarchy, "/" when there is no line for it. */
static void own_v2_group(char *ret, size_t size)
{
	bo_auto_file FILE *f = fopen("/proc/self/cgroup", "re");
	char line[BO_CGROUP_PATH + 8];

	snprintf(ret, size, "/");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, size, "%s", line + 3);
	}
}

static bool usable_v2(const char *dir)
{
	char path[CGROUP_FILE_PATH];

	return access(dir, W_OK | X_OK) == 0 &&
	       access(cgroup_file_path(dir, "cgroup.procs", path), W_OK) == 0;
}

/* The highest usable directory from the mount point down to our own group. */
static bool find_v2_base(const char *point, char *ret, size_t size)
{
	char own[BO_CGROUP_PATH], dir[2 * BO_CGROUP_PATH];

	own_v2_group(own, sizeof(own));
	for (size_t at = 0; own[at]; at++) {
		size_t next = at + 1 + strcspn(own + at + 1, "/");

		/* at is at a '/': try everything before it (first of all the mount point itself) */
		snprintf(dir, sizeof(dir), "%s%.*s", point, (int)at, own);
		if (strlen(dir) < size && usable_v2(dir)) {
			snprintf(ret, size, "%s", dir);
			return true;
		}
		if (!own[next] && next > at + 1) {
			snprintf(dir, sizeof(dir), "%s%s", point, own);
			if (strlen(dir) < size && usable_v2(dir)) {
				snprintf(ret, size, "%s", dir);
				return true;
			}
		}
		at = next - 1;
	}
	return false;
}

/* Is @word one of those in the file @name of @base? */
static bool lists(const char *base, const char *name, const char *word)
{
	char text[256];

	return cgroup_file_read(base, name, text, sizeof(text)) >= 0 && has_word(text, word, " \n");
}

static void try_v2(const char *base, enum bo_cg cg, struct bo_cg_hier *hier)
{
	char enable[32];
	int rc = 0;

	/* cgroup.freeze is in every group but the root since 5.2; older kernels lack clone3(2) anyway. */
	if (cg != BO_CG_FREEZER) {
		if (!lists(base, "cgroup.controllers", cg_names[cg]))
			return;
		snprintf(enable, sizeof(enable), "+%s", cg_names[cg]);
		if (!lists(base, "cgroup.subtree_control", cg_names[cg]))
			rc = cgroup_file_write(base, "cgroup.subtree_control", enable);
	}
	if (rc < 0) {
		snprintf(hier->why_not, sizeof(hier->why_not),
			 "cgroup v2: enabling %s in %.80s: %s", cg_names[cg], base,
			 rc == -EBUSY ? "the group itself holds processes" : strerror(-rc));
		return;
	}
	hier->version = 2;
	snprintf(hier->base, sizeof(hier->base), "%s", base);
}

static void try_v1(const struct mount *m, struct bo_cgroups *cgs)
{
	for (int cg = 0; cg < BO_CG_COUNT; cg++) {
		struct bo_cg_hier *hier = &cgs->hier[cg];

		if (hier->version || !has_word(m->options, cg_names[cg], ","))
			continue;
		if (access(m->point, W_OK | X_OK) < 0) {
			snprintf(hier->why_not, sizeof(hier->why_not), "cgroup v1 %s at %.80s: %s",
				 cg_names[cg], m->point, strerror(errno));
			continue;
		}
		hier->version = 1;
		snprintf(hier->base, sizeof(hier->base), "%s", m->point);
	}
}

typedef int (*mount_fn)(const struct mount *m, void *arg);

static int each_mount(mount_fn fn, void *arg, struct bo_err *err)
{
	bo_auto_file FILE *f = fopen("/proc/self/mountinfo", "re");
	bo_auto_free char *line = NULL;
	size_t size = 0;
	struct mount m;
	int rc = 0;

	if (!f)
		return bo_err_errno(err, BO_SUBSYS_SYS, "opening /proc/self/mountinfo");
	while (rc >= 0 && getline(&line, &size, f) > 0)
		if (parse_mount(line, &m))
			rc = fn(&m, arg);
	return rc < 0 ? rc : 0;
}

struct find {
	struct bo_cgroups *cgs;
	bool v2_seen, v2_usable;
};

static int find_v2(const struct mount *m, void *arg)
{
	struct find *find = arg;
	char base[BO_CGROUP_PATH];

	if (m->version != 2 || find->v2_usable)
		return 0;
	find->v2_seen = true;
	if (!find_v2_base(m->point, base, sizeof(base)))
		return 0;
	find->v2_usable = true;
	for (int cg = 0; cg < BO_CG_COUNT; cg++)
		try_v2(base, (enum bo_cg)cg, &find->cgs->hier[cg]);
	return 0;
}

static int find_v1(const struct mount *m, void *arg)
{
	struct find *find = arg;

	if (m->version == 1)
		try_v1(m, find->cgs);
	return 0;
}

int bo_cgroups_find(struct bo_cgroups *ret, unsigned int flags, struct bo_err *err)
{
	struct bo_cgroups cgs = { 0 };
	struct find find = { .cgs = &cgs };
	int rc = 0;

	if (!(flags & BO_CGROUPS_NO_V2))
		rc = each_mount(find_v2, &find, err);
	if (rc == 0)
		rc = each_mount(find_v1, &find, err);
	if (rc < 0)
		return rc;
	for (int cg = 0; cg < BO_CG_COUNT; cg++) {
		struct bo_cg_hier *hier = &cgs.hier[cg];

		if (hier->version || hier->why_not[0])
			continue;
		if (find.v2_seen && !find.v2_usable)
			snprintf(
				hier->why_not, sizeof(hier->why_not),
				"cgroup v2: no group that uid %u may use; try: systemd-run --user --scope -p Delegate=yes …",
				geteuid());
		else
			snprintf(hier->why_not, sizeof(hier->why_not),
				 "no cgroup hierarchy offers %s", cg_names[cg]);
	}
	*ret = cgs;
	return 0;
}

struct bases {
	bo_cgroups_fn fn;
	void *arg;
};

static int visit_base(const struct mount *m, void *arg)
{
	const struct bases *bases = arg;
	char base[BO_CGROUP_PATH];

	if (m->version == 2)
		return find_v2_base(m->point, base, sizeof(base)) ? bases->fn(base, 2, bases->arg)
								  : 0;
	return access(m->point, W_OK | X_OK) == 0 ? bases->fn(m->point, 1, bases->arg) : 0;
}

int bo_cgroups_bases(bo_cgroups_fn fn, void *arg, struct bo_err *err)
{
	struct bases bases = { .fn = fn, .arg = arg };

	return each_mount(visit_base, &bases, err);
}
