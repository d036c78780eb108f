/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/sweep.h — remove what dead runs left behind.
 * Namespaces and devices die with their last process; only cgroup directories stay.  Their name says whose they were:
 * brownout-<inode of the pid namespace>-<pid>-<start time>, so no journal is needed and a run that lives, of whatever
 * user, is never touched.
 * Owns: its report.  Threads: any.  Privilege: write access to the cgroup hierarchies. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "brownout/sys/process.h"

/** struct bo_swept - one directory of a dead owner;  @code: 0 removed (or would be), else the positive errno why not */
struct bo_swept {
	char path[512];
	size_t killed;
	int code;
};
struct bo_sweep_report {
	BO_VEC(struct bo_swept) found;
};

/** bo_sweep() - @dry_run only looks.  Return: 0 even when something could not be removed (see @ret); -errno when it could
 * not even look.  Free @ret with bo_sweep_report_done() */
BO_NODISCARD int bo_sweep(bool dry_run, struct bo_sweep_report *ret, struct bo_err *err);
void bo_sweep_report_done(struct bo_sweep_report *report);

/** bo_sweep_name() - the name of the group of @owner's run */
void bo_sweep_name(const struct bo_process_id *owner, char *buf, size_t size);
/** bo_sweep_parse() - the owner in such a name; false when it is none of ours */
bool bo_sweep_parse(const char *name, struct bo_process_id *ret);
