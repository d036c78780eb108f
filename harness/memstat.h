/* SPDX-License-Identifier: Apache-2.0 */
/* harness/memstat.h — one reading of a node's memory cgroup, for faults that confirm what they did.
 * Owns: nothing.  Threads: any.  Privilege: none (open descriptors). */
#pragma once
#include "brownout/lab/hands.h"
#include "brownout/probe/sampler.h"

/** bo_memstat_read() - @ret's fields are -1 where the kernel has no such counter; -ENOENT without a memory cgroup */
BO_NODISCARD int bo_memstat_read(const struct bo_cgroup_files *files, struct bo_mem_stat *ret,
				 struct bo_err *err);
