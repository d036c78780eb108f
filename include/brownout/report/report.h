/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/report/report.h — a run as files.  run.json is made from the run; everything else is rendered from
 * run.json, so `brownout report DIR` can render it again.
 * Adding a report: one file that defines a struct bo_report_kind, one line in src/report/registry.c.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"

/** struct bo_report_kind - @write renders the parsed run.json into one file */
struct bo_report_kind {
	const char *name; /* "junit" */
	const char *file; /* "junit.xml" */
	int (*write)(const json_t *run, FILE *out, struct bo_err *err);
};

/** bo_report_kinds() - the registry, ended by NULL */
const struct bo_report_kind *const *bo_report_kinds(void);

/** bo_report_json() - run.json as a document; [owned] json_decref() it */
BO_NODISCARD int bo_report_json(json_t **ret, const struct bo_run *run, struct bo_err *err);
/** bo_report_plan_json() - plan.json; [owned] */
BO_NODISCARD int bo_report_plan_json(json_t **ret, const struct bo_plan *plan, struct bo_err *err);
/**
 * bo_report_write_all() - write run.json, plan.json, scenario.lua, faults.json, series/ and every registered report
 * Each file is written beside its name and renamed, so a full disk never leaves half a report under a good name.
 * @dir_fd: the run's folder
 * Return: 0, or the first failure with the file's name; goes on with the other files either way
 */
BO_NODISCARD int bo_report_write_all(const struct bo_run *run, int dir_fd, struct bo_err *err);
/** bo_report_render() - render every registered report again from @dir_fd's run.json; only those in @names (NULL: all) */
BO_NODISCARD int bo_report_render(int dir_fd, const char *const *names, struct bo_err *err);
