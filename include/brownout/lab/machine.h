/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/machine.h — what can this machine do?  Found out by doing it, in a scratch network namespace.
 * Owns: nothing; the scratch namespace is gone on return.  Threads: single-threaded.
 * Privilege: CAP_SYS_ADMIN and CAP_NET_ADMIN. */
#pragma once
#include "brownout/base/err.h"
#include "brownout/lab/hands.h"
#include "brownout/sys/cgroup.h"

/**
 * bo_machine_probe() - fill @ret; what is missing is no error, its reason is in @ret
 * @home_netns: where to return to
 * @cgroups: from bo_cgroups_find()
 */
BO_NODISCARD int bo_machine_probe(struct bo_machine *ret, int home_netns,
				  const struct bo_cgroups *cgroups, struct bo_err *err);
