/* SPDX-License-Identifier: Apache-2.0 */
/* harness/batch.h — several runs: one after the other or side by side, each a process of its own with its own lab.
 * Owns: the processes it starts.  Threads: main.
 * Privilege: as started, handed on to each run, which gives it up by itself; none is used here, and it is given up before
 * anything that a run wrote is read. */
#pragma once
#include "harness/filelist.h"

/**
 * bo_batch_run() - check every scenario, then run them, @o->repeat times each and @o->jobs at a time
 * Nothing is started when one of them is wrong.  A scenario that this machine cannot run does not keep the others from it.
 * Return: the worst exit code, in the order 2, 1, 4, 5, 3, 0
 */
int bo_batch_run(const struct bo_options *o, const struct bo_filelist *list);
/** bo_batch_worse() - the worse of two exit codes, in that order */
int bo_batch_worse(int a, int b);
