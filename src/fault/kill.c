/* SPDX-License-Identifier: Apache-2.0 */
/* fault/kill.c — SIGKILL to a node's whole process tree; at its end the node is started again and
 * waited for.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <stdio.h>

#include "fault-internal.h"

static const struct bo_arg_schema args[] = { { 0 } };

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	if (plan->nodes.items[spec->index].kind == BO_NODE_ATTACHED) {
		snprintf(buf, size,
			 "SIGKILL to the main process of %s, which its supervisor starts again",
			 bo_fault_node_name(plan, spec->index));
		return;
	}
	snprintf(buf, size, "SIGKILL to all processes of %s, started again at the end",
		 bo_fault_node_name(plan, spec->index));
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	snprintf(fault->record->driver, sizeof(fault->record->driver), "signal");
	return fault->hands->node_kill(fault->hands->self, fault->spec->index, err);
}

const struct bo_fault_kind bo_fault_kind_kill = {
	.name = "kill",
	.help = "SIGKILL to the whole process tree; started again at the fault's end",
	.target = BO_TARGET_NODE,
	.args = args,
	.check = bo_fault_check_process,
	.apply = apply,
	.confirm = bo_fault_confirm_down,
	.revert = bo_fault_start_again,
	.describe = describe,
	.claims = bo_fault_claims_process,
};
