/* SPDX-License-Identifier: Apache-2.0 */
/* fault/memory.c — squeeze a node by lowering its memory *limit*, at once or in steps.
 * Nothing is allocated to fill memory: a stressor misses its target or is itself the one that is
 * killed, a limit is exact.  What the kernel then does is recorded: usage, failed charges, reclaim
 * above memory.high, OOM kills.
 *
 *   knob = "max"   hard limit.  cgroup v2 reclaims, then kills; v1 refuses (EBUSY) what it cannot
 *                  reclaim, so a refused step is tried again until the next one, and a refused last
 *                  step is reported as not achieved.
 *   knob = "high"  v2 only: reclaim and throttle above it, never kill.
 *   knob = "auto"  v2: high first, so that the kernel has reclaimed what it can, then max.  v1:
 *                  max.
 *
 * Owns: its state.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/units.h"
#include "fault-internal.h"

#define LIMIT_MIN ((int64_t)1 << 20)
#define LIMIT_MAX ((int64_t)1 << 46)
#define STEPS_DEFAULT 10
#define OVER_MAX (24 * 3600 * BO_NSEC_PER_SEC)
#define RETRY_NS (100 * BO_NSEC_PER_MSEC)
/* Limits are rounded down to whole pages, of 64 KiB at most. */
#define PAGE_MAX 65536

enum knob { KNOB_AUTO, KNOB_MAX, KNOB_HIGH };

/**
 * struct squeeze -
 * @start_bytes: where the steps begin: the plan's limit, or usage where there is none
 * @step: next step to take, 0 … steps;  @refused: the present step was refused and is to be tried
 * again
 */
struct squeeze {
	struct bo_mem_stat before;
	int64_t start_bytes;
	int64_t target_bytes;
	int64_t wanted_bytes;
	int64_t step;
	int64_t steps;
	int64_t over_ns;
	int64_t started_ns;
	int64_t tried_ns;
	int64_t peak_bytes;
	uint64_t refusals;
	bool refused;
};

static const struct bo_arg_schema args[] = {
	{ .key = "to",
	  .unit = BO_UNIT_SIZE_OR_RATIO,
	  .required = true,
	  .positional = true,
	  .min = LIMIT_MIN,
	  .max = LIMIT_MAX,
	  .help = "the limit at the end: a size, or a share of the node's limit" },
	{ .key = "over",
	  .unit = BO_UNIT_DURATION,
	  .min = 0,
	  .max = OVER_MAX,
	  .help = "how long the way there takes; default: at once" },
	{ .key = "steps",
	  .unit = BO_UNIT_COUNT,
	  .min = 2,
	  .max = 1000,
	  .help = "how many steps that way has, the first at its start and the last at its end; default 10" },
	{ .key = "knob",
	  .unit = BO_UNIT_CHOICE,
	  .choices = "auto|max|high",
	  .help = "which limit of the kernel: max kills, high throttles, auto uses both where there are both" },
	{ 0 },
};

static int64_t arg(const struct bo_fault_spec *spec, const char *key, int64_t dflt)
{
	return bo_fault_arg_int(spec, &bo_fault_kind_memory, key, dflt);
}

static enum knob knob_of(const struct bo_fault_spec *spec)
{
	return (enum knob)arg(spec, "knob", KNOB_AUTO);
}

/** target_of() - the asked limit in bytes; a share is of the node's own limit */
static int64_t target_of(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	int64_t to = arg(spec, "to", 0);

	if (to >= 0)
		return to;
	return (int64_t)((double)plan->nodes.items[spec->index].memory_bytes *
			 ((double)-to / BO_PPM_ALL));
}

static int check(const struct bo_plan *plan, const struct bo_fault_spec *spec, struct bo_err *err)
{
	int64_t limit = plan->nodes.items[spec->index].memory_bytes;
	int64_t over_ns = arg(spec, "over", 0);
	int64_t start_ns, end_ns;
	char a[BO_UNIT_BUF], b[BO_UNIT_BUF];
	int r = bo_fault_check_process(plan, spec, err);

	if (r < 0)
		return r;
	if (arg(spec, "to", 0) < 0 && !limit)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"memory: to: a share needs a memory limit, and '%s' has none (memory = \"256MiB\")",
			bo_fault_node_name(plan, spec->index));
	if (target_of(plan, spec) < LIMIT_MIN)
		return bo_err_set(err, ERANGE, BO_SUBSYS_FAULT,
				  "memory: to: expected at least %s, found %s",
				  bo_format_size(LIMIT_MIN, a),
				  bo_format_size(target_of(plan, spec), b));
	if (limit && target_of(plan, spec) >= limit)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "memory: to: expected less than the node's limit of %s, found %s",
				  bo_format_size(limit, a),
				  bo_format_size(target_of(plan, spec), b));
	if (bo_fault_arg_given(spec, &bo_fault_kind_memory, "steps") && !over_ns)
		return bo_err_set(err, EINVAL, BO_SUBSYS_FAULT,
				  "memory: steps need a time: over = \"10s\"");
	bo_plan_fault_window(plan, spec, &start_ns, &end_ns);
	if (over_ns > 0 && over_ns >= end_ns - start_ns)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_FAULT,
			"memory: over: expected less than the %s that the fault lasts, found %s",
			bo_format_duration(end_ns - start_ns, a), bo_format_duration(over_ns, b));
	return 0;
}

