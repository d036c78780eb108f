/* SPDX-License-Identifier: Apache-2.0 */
/* harness/scenario.h — a scenario's file to a plan that is known to be right, as far as that can be known without
 * starting anything.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#pragma once
#include "brownout/base/err.h"
#include "brownout/model/plan.h"
#include "brownout/script/script.h"
#include "harness/override.h"

/**
 * bo_scenario_load() - run the scenario at @path, check its faults, budgets and guards, and apply the overrides
 * @ret: [out, owned] free with bo_plan_free(); untouched on failure
 * @args: [borrowed: until return] what the command line says, or NULL
 * @limits: [borrowed: until return] of the script, or NULL; prelude and library folders are filled in here
 * Return: 0, or -errno with one line that begins with "FILE:LINE: ", or "brownout VERB: --OPTION: "
 */
BO_NODISCARD int bo_scenario_load(struct bo_plan **ret, const char *path,
				  const struct bo_scenario_args *args,
				  const struct bo_script_options *limits, struct bo_err *err);

/**
 * bo_scenario_find_command() - the program that a node starts
 * A name with a '/' is relative to the scenario's folder; one without is looked for there, then in PATH.
 * @ret_exe: [out, owned] absolute path; free()
 * Return: 0; -ENOENT, -EACCES, -EISDIR, -ENOEXEC (neither ELF nor #!) with "FILE:LINE: " in front
 */
BO_NODISCARD int bo_scenario_find_command(const struct bo_plan *plan,
					  const struct bo_node_spec *node, char **ret_exe,
					  struct bo_err *err);

/** bo_scenario_record_all() - --record: as if each link had record() */
void bo_scenario_record_all(struct bo_plan *plan);
/** bo_scenario_choose_driver() - @asked on the command line wins over the scenario's; AUTO becomes WIRE where only that
 * can do what is asked for;  Return: -ENOTSUP when netem was named and cannot */
BO_NODISCARD int bo_scenario_choose_driver(struct bo_plan *plan, enum bo_driver asked,
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
