/* SPDX-License-Identifier: Apache-2.0 */
/* harness/early.c — requests are handed to the sequential test as they end, second by second.
 *
 * A request belongs to the phase in which it was due.  Phases begin by the plan, unless a fault takes its time to go; so
 * whether a request is still one of the running phase is known when the next one begins, and it waits until then. */
#include "harness/early.h"

#include <stdlib.h>

#include "brownout/base/clock.h"
#include "brownout/slo/sequential.h"

#define ASK_EVERY_NS BO_NSEC_PER_SEC
/* A link is probed 200 times a second, memory and processes are looked at at once. */
#define CONFIRMED_AFTER_NS (3 * BO_NSEC_PER_SEC)

struct bo_early {
	const struct bo_run *run;
	struct bo_stop *stop;
	struct bo_load_cursor *cursors; /* parallel to plan->loads */
	int64_t ask_ns;                 /* when to ask next, after t0 */
};

int bo_early_new(struct bo_early **ret, const struct bo_run *run, struct bo_err *err)
{
	struct bo_early *e = calloc(1, sizeof(*e));
	int r = 0;

	if (e) {
		e->run = run;
		e->ask_ns = ASK_EVERY_NS;
		e->cursors = calloc(run->plan->loads.len + 1, sizeof(*e->cursors));
	}
	if (!e || !e->cursors)
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	if (!r)
		r = bo_stop_new(&e->stop, run->plan, err);
	if (r) {
		bo_early_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

/* Return: false when its phase has not begun yet */
static bool phase_of(const struct bo_run *run, int64_t due_ns, enum bo_phase *ret)
{
	enum bo_phase last = BO_PHASE_COUNT;

	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		if (run->phases[i].start_ns != INT64_MIN && run->phases[i].start_ns <= due_ns)
			last = (enum bo_phase)i;
	}
	if (last == BO_PHASE_COUNT)
		return false;
	*ret = last;
	/* The one that runs: does it still, at that moment, by the plan? */
	return run->phases[last].end_ns != INT64_MIN ||
	       due_ns < bo_plan_phase_start(run->plan, last) + run->plan->phase_ns[last];
}

static bool take(void *arg, const struct bo_req *req)
{
	struct bo_early *e = arg;
	enum bo_phase phase;

	if (!phase_of(e->run, req->intended_ns, &phase))
		return false;
	bo_stop_add(e->stop, req, phase);
	return true;
}

size_t bo_early_inflight(const struct bo_early *e, struct bo_load *const *loads)
{
	size_t n = 0;

	for (size_t i = 0; i < e->run->plan->loads.len; i++) {
		struct bo_load_live live = { 0 };

		bo_load_live(loads[i], &live);
		n += live.offered - live.ended;
	}
	return n;
}

/* Kept budgets are worth a PASS only under the faults that the plan promises. */
static bool faults_were_on(const struct bo_run *run, int64_t t_ns)
{
	bo_vec_foreach(f, &run->faults) {
		if (f->applied_ns == INT64_MIN ||
		    (f->reverted_ns == INT64_MIN && t_ns - f->applied_ns < CONFIRMED_AFTER_NS))
			return false;
	}
	return true;
}

bool bo_early_look(struct bo_early *e, struct bo_load *const *loads, enum bo_phase phase,
		   int64_t t_ns, char *buf, size_t size)
{
	enum bo_seq_answer answer;

	if (t_ns < e->ask_ns)
		return false;
	e->ask_ns = (t_ns / ASK_EVERY_NS + 1) * ASK_EVERY_NS;
	for (size_t i = 0; i < e->run->plan->loads.len; i++)
		bo_load_ended(loads[i], &e->cursors[i], take, e);
	answer = bo_stop_ask(e->stop, phase, bo_early_inflight(e, loads), buf, size);
	return answer == BO_SEQ_BEYOND || (answer == BO_SEQ_WITHIN && faults_were_on(e->run, t_ns));
}

void bo_early_free(struct bo_early *e)
{
	if (!e)
		return;
	bo_stop_free(e->stop);
	free(e->cursors);
	free(e);
}
