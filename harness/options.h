/* SPDX-License-Identifier: Apache-2.0 */
/* harness/options.h — the options of `brownout run`, `check` and `plan`: one table, from which each verb takes its own.
 * Adding one: a line in the table of options.c, the man page, the bash completion (tests/e2e/help.sh compares).
 * Owns: lists of what was given.  Threads: main.  Privilege: none. */
#pragma once
#include <stdio.h>

#include "harness/override.h"

enum bo_verb { BO_VERB_RUN = 1, BO_VERB_CHECK = 2, BO_VERB_PLAN = 4 };

#define BO_MAX_JOBS 64
#define BO_MAX_REPEAT 1000

/**
 * struct bo_options - zero-initialise, free with bo_options_done(); strings are [borrowed: argv]
 * @paths, @npaths: what is no option: scenario files and folders
 * @driver: AUTO when not given
 * @attach: services that run already may be touched
 * @timeout_ns: of one run, set-up included; 0 none
 * @repeat, @jobs: at least 1
 * @record: every link, as link:record() does;  @replay: folder of a run with recordings, NULL for none
 */
struct bo_options {
	enum bo_verb verb;
	struct bo_scenario_args args;
	char *const *paths;
	size_t npaths;
	enum bo_driver driver;
	const char *out;
	const char *junit;
	BO_VEC(const char *) only;
	int64_t timeout_ns;
	long jobs;
	long repeat;
	bool attach;
	bool json;
	bool stop_early;
	bool strict;
	bool plain;
	bool quiet;
	bool record;
	const char *replay;
};

/**
 * bo_options_parse() - read the command line of @verb
 * @argv: [borrowed: as long as the options], modified
 * Return: 0; -1 when --help was asked for and printed; else the exit code, after one line on stderr
 */
int bo_options_parse(struct bo_options *o, enum bo_verb verb, int argc, char **argv);
void bo_options_done(struct bo_options *o);
/** bo_options_usage() - "brownout run: TEXT; `brownout run --help` says more" on stderr;  Return: the exit code */
int bo_options_usage(const struct bo_options *o, const char *fmt, ...) BO_PRINTF(2, 3);
