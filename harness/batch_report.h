/* SPDX-License-Identifier: Apache-2.0 */
/* harness/batch_report.h — what several runs came to: a table, one JUnit file, a JSON list.
 * Owns: the documents of the runs.  Threads: main.  Privilege: none. */
#pragma once
#include <jansson.h>

#include "harness/options.h"

/**
 * struct bo_batch_result - one run of several
 * @name: as lines of it are labelled;  @path: the scenario's file
 * @dir: its folder, "" when it made none;  @code: its exit code
 * @group: index of its scenario: runs of one group are repetitions
 * @doc: [owned by the list] run.json, or a stand-in that says why there is none
 */
struct bo_batch_result {
	const char *name;
	const char *path;
	const char *dir;
	int code;
	size_t group;
	json_t *doc;
};

/** bo_batch_load() - read run.json of each into @doc, or make a stand-in;  bo_batch_unload() frees them */
BO_NODISCARD int bo_batch_load(struct bo_batch_result *runs, size_t n, struct bo_err *err);
void bo_batch_unload(struct bo_batch_result *runs, size_t n);
/** bo_batch_print() - table of the runs on stdout, and of repetitions how often and how surely they agree; with
 * @o->json a list of the documents instead */
void bo_batch_print(const struct bo_options *o, const struct bo_batch_result *runs, size_t n);
/** bo_batch_junit() - write @path;  Return: 0 or -errno with the file's name */
BO_NODISCARD int bo_batch_junit(const char *path, const struct bo_batch_result *runs, size_t n,
				struct bo_err *err);
