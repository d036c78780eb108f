/* SPDX-License-Identifier: Apache-2.0 */
/* slo/check.c — does a comparison make sense: as such (shape), and for a given plan.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/nearest.h"
#include "brownout/base/vec.h"
#include "check.h"
#include "metric.h"
#include "request.h"
#include "scope.h"
#include "select.h"
#include "syntax.h"

/* ---- without a plan ---- */

static int shape_scope(const struct slo_cmp *cmp, struct bo_err *err)
{
	unsigned flags = cmp->metric->flags;
	const char *name = cmp->metric_text;

	if (cmp->to == BO_PHASE_COUNT)
		return 0;
	if (!(flags & SLO_M_PHASES) && !(flags & SLO_M_AT))
		return slo_err_at(err, cmp->scope_col,
				  "%s is about the whole run; it takes no phase", name);
	if (cmp->at && !(flags & SLO_M_AT))
		return slo_err_at(err, cmp->scope_col,
				  "'at' wants a sampled value; write '%s … in %s'", name,
				  bo_phase_name(cmp->to));
	if (!cmp->at && !(flags & SLO_M_PHASES))
		return slo_err_at(err, cmp->scope_col, "%s is told at an instant; write 'at %s'",
				  name, bo_phase_name(cmp->to));
	if (cmp->from == BO_PHASE_WARMUP && !cmp->at)
		return slo_err_at(err, cmp->scope_col, "warmup is never judged");
	if (cmp->at && cmp->to == BO_PHASE_WARMUP)
		return slo_err_at(err, cmp->scope_col, "warmup is never judged");
	if (cmp->from > cmp->to)
		return slo_err_at(err, cmp->scope_col, "phase '%s' comes after '%s'",
				  bo_phase_name(cmp->from), bo_phase_name(cmp->to));
	if (cmp->metric->scope == SLO_SCOPE_DRAINED && cmp->to != BO_PHASE_HOLD &&
	    cmp->to != BO_PHASE_SETTLE)
		return slo_err_at(err, cmp->scope_col,
				  "%s is told when load has ended; write 'at hold' or 'at settle'",
				  name);
	if ((flags & SLO_M_REQUESTS) && slo_cmp_phases(cmp) == 0)
		return slo_err_at(err, cmp->scope_col,
				  "no load runs in phase '%s', so %s has nothing to judge there",
				  bo_phase_name(cmp->from), name);
	return 0;
}

static int shape_limit(const struct slo_cmp *cmp, struct bo_err *err)
{
	unsigned flags = cmp->metric->flags;
	const char *name = cmp->metric_text;
	bool relative = slo_limit_of_base(cmp);
	bool timeout = !relative && cmp->limit_kind >= SLO_LIMIT_TIMES_TIMEOUT;

	if (timeout && cmp->metric->unit != SLO_UNIT_DURATION)
		return slo_err_at(err, cmp->limit_col,
				  "%s is no time, so it cannot be compared with the timeout", name);
	if (relative && !(flags & SLO_M_BASE))
		return slo_err_at(err, cmp->limit_col, "%s cannot be compared with base", name);
	if (relative && slo_cmp_phases(cmp) == SLO_PHASE_BIT(BO_PHASE_BASE))
		return slo_err_at(err, cmp->limit_col,
				  "base is compared with itself; name a later phase");
	if (cmp->limit_kind == SLO_LIMIT_OF_LIMIT && !(flags & SLO_M_OF_LIMIT))
		return slo_err_at(err, cmp->limit_col,
				  "'of limit' is for memory.usage, memory.peak, rss and heap.live");
	if ((flags & SLO_M_REQUESTS) && (flags & SLO_M_NEEDS_BASE) &&
	    (slo_cmp_phases(cmp) & SLO_PHASE_BIT(BO_PHASE_BASE)))
		return slo_err_at(err, cmp->scope_col,
				  "base is compared with itself; name a later phase");
	if (cmp->limit_kind == SLO_LIMIT_ABSOLUTE && cmp->metric->unit == SLO_UNIT_RATIO &&
	    (flags & SLO_M_REQUESTS) && !(flags & SLO_M_NEEDS_BASE) &&
	    (cmp->limit < 0 || cmp->limit > 1))
		return slo_err_at(err, cmp->limit_col, "%s is between 0%% and 100%%, not '%s'",
				  name, cmp->limit_text);
	if (cmp->limit < 0 &&
	    (cmp->metric->unit == SLO_UNIT_DURATION || cmp->metric->unit == SLO_UNIT_SIZE))
		return slo_err_at(err, cmp->limit_col, "a limit of '%s' is below 0",
				  cmp->limit_text);
	if (cmp->op != SLO_EQ || (flags & SLO_M_EQUAL))
		return 0;
	if ((flags & SLO_M_ALL_OR_NONE) && cmp->limit_kind == SLO_LIMIT_ABSOLUTE &&
	    (cmp->limit == 0 || cmp->limit == 1))
		return 0;
	if (flags & SLO_M_ALL_OR_NONE)
		return slo_err_at(err, cmp->op_col,
				  "'==' is for %s of 0%% and 100%%; use <= or >=", name);
	return slo_err_at(err, cmp->op_col, "'==' makes no sense for %s; use <= or >=", name);
}