static int supported(const struct bo_machine *machine, const struct bo_plan *plan,
		     const struct bo_fault_spec *spec, struct bo_err *err)
{
	(void)plan;
	if (!machine->cgroup_memory)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_FAULT,
				  "memory needs the cgroup memory controller: %s",
				  machine->why_not_cgroup[0] ? machine->why_not_cgroup
							     : "this kernel offers none");
	if (knob_of(spec) == KNOB_HIGH && !machine->memory_high)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_FAULT,
			"memory with knob = \"high\" needs cgroup v2; here memory is on v%d (knob = \"max\" works)",
			machine->cgroup_memory_version);
	return 0;
}

static void describe(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size)
{
	static const char *const knobs[] = { "", " (memory.max)", " (memory.high)" };
	struct bo_text text = bo_text_of(buf, size);
	int64_t over_ns = arg(spec, "over", 0);
	char bytes[BO_UNIT_BUF], over[BO_UNIT_BUF];

	bo_text_add(&text, "memory limit of %s down to %s%s", bo_fault_node_name(plan, spec->index),
		    bo_format_size(target_of(plan, spec), bytes), knobs[knob_of(spec)]);
	if (over_ns)
		bo_text_add(&text, " in %lld steps over %s",
			    (long long)arg(spec, "steps", STEPS_DEFAULT),
			    bo_format_duration(over_ns, over));
}

static bool uses_high(const struct bo_fault *fault)
{
	enum knob knob = knob_of(fault->spec);

	return knob == KNOB_HIGH || (knob == KNOB_AUTO && fault->hands->machine->memory_high);
}

static int set_knob(struct bo_fault *fault, enum bo_mem_knob knob, int64_t bytes,
		    struct bo_err *err)
{
	return fault->hands->memory_limit(fault->hands->self, fault->spec->index, knob, bytes, err);
}

