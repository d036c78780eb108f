/* SPDX-License-Identifier: Apache-2.0 */
/* model/plan.c — lookups and the arithmetic of phases over a plan. */
#include "brownout/model/plan.h"

#include <errno.h>
#include <string.h>

static const char *const phase_names[] = {
	[BO_PHASE_WARMUP] = "warmup", [BO_PHASE_BASE] = "base", [BO_PHASE_FAULT] = "fault",
	[BO_PHASE_HOLD] = "hold",     [BO_PHASE_HEAL] = "heal", [BO_PHASE_SETTLE] = "settle",
};
_Static_assert(sizeof(phase_names) / sizeof(*phase_names) == BO_PHASE_COUNT,
	       "a name for every phase");

const char *bo_phase_name(enum bo_phase phase)
{
	return (unsigned int)phase < BO_PHASE_COUNT ? phase_names[phase] : "?";
}

enum bo_phase bo_phase_from_name(const char *name)
{
	int p = 0;

	while (p < BO_PHASE_COUNT && strcmp(name, phase_names[p]))
		p++;
	return (enum bo_phase)p;
}

bool bo_phase_has_load(enum bo_phase phase)
{
	return phase == BO_PHASE_WARMUP || phase == BO_PHASE_BASE || phase == BO_PHASE_FAULT ||
	       phase == BO_PHASE_HEAL;
}

const char *bo_role_name(enum bo_role role)
{
	static const char *const names[] = { "client", "subject", "dependency" };

	return (unsigned int)role < 3 ? names[role] : "?";
}

const char *bo_driver_name(enum bo_driver driver)
{
	static const char *const names[] = { "auto", "netem", "wire", "queue" };

	return (unsigned int)driver < 4 ? names[driver] : "?";
}

const char *bo_arrivals_name(enum bo_arrivals arrivals)
{
	static const char *const names[] = { "constant", "poisson", "burst", "closed" };

	return (unsigned int)arrivals < 4 ? names[arrivals] : "?";
}

const char *bo_load_protocol_name(enum bo_load_protocol protocol)
{
	static const char *const names[] = { "http1", "h2", "grpc", "tcp" };

	return (unsigned int)protocol < 4 ? names[protocol] : "?";
}

struct bo_plan *bo_plan_new(void)
{
	struct bo_plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	if (!bo_vec_push(&plan->nodes,
			 (struct bo_node_spec){ .name = "client", .role = BO_ROLE_CLIENT })) {
		bo_plan_free(plan);
		return NULL;
	}
	return plan;
}

void bo_plan_free(struct bo_plan *plan)
{
	if (!plan)
		return;
	bo_vec_done(&plan->nodes);
	bo_vec_done(&plan->links);
	bo_vec_done(&plan->loads);
	bo_vec_done(&plan->faults);
	bo_vec_done(&plan->budgets);
	bo_vec_done(&plan->guards);
	bo_arena_done(&plan->arena);
	free(plan);
}

int bo_plan_node(const struct bo_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->nodes.len; i++)
		if (!strcmp(plan->nodes.items[i].name, name))
			return (int)i;
	return -1;
}

bool bo_plan_attached(const struct bo_plan *plan)
{
	bo_vec_foreach(node, &plan->nodes)
		if (node->kind == BO_NODE_ATTACHED)
			return true;
	return false;
}

int bo_plan_link(const struct bo_plan *plan, int node, int peer)
{
	int a = node < peer ? node : peer, b = node < peer ? peer : node;

	for (size_t i = 0; i < plan->links.len; i++)
		if (plan->links.items[i].a == a && plan->links.items[i].b == b)
			return (int)i;
	return -1;
}

int bo_plan_link_add(struct bo_plan *plan, int node, int peer, struct bo_src src)
{
	int at = bo_plan_link(plan, node, peer);
	struct bo_link_spec link = { .a = node < peer ? node : peer,
				     .b = node < peer ? peer : node,
				     .src = src };

	if (at >= 0)
		return at;
	if (!bo_vec_push(&plan->links, link))
		return -ENOMEM;
	return (int)plan->links.len - 1;
}

int64_t bo_plan_phase_start(const struct bo_plan *plan, enum bo_phase phase)
{
	int64_t at = 0;

	for (int p = 0; p < (int)phase && p < BO_PHASE_COUNT; p++)
		at += plan->phase_ns[p];
	return at;
}

int64_t bo_plan_total(const struct bo_plan *plan)
{
	return bo_plan_phase_start(plan, BO_PHASE_COUNT);
}

void bo_plan_fault_window(const struct bo_plan *plan, const struct bo_fault_spec *fault,
			  int64_t *ret_start, int64_t *ret_end)
{
	int64_t end = bo_plan_phase_start(plan, fault->to) + plan->phase_ns[fault->to];

	*ret_start = bo_plan_phase_start(plan, fault->from) + fault->after_ns;
	*ret_end = end;
	if (fault->lasts_ns && *ret_start + fault->lasts_ns < end)
		*ret_end = *ret_start + fault->lasts_ns;
}

const struct bo_arg *bo_arg_find(const struct bo_fault_spec *fault, const char *key)
{
	for (size_t i = 0; i < fault->nargs; i++)
		if (!strcmp(fault->args[i].key, key))
			return &fault->args[i];
	return NULL;
}
