/* SPDX-License-Identifier: Apache-2.0 */
/* probe/registry.c — the list of probes.  Those that count goroutines are tried in this order.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "probe-internal.h"

const struct bo_probe_kind *const *bo_probe_kinds(void)
{
	static const struct bo_probe_kind *const kinds[] = {
		&bo_probe_pprof, &bo_probe_expvar, &bo_probe_proc, &bo_probe_cgroup, NULL,
	};

	return kinds;
}