static int shape_select(const struct slo_cmp *cmp, struct bo_err *err)
{
	unsigned flags = cmp->metric->flags;
	const char *name = cmp->metric_text;

	if (!cmp->select && (flags & SLO_M_SELECTED))
		return slo_err_at(err, cmp->metric_col,
				  "%s wants to know of which: %s{site=\"…\"}, {state=…} …", name,
				  name);
	if (!cmp->select)
		return 0;
	if (!(flags & SLO_M_GROUPS))
		return slo_err_at(err, cmp->selector_col,
				  "%s has no {%s=…}; that selects goroutines", name,
				  slo_select_first_key(cmp->select));
	if ((flags & SLO_M_SNAPSHOTS) && (cmp->select->older_text || cmp->select->stuck_text))
		return slo_err_at(err, cmp->selector_col,
				  "%s finds out itself who is stuck; it has no {%s=…}", name,
				  cmp->select->older_text ? "older" : "stuck");
	return 0;
}

static int shape_sustained(const struct slo_cmp *cmp, struct bo_err *err)
{
	const char *name = cmp->metric_text;

	if (!cmp->sustained_ns)
		return 0;
	if (!(cmp->metric->flags & SLO_M_WINDOWS) || cmp->at)
		return slo_err_at(err, cmp->sustained_col, "%s%s cannot be judged over time", name,
				  cmp->at ? " at an instant" : "");
	if (cmp->window_ns)
		return slo_err_at(err, cmp->sustained_col,
				  "'for … windows' and 'sustained for' exclude each other");
	if (cmp->op == SLO_EQ)
		return slo_err_at(err, cmp->sustained_col,
				  "'sustained for' wants <= < >= or >, not '=='");
	return 0;
}

