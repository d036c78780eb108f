/* SPDX-License-Identifier: Apache-2.0 */
/* harness/conductor.h — run one plan: lab, nodes, load, faults, samples, verdict.
 * Owns: everything of the run until it returns.  Threads: called on the main thread; starts the others.
 * Privilege: none. */
#pragma once
#include "brownout/lab/hands.h"
#include "brownout/model/run.h"
#include "harness/keeper.h"

/**
 * bo_conductor_run() - carry the plan out and judge it
 * @run: [out] from bo_run_new(); filled and judged, also when the run ended early
 * @run_dir: descriptor of the run's folder
 * Return: 0 when there is a verdict (whatever it is); -errno when not even that could be had
 */
BO_NODISCARD int bo_conductor_run(struct bo_keeper *keeper, const struct bo_machine *machine,
				  struct bo_run *run, int run_dir, struct bo_err *err);
