/* SPDX-License-Identifier: Apache-2.0 */
/* fault/restart.c — stop a node and start it again at once: a deployment, a crash with a
 * supervisor. It runs in steps, so that nobody waits for a slow stop: signal; when the process has
 * ended (or the grace period has, then SIGKILL), start it and wait until it is ready.
 * Owns: its state.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <errno.h>
#include <stdio.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define GRACE_DEFAULT_NS (10 * BO_NSEC_PER_SEC)
#define GRACE_MAX_NS (3600 * BO_NSEC_PER_SEC)

enum stage { STAGE_NONE, STAGE_ENDING, STAGE_KILLED, STAGE_STARTED };

/** struct restart - @old_pid: who was running before;  @ended_ns: when it was seen to be gone */
struct restart {
	enum stage stage;
	int32_t old_pid;
	int64_t ended_ns;
	bool killed;
};

static const struct bo_arg_schema args[] = {
	{ .key = "signal",
	  .unit = BO_UNIT_CHOICE,
	  .choices = "term|kill",
	  .positional = true,
	  .help = "how it is stopped: SIGTERM to the main process (default) or SIGKILL to all" },
	{ .key = "grace",
	  .unit = BO_UNIT_DURATION,
	  .min = 0,
	  .max = GRACE_MAX_NS,
	  .help = "after SIGTERM, SIGKILL when it has not ended by then; default 10s" },
	{ 0 },
};

static bool by_kill(const struct bo_fault_spec *spec)
{
	return bo_fault_arg_int(spec, &bo_fault_kind_restart, "signal", 0) == 1;
}

static int64_t grace_of(const struct bo_fault_spec *spec)
{
	return bo_fault_arg_int(spec, &bo_fault_kind_restart, "grace", GRACE_DEFAULT_NS);
}

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	char grace[BO_UNIT_BUF];

	if (by_kill(spec))
		snprintf(buf, size, "%s killed and started again",
			 bo_fault_node_name(plan, spec->index));
	else
		snprintf(buf, size, "%s stopped with SIGTERM (killed after %s) and started again",
			 bo_fault_node_name(plan, spec->index),
			 bo_format_duration(grace_of(spec), grace));
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	struct restart *st = fault->state;
	struct bo_node_state state = { 0 };
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	snprintf(fault->record->driver, sizeof(fault->record->driver), "signal");
	if (r < 0)
		return r;
	if (!state.running)
		return bo_err_set(err, ESRCH, BO_SUBSYS_FAULT, "%s is not running",
				  bo_fault_node_name(fault->plan, fault->spec->index));
	st->old_pid = state.pid;
	st->stage = STAGE_ENDING;
	st->killed = by_kill(fault->spec);
	return (st->killed ? fault->hands->node_kill
			   : fault->hands->node_term)(fault->hands->self, fault->spec->index, err);
}

static int tick(struct bo_fault *fault, int64_t now_ns, struct bo_err *err)
{
	struct restart *st = fault->state;
	struct bo_node_state state = { 0 };
	int r;

	if (st->stage != STAGE_ENDING && st->stage != STAGE_KILLED)
		return 0;
	r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);
	if (r < 0)
		return r;
	if (!state.running) {
		st->ended_ns = state.since_ns ? state.since_ns : now_ns;
		/* Whatever comes of the start, it is tried once: revert tries again and reports.  And while
		 * this waits, others have their steps, and so has this one. */
		st->stage = STAGE_STARTED;
		return fault->hands->node_start(fault->hands->self, fault->spec->index, true, err);
	}
	if (st->stage == STAGE_ENDING && !st->killed &&
	    now_ns - fault->applied_mono_ns >= grace_of(fault->spec)) {
		st->stage = STAGE_KILLED;
		st->killed = true;
		return fault->hands->node_kill(fault->hands->self, fault->spec->index, err);
	}
	return 0;
}

static int confirm(struct bo_fault *fault, struct bo_err *err)
{
	const struct restart *st = fault->state;
	struct bo_fault_record *record = fault->record;
	struct bo_text achieved = bo_text_of(record->achieved, sizeof(record->achieved));
	const char *name = bo_fault_node_name(fault->plan, fault->spec->index);
	struct bo_node_state state = { 0 };
	char took[BO_UNIT_BUF];
	int r = fault->hands->node_state(fault->hands->self, fault->spec->index, &state, err);

	if (r < 0)
		return r;
	if (st->stage != STAGE_STARTED) {
		bo_text_add(&achieved, "not ended");
		bo_fault_verdict(record, BO_CONFIRM_OFF,
				 "%s (pid %d) had not ended when the fault was over", name,
				 (int)st->old_pid);
		return 0;
	}
	bo_text_add(&achieved, "pid %d ended after %s%s", (int)st->old_pid,
		    bo_format_duration(st->ended_ns - fault->applied_mono_ns, took),
		    st->killed && !by_kill(fault->spec) ? " (SIGKILL after the grace period)" : "");
	if (!state.running) {
		bo_text_add(&achieved, ", not running");
		bo_fault_verdict(record, BO_CONFIRM_OFF, "%s did not come back", name);
	} else if (state.pid == st->old_pid) {
		bo_fault_verdict(record, BO_CONFIRM_OFF, "%s still is pid %d: it was not restarted",
				 name, (int)state.pid);
	} else {
		bo_text_add(&achieved, ", now pid %d", (int)state.pid);
		bo_fault_verdict_ok(record);
	}
	return 0;
}

const struct bo_fault_kind bo_fault_kind_restart = {
	.name = "restart",
	.help = "stop the node with a signal and start it again at once",
	.target = BO_TARGET_NODE,
	.args = args,
	.state_size = sizeof(struct restart),
	.check = bo_fault_check_process,
	.apply = apply,
	.tick = tick,
	.confirm = confirm,
	.revert = bo_fault_end_and_start,
	.describe = describe,
	.claims = bo_fault_claims_process,
};
