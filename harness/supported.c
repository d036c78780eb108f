/* SPDX-License-Identifier: Apache-2.0 */
/* harness/supported.c — what is refused here is refused by name, with exit code 5, and nothing has been started. */
#include "harness/supported.h"

#include <errno.h>
#include <unistd.h>

#include "brownout/fault/fault.h"
#include "brownout/load/load.h"
#include "harness/attach_check.h"
#include "harness/timeline.h"

/* Descriptors of the lab in this process, at most: a link has two TUN queues, two probe sockets with their timers and a
 * recording, a node its cgroup's files twice, its log, its memory, its name server's sockets and a probe's connection. */
#define FDS_PER_LINK 10
#define FDS_PER_NODE 18

static int check_fds(const struct bo_plan *plan, struct bo_err *err)
{
	struct bo_load_window windows[BO_PHASE_COUNT];
	size_t n = bo_timeline_load_windows(plan, 0, windows), bad = 0;
	size_t lab = plan->links.len * FDS_PER_LINK + plan->nodes.len * FDS_PER_NODE;
	int r = bo_load_fits(plan->loads.items, plan->loads.len, windows, n, lab, &bad, err);

	return r < 0 ? bo_err_wrap(err, "%s:%d", plan->loads.items[bad].src.file,
				   plan->loads.items[bad].src.line)
		     : 0;
}

int bo_supported(const struct bo_plan *plan, const struct bo_machine *machine, struct bo_err *err)
{
	size_t bad = 0;
	int r;

	if (bo_plan_attached(plan))
		return bo_attach_supported(plan, machine, err);
	if (plan->driver == BO_DRIVER_NETEM && !machine->netem)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"%s:%d: driver \"netem\" is not to be had here: %s; use driver \"wire\" or \"auto\"",
			plan->src.file, plan->src.line, machine->why_not_netem);
	if (plan->driver != BO_DRIVER_NETEM && !machine->tun &&
	    (plan->driver == BO_DRIVER_WIRE || !machine->netem))
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "links need TUN devices here: %s", machine->why_not_tun);
	if (access(BO_HOSTS_FILE, F_OK) < 0)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"nodes find each other through " BO_HOSTS_FILE
			", and this machine has none to put "
			"theirs over; as root: echo 127.0.0.1 localhost > " BO_HOSTS_FILE);
	bo_vec_foreach(n, &plan->nodes) {
		if (n->dns && access(BO_RESOLV_FILE, F_OK) < 0)
			return bo_err_set(
				err, ENOTSUP, BO_SUBSYS_HARNESS,
				"%s:%d: node %s: dns = true: this machine has no " BO_RESOLV_FILE
				" to put another over; as root: touch " BO_RESOLV_FILE,
				n->src.file, n->src.line, n->name);
	}
	bo_vec_foreach(n, &plan->nodes) {
		const char *what = n->memory_bytes && !machine->cgroup_memory ? "memory"
				   : n->cpus_milli && !machine->cgroup_cpu    ? "cpus"
				   : n->pids && !machine->cgroup_pids         ? "pids"
									      : NULL;

		if (what)
			return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
					  "%s:%d: node %s: this machine cannot limit %s: %s",
					  n->src.file, n->src.line, n->name, what,
					  machine->why_not_cgroup);
	}
	r = bo_fault_supported(plan, machine, &bad, err);
	if (r < 0) {
		const struct bo_fault_spec *f = &plan->faults.items[bad];

		return bo_err_wrap(err, "%s:%d: fault %s", f->src.file, f->src.line, f->id);
	}
	return check_fds(plan, err);
}
