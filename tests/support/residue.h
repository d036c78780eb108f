/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/residue.h — is anything of brownout left on this machine?
 * Owns: nothing.  Threads: none.  Privilege: none (sees more as root). */
#pragma once
#include <stdio.h>
#include <sys/types.h>

/**
 * residue_check() - look for processes, cgroups, devices, mounts and files of brownout's
 * @keeper: only what belongs to the run of that keeper (for tests that run beside others), or 0 for everything
 * Return: how many things were found; each is a line on @out
 */
int residue_check(pid_t keeper, FILE *out);
