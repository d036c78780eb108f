/* SPDX-License-Identifier: Apache-2.0 */
/* fault/process.c — what the faults on processes (kill, term, restart, pause) have in common.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

int bo_fault_check_process(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			   struct bo_err *err)
{
	if (plan->nodes.items[spec->index].kind != BO_NODE_NONE)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
			  "%s: expected a node that runs a process, found '%s'", spec->kind,
			  bo_fault_node_name(plan, spec->index));
}

uint32_t bo_fault_claims_process(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	(void)plan;
	(void)spec;
	return BO_CLAIM_PROCESS;
}

int bo_fault_confirm_down(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_fault_record *record = fault->record;
	struct bo_text achieved = bo_text_of(record->achieved, sizeof(record->achieved));
	struct bo_node_state state = { 0 };
	char took[BO_UNIT_BUF];
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	if (r < 0)
		return r;
	if (state.running) {
		bo_text_add(&achieved, "still running (pid %d)", (int)state.pid);
		bo_fault_verdict(record, BO_CONFIRM_OFF, "%s did not end: pid %d is running",
				 bo_fault_node_name(fault->plan, fault->spec->index),
				 (int)state.pid);
		return 0;
	}
	if (WIFSIGNALED(state.exit_status))
		bo_text_add(&achieved, "ended by signal %d", WTERMSIG(state.exit_status));
	else
		bo_text_add(&achieved, "exited with %d", WEXITSTATUS(state.exit_status));
	if (state.since_ns >= fault->applied_mono_ns)
		bo_text_add(&achieved, " after %s",
			    bo_format_duration(state.since_ns - fault->applied_mono_ns, took));
	else if (state.since_ns)
		/* It was down before we came: the fault changed nothing. */
		bo_fault_verdict(record, BO_CONFIRM_OFF, "%s had ended before the fault",
				 bo_fault_node_name(fault->plan, fault->spec->index));
	bo_fault_verdict_ok(record);
	return 0;
}

int bo_fault_start_again(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_node_state state = { 0 };
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	if (r < 0 || state.running)
		return r;
	return fault->hands->node_start(fault->hands->self, fault->spec->index, true, err);
}

int bo_fault_end_and_start(struct bo_fault *fault, struct bo_err *err)
{
	struct bo_node_state state = { 0 };
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	/* It was told to end and has not: it may still do so at any moment, long after the fault.
	 * Only if the signal was really sent, or a failed apply would kill a healthy process. */
	if (r == 0 && state.running && fault->record->applied_ns != INT64_MIN &&
	    state.since_ns < fault->applied_mono_ns)
		r = fault->hands->node_kill(fault->hands->self, fault->spec->index, err);
	return r < 0 ? r : bo_fault_start_again(fault, err);
}
