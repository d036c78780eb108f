/* SPDX-License-Identifier: Apache-2.0 */
/* harness/override.h — what the command line changes of a scenario: phases, rates, budgets, tags.
 * Owns: the lists of the arguments.  Threads: main.  Privilege: none. */
#pragma once
#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "brownout/model/plan.h"
#include "brownout/script/script.h"

#define BO_SCENARIO_MAX_SETS 64

/**
 * struct bo_scenario_args - what the command line says about a scenario; zero-initialise, bo_scenario_args_done()
 * Strings are [borrowed: argv].
 * @verb: for messages about options: "brownout <verb>: --rate: …"
 * @seed: 0: not given
 * @overrides: options that change the plan, in order, with their values as given ({ "phase", "fault=30s" })
 */
struct bo_scenario_args {
	const char *verb;
	uint64_t seed;
	struct bo_script_set sets[BO_SCENARIO_MAX_SETS];
	size_t nsets;
	BO_VEC(struct bo_script_phase) phases;
	BO_VEC(struct bo_param) overrides;
	BO_VEC(struct bo_param) tags;
};
void bo_scenario_args_done(struct bo_scenario_args *args);

/*
 * One function per option.  Each takes the option's value and says "expected …, found …" when it is none, with -EINVAL.
 */
/** bo_scenario_args_set() - KEY=VALUE; @arg is cut in two at its '=' */
BO_NODISCARD int bo_scenario_args_set(struct bo_scenario_args *args, char *arg, struct bo_err *err);
/** bo_scenario_args_tag() - KEY=VALUE, likewise */
BO_NODISCARD int bo_scenario_args_tag(struct bo_scenario_args *args, char *arg, struct bo_err *err);
/** bo_scenario_args_seed() - a whole number from 1, decimal whatever it begins with */
BO_NODISCARD int bo_scenario_args_seed(struct bo_scenario_args *args, char *arg,
				       struct bo_err *err);
/** bo_scenario_args_phase() - PHASE=LENGTH, up to 24 h */
BO_NODISCARD int bo_scenario_args_phase(struct bo_scenario_args *args, char *arg,
					struct bo_err *err);
/** bo_scenario_args_rate() - [LOAD=]RATE; RATE is "200/s", or "x2" for twice the scenario's */
BO_NODISCARD int bo_scenario_args_rate(struct bo_scenario_args *args, char *arg,
				       struct bo_err *err);
/** bo_scenario_args_budget() - a budget as in a scenario */
BO_NODISCARD int bo_scenario_args_budget(struct bo_scenario_args *args, char *arg,
					 struct bo_err *err);
/** bo_scenario_args_keep() - remember an option that changes the run, for the command that repeats it */
BO_NODISCARD int bo_scenario_args_keep(struct bo_scenario_args *args, const char *option,
				       const char *value, struct bo_err *err);

/**
 * bo_override_apply() - put rates, budgets and tags into a plan that was loaded with the phases, and keep in it what
 * was changed, so that plan.json and the command that runs it again can name it
 * A budget replaces those of the scenario with the same subject, else it is added; its source is the command line.
 * Return: 0; -EINVAL with "brownout VERB: --OPTION: expected …, found …"
 */
BO_NODISCARD int bo_override_apply(struct bo_plan *plan, const struct bo_scenario_args *args,
				   struct bo_err *err);
