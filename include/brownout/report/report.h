/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/report/report.h — a run as files.  run.json is made from the run; everything else is
 * rendered from run.json, so `brownout report DIR` can render it again.
 * Adding a report: one file that defines a struct bo_report_kind, one line in
 * src/report/registry.c.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "brownout/base/err.h"
#include "brownout/model/run.h"

/**
 * struct bo_report_kind - one report, rendered from the parsed run.json
 * @name: as --only takes it: "junit"
 * @file: what it is called in the run's folder ("junit.xml"); a folder when @write_into is set
 * @write: render into one file; return 0 or -errno.  A failing @out shows when it is closed: no
 * need to check
 * @write_into: [instead of @write] for a report of several files: write them below @dir_fd, each
 * through
 *              bo_report_put_file()
 * @write_run: [instead of @write] for a report of what run.json does not hold, such as each request:
 *             written with the run and never again
 */
struct bo_report_kind {
	const char *name;
	const char *file;
	int (*write)(const json_t *run, FILE *out, struct bo_err *err);
	int (*write_into)(const json_t *run, int dir_fd, struct bo_err *err);
	int (*write_run)(const struct bo_run *run, FILE *out, struct bo_err *err);
};

/** bo_report_kinds() - the registry, ended by NULL */
const struct bo_report_kind *const *bo_report_kinds(void);

/** bo_report_json() - run.json as a document; [owned] json_decref() it */
BO_NODISCARD int bo_report_json(json_t **ret, const struct bo_run *run, struct bo_err *err);
/** bo_report_plan_json() - plan.json; [owned] */
BO_NODISCARD int bo_report_plan_json(json_t **ret, const struct bo_plan *plan, struct bo_err *err);
/**
 * bo_report_write_all() - write run.json, plan.json, scenario.lua, faults.json, series/ and every
 * registered report Each file is written beside its name and renamed, so a full disk never leaves
 * half a report under a good name.
 * @dir_fd: the run's folder
 * Return: 0, or the first failure with the file's name; goes on with the other files either way
 */
BO_NODISCARD int bo_report_write_all(const struct bo_run *run, int dir_fd, struct bo_err *err);
/** bo_report_render() - render every registered report again from @dir_fd's run.json; only those in
 * @names (NULL: all) */
BO_NODISCARD int bo_report_render(int dir_fd, const char *const *names, struct bo_err *err);

/** bo_report_dump() - a document as run.json is written, with a newline; 0, or -EIO */
BO_NODISCARD int bo_report_dump(const json_t *doc, FILE *out);

/**
 * bo_report_junit_file() - one JUnit file with a test suite for each of several runs
 * @runs: documents of run.json;  @path: as bo_report_put_file() takes it, relative to the working directory
 * Runs of one scenario are numbered from the second on, since readers merge suites of one name.
 */
BO_NODISCARD int bo_report_junit_file(const char *path, const json_t *const *runs, size_t n,
				      struct bo_err *err);

/** bo_report_load() - parse @dir_fd's run.json and check its schema version; [owned] json_decref()
 * it */
BO_NODISCARD int bo_report_load(json_t **ret, int dir_fd, struct bo_err *err);

/**
 * bo_report_put_file() - write @len bytes as @name: beside it first, then renamed, so that @name is
 * whole or as before
 * @name: relative to @dir_fd, "series/orders.rss.csv"
 * Return: 0, or -errno with "cannot write <name>: <reason>"; nothing of it stays behind then
 */
BO_NODISCARD int bo_report_put_file(int dir_fd, const char *name, const char *bytes, size_t len,
				    struct bo_err *err);
