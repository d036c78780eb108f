/* SPDX-License-Identifier: Apache-2.0 */
/* harness/guards.c — the live state of a run, put together for slo/guard.h. */
#include "harness/guards.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "brownout/base/clock.h"
#include "brownout/slo/guard.h"

#define LOOK_EVERY_NS (100 * BO_NSEC_PER_MSEC)

struct bo_guards {
	const struct bo_plan *plan;
	struct bo_guard **guards; /* parallel to plan->guards */
	struct bo_load_live *loads;
	int64_t looked_ns; /* after t0; INT64_MIN: not yet */
	int64_t longest_ns;
};

int bo_guards_new(struct bo_guards **ret, const struct bo_plan *plan, struct bo_err *err)
{
	struct bo_guards *g = calloc(1, sizeof(*g));
	int r = 0;

	if (g) {
		g->plan = plan;
		g->looked_ns = INT64_MIN;
		g->guards = calloc(plan->guards.len + 1, sizeof(*g->guards));
		g->loads = calloc(plan->loads.len + 1, sizeof(*g->loads));
	}
	if (!g || !g->guards || !g->loads)
		r = bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (size_t i = 0; !r && i < plan->guards.len; i++) {
		r = bo_guard_parse(&g->guards[i], plan->guards.items[i].text, err);
		if (!r)
			r = bo_guard_check(g->guards[i], plan, err);
	}
	if (r) {
		bo_guards_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

static double latest(void *arg, const char *series, int node)
{
	return bo_sampler_latest(arg, series, node);
}

static void fill_loads(struct bo_guards *g, struct bo_load *const *loads)
{
	for (size_t i = 0; i < g->plan->loads.len; i++) {
		if (loads[i])
			bo_load_live(loads[i], &g->loads[i]);
		else
			g->loads[i] = (struct bo_load_live){ 0 };
	}
}

bool bo_guards_look(struct bo_guards *g, const struct bo_guards_view *view, char *buf, size_t size)
{
	struct bo_live_state now = { .t_ns = view->t_ns,
				     .phase = view->phase,
				     .loads = g->loads,
				     .nloads = view->loads ? g->plan->loads.len : 0,
				     .value = view->sampler ? latest : NULL,
				     .arg = view->sampler };

	if (g->looked_ns != INT64_MIN && view->t_ns - g->looked_ns < LOOK_EVERY_NS)
		return false;
	if (g->looked_ns != INT64_MIN && view->t_ns - g->looked_ns > g->longest_ns)
		g->longest_ns = view->t_ns - g->looked_ns;
	g->looked_ns = view->t_ns;
	if (view->loads)
		fill_loads(g, view->loads);
	for (size_t i = 0; i < g->plan->guards.len; i++)
		if (bo_guard_feed(g->guards[i], g->plan, &now, buf, size))
			return true;
	return false;
}

int64_t bo_guards_longest_ns(const struct bo_guards *g)
{
	return g->longest_ns;
}

void bo_guards_free(struct bo_guards *g)
{
	if (!g)
		return;
	for (size_t i = 0; g->guards && i < g->plan->guards.len; i++)
		bo_guard_free(g->guards[i]);
	free(g->guards);
	free(g->loads);
	free(g);
}
