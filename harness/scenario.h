/* SPDX-License-Identifier: Apache-2.0 */
/* harness/scenario.h — a scenario's file to a plan that is known to be right, as far as that can be known without
 * starting anything.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#pragma once
#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "brownout/script/script.h"

#define BO_SCENARIO_MAX_SETS 64

/** struct bo_scenario_args - what the command line says about a scenario */
struct bo_scenario_args {
	uint64_t seed; /* 0: not given */
	struct bo_script_set sets[BO_SCENARIO_MAX_SETS];
	size_t nsets;
};

/**
 * bo_scenario_args_set() - take the argument of --set; @arg is cut in two at its '='
 * Return: 0, or -EINVAL with what was expected
 */
BO_NODISCARD int bo_scenario_args_set(struct bo_scenario_args *args, char *arg, struct bo_err *err);
/** bo_scenario_args_seed() - take the argument of --seed: a whole number from 1 */
BO_NODISCARD int bo_scenario_args_seed(struct bo_scenario_args *args, const char *arg,
				       struct bo_err *err);

/**
 * bo_scenario_load() - run the scenario at @path and check its faults and budgets
 * @ret: [out, owned] free with bo_plan_free(); untouched on failure
 * @options: [borrowed: until return] seeds, sets and limits; prelude and library folders are filled in here
 * Return: 0, or -errno with one line that begins with "FILE:LINE: "
 */
BO_NODISCARD int bo_scenario_load(struct bo_plan **ret, const char *path,
				  const struct bo_script_options *options, struct bo_err *err);

/**
 * bo_scenario_find_command() - the program that a node starts
 * A name with a '/' is relative to the scenario's folder; one without is looked for there, then in PATH.
 * @ret_exe: [out, owned] absolute path; free()
 * Return: 0; -ENOENT, -EACCES, -EISDIR, -ENOEXEC (neither ELF nor #!) with "FILE:LINE: " in front
 */
BO_NODISCARD int bo_scenario_find_command(const struct bo_plan *plan,
					  const struct bo_node_spec *node, char **ret_exe,
					  struct bo_err *err);

/** bo_scenario_resolve() - are all programs and working folders there?  As bo_scenario_find_command() */
BO_NODISCARD int bo_scenario_resolve(const struct bo_plan *plan, struct bo_err *err);

/**
 * bo_scenario_lint() - things that are allowed and probably not meant, one line each with "FILE:LINE: " in front
 * @say: called for each;  @arg: handed on
 * Return: how many
 */
size_t bo_scenario_lint(const struct bo_plan *plan, void (*say)(void *arg, const char *line),
			void *arg);
