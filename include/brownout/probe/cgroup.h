/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/cgroup.h — the text of cgroup control files, v1 and v2 (Documentation/admin-guide/cgroup-v2.rst).
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"

/** bo_cgroup_parse_value() - "12345\n" or "max\n" (INT64_MAX); -EBADMSG */
BO_NODISCARD int bo_cgroup_parse_value(const char *text, int64_t *ret);
/** bo_cgroup_parse_key() - the number of @key in "key value" lines (memory.events, memory.oom_control); -ENOENT */
BO_NODISCARD int bo_cgroup_parse_key(const char *text, const char *key, int64_t *ret);
/** bo_cgroup_is_unlimited() - v2 says "max", v1 the largest number of whole pages that fits a signed long */
bool bo_cgroup_is_unlimited(int64_t limit_bytes);