int slo_check_shape(const struct slo_cmp *cmp, struct bo_err *err)
{
	unsigned flags = cmp->metric->flags;
	const char *name = cmp->metric_text;
	int r;

	if (cmp->node && !(flags & SLO_M_NODE))
		return slo_err_at(err, cmp->selector_col, "%s has no {node=…}", name);
	if (cmp->load && !(flags & (SLO_M_REQUESTS | SLO_M_SUBSET)))
		return slo_err_at(err, cmp->selector_col, "%s has no {load=…}", name);
	if (cmp->route && !(flags & (SLO_M_REQUESTS | SLO_M_SUBSET)))
		return slo_err_at(err, cmp->selector_col, "%s has no {route=…}", name);
	if (cmp->fault && !(flags & SLO_M_FAULT))
		return slo_err_at(err, cmp->selector_col,
				  "%s has no {fault=…}; that is for recovery and detect", name);
	if (cmp->cls && !(flags & SLO_M_CLASS))
		return slo_err_at(err, cmp->selector_col, "%s has no {class=…}", name);
	r = shape_select(cmp, err);
	if (r < 0)
		return r;
	if (cmp->cls) {
		bool known = false;
		char hint[80];

		for (const char *const *w = slo_class_names(); *w; w++)
			known |= strcmp(*w, cmp->cls) == 0;
		if (!known)
			return slo_err_at(err, cmp->selector_col, "unknown class '%s'%s", cmp->cls,
					  bo_nearest_hint(cmp->cls, slo_class_names(), hint,
							  sizeof(hint)));
	}
	r = shape_scope(cmp, err);
	if (r == 0)
		r = shape_limit(cmp, err);
	if (r < 0)
		return r;
	if (cmp->over_ns && !(flags & SLO_M_OVER))
		return slo_err_at(err, cmp->over_col,
				  "'over' is for goroutines.growth, goroutines.slope and "
				  "goroutines.created");
	if (cmp->window_ns && (!(flags & SLO_M_WINDOWS) || cmp->at))
		return slo_err_at(err, cmp->window_col, "%s%s cannot be judged in windows", name,
				  cmp->at ? " at an instant" : "");
	return shape_sustained(cmp, err);
}

bool slo_needs_census(const struct slo_cmp *cmp)
{
	return cmp->select || (cmp->metric->flags & (SLO_M_SNAPSHOTS | SLO_M_RUNTIME));
}

/* ---- against a plan ---- */

int slo_check_timeout(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	if (cmp->limit_kind >= SLO_LIMIT_TIMES_TIMEOUT && plan->timeout_ns <= 0)
		return slo_err_at(err, cmp->limit_col,
				  "the scenario declares no timeout; say timeout = \"1s\" in "
				  "bo.scenario, or write the limit as a time");
	return 0;
}

static int check_phases(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	unsigned flags = cmp->metric->flags, phases = slo_cmp_phases(cmp);
	bool relative = slo_limit_of_base(cmp);
	int64_t total = 0, longest = 0;

	if (cmp->to != BO_PHASE_COUNT) {
		const enum bo_phase ends[] = { cmp->from, cmp->to };

		for (int i = 0; i < 2; i++) {
			if (plan->phase_ns[ends[i]] <= 0)
				return slo_err_at(
					err, cmp->scope_col,
					"phase '%s' does not happen in this scenario (it lasts 0s)",
					bo_phase_name(ends[i]));
		}
	}
	for (int i = 0; i < BO_PHASE_COUNT; i++) {
		if (!(phases & SLO_PHASE_BIT(i)))
			continue;
		total += plan->phase_ns[i];
		longest = plan->phase_ns[i] > longest ? plan->phase_ns[i] : longest;
	}
	if (total <= 0)
		return slo_err_at(err, cmp->metric_col,
				  "none of the phases that %s is judged in happens",
				  cmp->metric_text);
	if ((relative || (flags & SLO_M_NEEDS_BASE)) && plan->phase_ns[BO_PHASE_BASE] <= 0)
		return slo_err_at(err, cmp->metric_col,
				  "%s is compared with base, but phase 'base' lasts 0s",
				  cmp->metric_text);
	if (cmp->window_ns > longest)
		return slo_err_at(err, cmp->window_col,
				  "no phase that is judged lasts for one %s window",
				  cmp->window_text);
	if (cmp->sustained_ns > total)
		return slo_err_at(err, cmp->sustained_col,
				  "what is judged does not last for %s, so this cannot fail",
				  cmp->sustained_text);
	return slo_check_timeout(cmp, plan, err);
}

