/* SPDX-License-Identifier: Apache-2.0 */
/* lab/sweep.c — find and remove the cgroups of runs whose keeper is dead.
 * Owns: nothing.  Threads: any.  Privilege: write access to the hierarchies. */
#include "brownout/lab/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/lab/attach.h"
#include "brownout/sys/cgroup.h"

#define PREFIX "brownout-"

void bo_sweep_name(const struct bo_process_id *owner, char *buf, size_t size)
{
	snprintf(buf, size, PREFIX "%" PRIu64 "-%d-%" PRIu64, owner->pidns, owner->pid,
		 owner->start_ticks);
}

bool bo_sweep_parse(const char *name, struct bo_process_id *ret)
{
	struct bo_process_id id;
	char again[96];

	if (sscanf(name, PREFIX "%" SCNu64 "-%d-%" SCNu64, &id.pidns, &id.pid, &id.start_ticks) !=
		    3 ||
	    id.pid <= 0)
		return false;
	/* Only what would be written exactly like this is ours: no trailing text, no leading zeros or signs. */
	bo_sweep_name(&id, again, sizeof(again));
	if (strcmp(name, again) != 0)
		return false;
	*ret = id;
	return true;
}

struct sweep {
	struct bo_sweep_report report;
};

static int consider(struct sweep *sweep, const char *base, const char *name)
{
	struct bo_swept found = { 0 };
	struct bo_process_id owner;
	int n;

	if (!bo_sweep_parse(name, &owner) || bo_process_id_alive(&owner))
		return 0;
	n = snprintf(found.path, sizeof(found.path), "%s/%s", base, name);
	if (n < 0 || (size_t)n >= sizeof(found.path))
		return -ENAMETOOLONG;
	/* The same mount seen twice */
	bo_vec_foreach(old, &sweep->report.found)
		if (strcmp(old->path, found.path) == 0)
			return 0;
	return bo_vec_push(&sweep->report.found, found) ? 0 : -ENOMEM;
}

static int sweep_base(const char *base, int version, void *arg)
{
	DIR *dir = opendir(base);
	const struct dirent *e;
	int rc = 0;

	(void)version;
	while (dir && rc == 0 && (e = readdir(dir)))
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0)
			rc = consider(arg, base, e->d_name);
	if (dir)
		closedir(dir);
	return rc;
}

int bo_sweep(bool dry_run, struct bo_sweep_report *ret, struct bo_err *err)
{
	struct sweep sweep = { 0 };
	struct bo_err why = { 0 };
	int rc = bo_cgroups_bases(sweep_base, &sweep, &why);

	if (rc < 0) {
		bo_sweep_report_done(&sweep.report);
		return bo_err_set(err, -rc, BO_SUBSYS_LAB, "looking for what dead runs left: %s",
				  why.code ? why.msg : strerror(-rc));
	}
	/* All are killed before any is removed: what one hierarchy's freezer holds is busy in the others, too. */
	if (!dry_run) {
		bo_vec_foreach(s, &sweep.report.found)
			s->killed = bo_cgroup_kill(s->path);
		bo_vec_foreach(s, &sweep.report.found)
			s->code = -bo_cgroup_rmtree(s->path, NULL, NULL);
	}
	*ret = sweep.report;
	rc = bo_attach_sweep(dry_run, ret, err);
	if (rc < 0)
		bo_sweep_report_done(ret);
	return rc;
}

void bo_sweep_report_done(struct bo_sweep_report *report)
{
	bo_vec_done(&report->found);
}
