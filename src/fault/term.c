/* SPDX-License-Identifier: Apache-2.0 */
/* fault/term.c — SIGTERM to a node's main process, as an orderly stop; at its end the node is
 * started again. A process that does not end makes the fault OFF: the dependency was not down.
 * (restart has a grace period.)
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <stdio.h>

#include "fault-internal.h"

static const struct bo_arg_schema args[] = { { 0 } };

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	if (plan->nodes.items[spec->index].kind == BO_NODE_ATTACHED) {
		snprintf(buf, size, "SIGTERM to %s, which its supervisor starts again",
			 bo_fault_node_name(plan, spec->index));
		return;
	}
	snprintf(buf, size, "SIGTERM to %s, started again at the end",
		 bo_fault_node_name(plan, spec->index));
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	snprintf(fault->record->driver, sizeof(fault->record->driver), "signal");
	return fault->hands->node_term(fault->hands->self, fault->spec->index, err);
}

const struct bo_fault_kind bo_fault_kind_term = {
	.name = "term",
	.help = "SIGTERM to the main process; started again at the fault's end",
	.target = BO_TARGET_NODE,
	.args = args,
	.check = bo_fault_check_process,
	.apply = apply,
	.confirm = bo_fault_confirm_down,
	.revert = bo_fault_end_and_start,
	.describe = describe,
	.claims = bo_fault_claims_process,
};