static int check_route(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	const char *names[65];
	size_t n = 0;
	char hint[80];

	for (size_t i = 0; i < plan->loads.len; i++) {
		const struct bo_load_spec *load = &plan->loads.items[i];

		if (cmp->load && strcmp(load->name, cmp->load) != 0)
			continue;
		for (size_t k = 0; k < load->nroutes; k++) {
			if (strcmp(load->routes[k].name, cmp->route) == 0)
				return 0;
			if (n < 64)
				names[n++] = load->routes[k].name;
		}
	}
	names[n] = NULL;
	if (!n)
		return slo_err_at(err, cmp->selector_col,
				  "unknown route '%s': %s%s%s has no routes", cmp->route,
				  cmp->load ? "load '" : "", cmp->load ? cmp->load : "the load",
				  cmp->load ? "'" : "");
	return slo_err_at(err, cmp->selector_col, "unknown route '%s'%s", cmp->route,
			  bo_nearest_hint(cmp->route, names, hint, sizeof(hint)));
}

static int check_load(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	const char *names[33];
	size_t n = 0;
	char hint[80];

	if (!plan->loads.len)
		return slo_err_at(err, cmp->metric_col,
				  "%s needs a load, and the scenario has none", cmp->metric_text);
	if (!cmp->load)
		return cmp->route ? check_route(cmp, plan, err) : 0;
	bo_vec_foreach(load, &plan->loads) {
		if (strcmp(load->name, cmp->load) == 0)
			return cmp->route ? check_route(cmp, plan, err) : 0;
		if (n < 32)
			names[n++] = load->name;
	}
	names[n] = NULL;
	return slo_err_at(err, cmp->selector_col, "unknown load '%s'%s", cmp->load,
			  bo_nearest_hint(cmp->load, names, hint, sizeof(hint)));
}

static bool has_memory_limit(const struct bo_plan *plan, int node)
{
	if (plan->nodes.items[node].memory_bytes > 0)
		return true;
	bo_vec_foreach(fault, &plan->faults) {
		if (fault->target == BO_TARGET_NODE && fault->index == node &&
		    strcmp(fault->kind, "memory") == 0)
			return true;
	}
	return false;
}

static int check_one_node(const struct slo_cmp *cmp, const struct bo_plan *plan, int node,
			  struct bo_err *err)
{
	const struct bo_node_spec *spec = &plan->nodes.items[node];

	if (strcmp(cmp->metric->series, BO_SERIES_GOROUTINES) == 0 && !slo_needs_census(cmp) &&
	    spec->probe.off)
		return slo_err_at(err, cmp->metric_col,
				  "goroutines of '%s' are not sampled: its probe is off",
				  spec->name);
	if (cmp->limit_kind == SLO_LIMIT_OF_LIMIT && !has_memory_limit(plan, node))
		return slo_err_at(err, cmp->limit_col, "'%s' has no memory limit; set memory = …",
				  spec->name);
	return 0;
}

static int check_node(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	const char *names[33];
	size_t n = 0;
	char hint[80];
	bool any = false;

	for (size_t i = 0; i < plan->nodes.len; i++) {
		const struct bo_node_spec *spec = &plan->nodes.items[i];
		int r;

		if (spec->role == BO_ROLE_CLIENT)
			continue;
		if (n < 32)
			names[n++] = spec->name;
		if (cmp->node ? strcmp(spec->name, cmp->node) != 0 : spec->role != BO_ROLE_SUBJECT)
			continue;
		any = true;
		r = check_one_node(cmp, plan, (int)i, err);
		if (r < 0)
			return r;
	}
	names[n] = NULL;
	if (any)
		return 0;
	if (!cmp->node)
		return slo_err_at(err, cmp->metric_col,
				  "%s needs a subject, and the scenario has none",
				  cmp->metric_text);
	if (strcmp(cmp->node, "client") == 0)
		return slo_err_at(err, cmp->selector_col,
				  "the client is not sampled; name a subject or a dependency");
	return slo_err_at(err, cmp->selector_col, "unknown node '%s'%s", cmp->node,
			  bo_nearest_hint(cmp->node, names, hint, sizeof(hint)));
}

