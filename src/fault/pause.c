/* SPDX-License-Identifier: Apache-2.0 */
/* fault/pause.c — freeze a node's whole process tree: connections stay open and nothing answers.
 * The freezer stops the tree at once and without a signal that the process could see; where there is none the keeper
 * sends SIGSTOP to every process of the tree and waits until all of them have stopped.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <errno.h>
#include <stdio.h>

#include "fault-internal.h"

static const struct bo_arg_schema args[] = { { 0 } };

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	snprintf(buf, size,
		 plan->nodes.items[spec->index].kind == BO_NODE_ATTACHED
			 ? "the main process of %s stopped"
			 : "all processes of %s frozen",
		 bo_fault_node_name(plan, spec->index));
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	snprintf(fault->record->driver, sizeof(fault->record->driver), "%s",
		 fault->hands->machine->cgroup_freezer ? "cgroup freezer" : "SIGSTOP");
	return fault->hands->node_pause(fault->hands->self, fault->spec->index, err);
}

static int confirm(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_fault_record *record = fault->record;
	struct bo_node_state state = { 0 };
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	if (r < 0)
		return r;
	snprintf(record->achieved, sizeof(record->achieved), "%s",
		 !state.running ? "not running" : (state.paused ? "frozen" : "running"));
	if (state.running && state.paused)
		bo_fault_verdict_ok(record);
	else
		bo_fault_verdict(record, BO_CONFIRM_OFF, "%s is %s, expected frozen",
				 bo_fault_node_name(fault->plan, fault->spec->index),
				 record->achieved);
	return 0;
}

static int revert(struct bo_fault *fault, struct bo_err *err)
{
	return fault->hands->node_resume(fault->hands->self, fault->spec->index, err);
}

const struct bo_fault_kind bo_fault_kind_pause = {
	.name = "pause",
	.help = "freeze the whole process tree: connections stay open, nothing answers",
	.target = BO_TARGET_NODE,
	.args = args,
	.check = bo_fault_check_process,
	.apply = apply,
	.confirm = confirm,
	.revert = revert,
	.describe = describe,
	.claims = bo_fault_claims_process,
};
