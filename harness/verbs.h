/* SPDX-License-Identifier: Apache-2.0 */
/* harness/verbs.h — the program's verbs; one cmd_<verb>.c each, one line in main.c's table.
 * Each takes argv with the verb as argv[0] and returns the program's exit code.
 * Owns: nothing.  Threads: main.  Privilege: as started; only run, doctor and sweep use it. */
#pragma once

/** Exit codes, as in docs/architecture.md; a verdict's are bo_outcome_exit() */
#define BO_EXIT_OK 0
#define BO_EXIT_USAGE 2
#define BO_EXIT_INCONCLUSIVE 3
#define BO_EXIT_CANNOT 5

int cmd_census(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