/* Does @expr say what "within budget" is for the requests that @cmp asks about? */
static bool holds_reference(const struct slo_expr *expr, const struct slo_cmp *cmp)
{
	if (expr->kind == SLO_EXPR_AND)
		return holds_reference(expr->left, cmp) || holds_reference(expr->right, cmp);
	return expr->kind == SLO_EXPR_CMP && slo_is_reference(&expr->cmp) &&
	       slo_same_requests(&expr->cmp, cmp);
}

static int check_fault_id(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	const char *names[33];
	size_t n = 0;
	char hint[80];

	bo_vec_foreach(fault, &plan->faults) {
		if (slo_name_matches(cmp->fault, fault->id))
			return 0;
		if (n < 32)
			names[n++] = fault->id;
	}
	names[n] = NULL;
	bo_nearest_hint(cmp->fault, names, hint, sizeof(hint));
	return slo_err_at(err, cmp->selector_col, "unknown fault '%s'%s%s%s%s", cmp->fault, hint,
			  *hint ? "" : "; there is '", *hint ? "" : names[0], *hint ? "" : "'");
}

/* recovery and detect ask when the *other* budgets are broken and kept again. */
static int check_fault(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	bool any = false;

	if (!plan->faults.len)
		return slo_err_at(err, cmp->metric_col,
				  "%s needs a fault, and the scenario has none", cmp->metric_text);
	if (!plan->loads.len)
		return slo_err_at(err, cmp->metric_col,
				  "%s needs a load, and the scenario has none", cmp->metric_text);
	bo_vec_foreach(spec, &plan->budgets) {
		struct bo_budget *other = NULL;

		if (bo_budget_parse(&other, spec->text, NULL) == 0)
			any |= !other->warn && holds_reference(other->root, cmp);
		bo_budget_free(other);
	}
	if (!any)
		return slo_err_at(
			err, cmp->metric_col,
			"%s needs a latency or errors budget beside it that says what 'within budget' is%s",
			cmp->metric_text, cmp->load || cmp->route ? " for those requests" : "");
	if (cmp->fault) {
		int r = check_fault_id(cmp, plan, err);

		if (r < 0)
			return r;
	}
	if (strcmp(cmp->metric->name, "recovery") == 0 && slo_load_after(plan, cmp) <= 0)
		return slo_err_at(
			err, cmp->metric_col,
			"recovery needs load after the last fault: give phase 'heal' a duration");
	return 0;
}

int slo_check_target(const struct slo_cmp *cmp, const struct bo_plan *plan, struct bo_err *err)
{
	int r = 0;

	if ((cmp->metric->flags & SLO_M_REQUESTS) || cmp->load || cmp->route)
		r = check_load(cmp, plan, err);
	if (r == 0 && (cmp->metric->flags & SLO_M_NODE))
		r = check_node(cmp, plan, err);
	return r;
}

static int check_expr(const struct slo_expr *expr, const struct bo_plan *plan, struct bo_err *err)
{
	const struct slo_cmp *cmp = &expr->cmp;
	int r;

	if (expr->kind == SLO_EXPR_MUST) {
		r = slo_check_must_plan(&expr->must, plan, err);
		return r < 0 ? r : check_expr(expr->left, plan, err);
	}
	if (expr->kind != SLO_EXPR_CMP) {
		r = check_expr(expr->left, plan, err);
		return r < 0 ? r : check_expr(expr->right, plan, err);
	}
	r = check_phases(cmp, plan, err);
	if (r == 0)
		r = slo_check_target(cmp, plan, err);
	if (r == 0 && (cmp->metric->flags & SLO_M_FAULT))
		r = check_fault(cmp, plan, err);
	if (r == 0 && (cmp->metric->flags & SLO_M_BURN))
		r = slo_check_burn(cmp, plan, err);
	return r;
}

int bo_budget_check(const struct bo_budget *budget, const struct bo_plan *plan, struct bo_err *err)
{
	return check_expr(budget->root, plan, err);
}