/** squeeze_try() - set the wanted limit; a refusal (EBUSY) is remembered and is not an error */
static int squeeze_try(struct bo_fault *fault, int64_t now_ns, struct bo_err *err)
{
	struct squeeze *sq = fault->state;
	struct bo_err why = { 0 };
	int r = 0;

	sq->tried_ns = now_ns;
	if (uses_high(fault))
		r = set_knob(fault, BO_MEM_HIGH, sq->wanted_bytes, &why);
	if (r == 0 && knob_of(fault->spec) != KNOB_HIGH)
		r = set_knob(fault, BO_MEM_MAX, sq->wanted_bytes, &why);
	sq->refused = r == -EBUSY;
	if (sq->refused) {
		sq->refusals++;
		return 0;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

/** squeeze_step() - take the next step */
static int squeeze_step(struct bo_fault *fault, int64_t now_ns, struct bo_err *err)
{
	struct squeeze *sq = fault->state;

	sq->step++;
	sq->wanted_bytes =
		sq->step == sq->steps
			? sq->target_bytes
			: sq->start_bytes - (int64_t)((double)(sq->start_bytes - sq->target_bytes) *
						      (double)sq->step / (double)sq->steps);
	return squeeze_try(fault, now_ns, err);
}

static int apply(struct bo_fault *fault, struct bo_err *err)
{
	struct squeeze *sq = fault->state;
	int64_t limit = fault->plan->nodes.items[fault->spec->index].memory_bytes;
	int r = fault->hands->memory_stat(fault->hands->self, fault->spec->index, &sq->before, err);

	if (r < 0)
		return r;
	snprintf(fault->record->driver, sizeof(fault->record->driver), "cgroup v%d",
		 fault->hands->machine->cgroup_memory_version);
	sq->target_bytes = target_of(fault->plan, fault->spec);
	sq->start_bytes = limit ? limit : sq->before.usage_bytes;
	if (sq->start_bytes < sq->target_bytes)
		sq->start_bytes = sq->target_bytes;
	sq->peak_bytes = sq->before.usage_bytes;
	sq->over_ns = arg(fault->spec, "over", 0);
	sq->steps = sq->over_ns ? arg(fault->spec, "steps", STEPS_DEFAULT) : 1;
	sq->started_ns = fault->applied_mono_ns;
	return squeeze_step(fault, fault->applied_mono_ns, err);
}

static int tick(struct bo_fault *fault, int64_t now_ns, struct bo_err *err)
{
	struct squeeze *sq = fault->state;
	struct bo_mem_stat stat = { 0 };

	if (fault->hands->memory_stat(fault->hands->self, fault->spec->index, &stat, NULL) == 0 &&
	    stat.usage_bytes > sq->peak_bytes)
		sq->peak_bytes = stat.usage_bytes;
	/* Step k of N is due at k / (N - 1) of the way; after a pause, the last that is due, not
	 * all of them. */
	if (sq->step < sq->steps) {
		int64_t due = (int64_t)((double)(now_ns - sq->started_ns) / (double)sq->over_ns *
					(double)(sq->steps - 1)) +
			      1;

		if (due > sq->steps)
			due = sq->steps;
		if (sq->step < due) {
			sq->step = due - 1;
			return squeeze_step(fault, now_ns, err);
		}
	}
	if (sq->refused && now_ns - sq->tried_ns >= RETRY_NS)
		return squeeze_try(fault, now_ns, err);
	return 0;
}

/** add_counter() - "; OOM kills +2", for counters that the kernel has and that moved */
static void add_counter(struct bo_text *text, const char *name, int64_t before, int64_t after)
{
	if (before >= 0 && after > before)
		bo_text_add(text, ", %s +%lld", name, (long long)(after - before));
}

static int confirm(struct bo_fault *fault, struct bo_err *err)
{
	const struct squeeze *sq = fault->state;
	struct bo_fault_record *record = fault->record;
	struct bo_text achieved = bo_text_of(record->achieved, sizeof(record->achieved));
	bool high = knob_of(fault->spec) == KNOB_HIGH;
	char limit[BO_UNIT_BUF], usage[BO_UNIT_BUF], peak[BO_UNIT_BUF], target[BO_UNIT_BUF];
	struct bo_mem_stat now = { 0 };
	int64_t found;
	int r = fault->hands->memory_stat(fault->hands->self, fault->spec->index, &now, err);

	if (r < 0)
		return r;
	found = high ? now.high_bytes : now.limit_bytes;
	bo_text_add(&achieved, "%s %s, usage %s (peak %s)", high ? "memory.high" : "limit",
		    found == INT64_MAX ? "none" : bo_format_size(found, limit),
		    bo_format_size(now.usage_bytes, usage), bo_format_size(sq->peak_bytes, peak));
	add_counter(&achieved, "failed charges", sq->before.failcnt, now.failcnt);
	add_counter(&achieved, "high events", sq->before.high_events, now.high_events);
	add_counter(&achieved, "OOM kills", sq->before.oom_kills, now.oom_kills);
	if (sq->refusals)
		bo_text_add(&achieved, ", refused %llu times", (unsigned long long)sq->refusals);

	bo_format_size(sq->target_bytes, target);
	if (found <= 0 && high)
		bo_fault_verdict(record, BO_CONFIRM_UNKNOWN, "memory.high could not be read back");
	else if (found > sq->target_bytes || found <= sq->target_bytes - PAGE_MAX)
		bo_fault_verdict(
			record, BO_CONFIRM_OFF, "the limit is %s, expected %s%s",
			found == INT64_MAX ? "none" : bo_format_size(found, limit), target,
			sq->refused ? ": the kernel refused it (EBUSY), usage cannot be reclaimed"
				    : "");
	else if (!high && now.usage_bytes > found)
		bo_fault_verdict(record, BO_CONFIRM_OFF, "usage of %s is above the limit of %s",
				 usage, target);
	else
		bo_fault_verdict_ok(record);
	return 0;
}

static int revert(struct bo_fault *fault, struct bo_err *err)
{
	int64_t limit = fault->plan->nodes.items[fault->spec->index].memory_bytes;
	int first = 0;
	int r;

	/* The hard limit first: it is the one that kills. */
	if (knob_of(fault->spec) != KNOB_HIGH)
		first = set_knob(fault, BO_MEM_MAX, limit ? limit : INT64_MAX, err);
	if (!uses_high(fault))
		return first;
	r = set_knob(fault, BO_MEM_HIGH, INT64_MAX, first < 0 ? NULL : err);
	return first < 0 ? first : r;
}

static uint32_t claims(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	(void)plan;
	(void)spec;
	return BO_CLAIM_MEMORY;
}

const struct bo_fault_kind bo_fault_kind_memory = {
	.name = "memory",
	.help = "lower the memory limit, at once or in steps",
	.target = BO_TARGET_NODE,
	.args = args,
	.state_size = sizeof(struct squeeze),
	.check = check,
	.supported = supported,
	.apply = apply,
	.tick = tick,
	.confirm = confirm,
	.revert = revert,
	.describe = describe,
	.claims = claims,
};
