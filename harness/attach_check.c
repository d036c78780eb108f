/* SPDX-License-Identifier: Apache-2.0 */
/* harness/attach_check.c — see the header. */
#include "harness/attach_check.h"

#include <errno.h>
#include <string.h>

#include "brownout/fault/fault.h"
#include "brownout/lab/attach.h"

static int check_link_fault(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			    const struct bo_fault_kind *kind, struct bo_err *err)
{
	if (!kind->impair)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
				  "%s: cannot be done to a service that runs already", spec->kind);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		struct bo_impair im = { 0 };
		const char *why;

		kind->impair(plan, spec, (enum bo_dir)dir, &im);
		why = bo_attach_unable(BO_DRIVER_QUEUE, &im);
		if (why)
			return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "%s: %s", spec->kind,
					  why);
	}
	return 0;
}

static int check_node_fault(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			    struct bo_err *err)
{
	const struct bo_node_spec *node = &plan->nodes.items[spec->index];
	bool ends = !strcmp(spec->kind, "kill") || !strcmp(spec->kind, "term");

	if (node->kind == BO_NODE_PEER)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"%s: '%s' is a peer out there; only the link to it can be impaired",
			spec->kind, node->name);
	if (!ends && strcmp(spec->kind, "pause") != 0)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"%s: cannot be done to a service that runs already; pause, kill and "
			"term can",
			spec->kind);
	if (node->attach->netns[0])
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"%s: '%s' is attached by its namespace, so no process is known; use "
			"pid or container",
			spec->kind, node->name);
	if (ends && !(node->attach->allow & BO_ATTACH_ALLOW_KILL))
		return bo_err_set(
			err, EPERM, BO_SUBSYS_HARNESS,
			"%s: refused: nobody here can start '%s' again; if its supervisor "
			"does, say allow = { \"kill\" }",
			spec->kind, node->name);
	return 0;
}

static int at_line(struct bo_src src, struct bo_err *err)
{
	return bo_err_wrap(err, "%s:%d", src.file, src.line);
}

int bo_attach_check_plan(const struct bo_plan *plan, struct bo_err *err)
{
	static const struct bo_attach_session nobody = { 0 };

	if (!bo_plan_attached(plan))
		return 0;
	bo_vec_foreach(node, &plan->nodes)
		if (node->kind == BO_NODE_PEER &&
		    bo_attach_guard_peer(node->peer, plan->nodes.items[node->peer_of].attach->allow,
					 &nobody, err) < 0)
			return at_line(node->src, err);
	bo_vec_foreach(spec, &plan->faults) {
		const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);
		int r = !kind                            ? 0
			: spec->target == BO_TARGET_LINK ? check_link_fault(plan, spec, kind, err)
							 : check_node_fault(plan, spec, err);

		if (r < 0)
			return at_line(spec->src, err);
	}
	return 0;
}

int bo_attach_check_driver(const struct bo_plan *plan, struct bo_err *err)
{
	bool attached = bo_plan_attached(plan), queue = plan->driver == BO_DRIVER_QUEUE;

	if (attached && plan->driver != BO_DRIVER_AUTO && !queue)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"%s:%d: services that run already are impaired by driver \"queue\", "
			"found \"%s\"; use \"queue\" or \"auto\"",
			plan->src.file, plan->src.line, bo_driver_name(plan->driver));
	if (!attached && queue)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "%s:%d: driver \"queue\" is for services that run already "
				  "(t:attach); use \"netem\", \"wire\" or \"auto\"",
				  plan->src.file, plan->src.line);
	return 0;
}

int bo_attach_supported(const struct bo_plan *plan, const struct bo_machine *machine,
			struct bo_err *err)
{
	if (machine->queue)
		return 0;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
			  "%s:%d: services that run already cannot be impaired here: %s",
			  plan->src.file, plan->src.line, machine->why_not_queue);
}
