/* SPDX-License-Identifier: Apache-2.0 */
/* harness/run_one.h — one run: from a scenario's file to a run folder and an exit code.
 * Owns: everything of the run until it returns.  Threads: main, before there is any other.
 * Privilege: as started; given up for good before anything of the scenario is read. */
#pragma once
#include <stdio.h>
#include <sys/types.h>

#include "harness/options.h"

/**
 * struct bo_run_request -
 * @o: [borrowed: during the call];  @path: the scenario
 * @label: in front of every line, for one of several runs; NULL for the only one
 * @repetition: from 0; is added to the seed
 * @check_only: stop where the first thing would be started
 * @parent: for one of several runs: end as Ctrl-C would, when this process is gone; 0 for the only one
 * @out: where the verdict is printed
 */
struct bo_run_request {
	const struct bo_options *o;
	const char *path;
	const char *label;
	long repetition;
	bool check_only;
	pid_t parent;
	FILE *out;
};

/**
 * bo_run_one() - carry it out
 * @dir: [out] the run's folder, "" when none was made
 * Return: the exit code; what went wrong has been said on stderr
 */
int bo_run_one(const struct bo_run_request *req, char *dir, size_t size);
