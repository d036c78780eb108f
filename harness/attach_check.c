/* SPDX-License-Identifier: Apache-2.0 */
/* harness/attach_check.c — see the header. */
#include "harness/attach_check.h"

#include <errno.h>
#include <string.h>

#include "brownout/fault/fault.h"
#include "brownout/lab/attach.h"

/** unable() - why @driver, AUTO for whichever can, does not do @im, or NULL */
static const char *unable(enum bo_driver driver, const struct bo_impair *im)
{
	const char *queue = bo_attach_unable(BO_DRIVER_QUEUE, im);

	if (driver == BO_DRIVER_QUEUE || (driver == BO_DRIVER_AUTO && !queue))
		return queue;
	return bo_attach_unable(BO_DRIVER_NETEM, im);
}

/** unable_to() - the same of a fault, in either direction */
static const char *unable_to(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			     const struct bo_fault_kind *kind, enum bo_driver driver)
{
	const char *why = NULL;

	for (int dir = 0; dir < BO_DIR_COUNT && !why; dir++) {
		struct bo_impair im = { 0 };

		kind->impair(plan, spec, (enum bo_dir)dir, &im);
		why = unable(driver, &im);
	}
	return why;
}

const char *bo_attach_check_netem(const struct bo_plan *plan, const struct bo_fault_spec *spec)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);

	return spec->target == BO_TARGET_LINK && kind && kind->impair
		       ? unable_to(plan, spec, kind, BO_DRIVER_NETEM)
		       : NULL;
}

/** alone() - why the only driver of @machine does not do a fault on a link, or NULL */
static const char *alone(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			 const struct bo_machine *machine)
{
	const struct bo_fault_kind *kind = bo_fault_kind_find(spec->kind, spec->target);

	if (plan->driver != BO_DRIVER_AUTO || machine->queue == machine->divert ||
	    spec->target != BO_TARGET_LINK || !kind || !kind->impair)
		return NULL;
	return unable_to(plan, spec, kind, machine->queue ? BO_DRIVER_QUEUE : BO_DRIVER_NETEM);
}

static int check_link_fault(const struct bo_plan *plan, const struct bo_fault_spec *spec,
			    const struct bo_fault_kind *kind, struct bo_err *err)
{
	const char *why;

	if (!kind->impair)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
				  "%s: cannot be done to a service that runs already", spec->kind);
	why = unable_to(plan, spec, kind, plan->driver);
	return why ? bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "%s: %s", spec->kind, why) : 0;
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
	bool attached = bo_plan_attached(plan);

	if (attached && plan->driver == BO_DRIVER_WIRE)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_HARNESS,
			"%s:%d: services that run already are impaired by driver \"netem\" or "
			"\"queue\", found \"%s\"; use one of them or \"auto\"",
			plan->src.file, plan->src.line, bo_driver_name(plan->driver));
	if (!attached && plan->driver == BO_DRIVER_QUEUE)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "%s:%d: driver \"queue\" is for services that run already "
				  "(t:attach); use \"netem\", \"wire\" or \"auto\"",
				  plan->src.file, plan->src.line);
	/* The command line may have named another than the scenario. */
	return attached ? bo_attach_check_plan(plan, err) : 0;
}

static int cannot_here(struct bo_src src, const char *what, const char *why, struct bo_err *err)
{
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS, "%s:%d: %s: %s", src.file, src.line,
			  what, why);
}

int bo_attach_supported(const struct bo_plan *plan, const struct bo_machine *machine,
			struct bo_err *err)
{
	if (plan->driver == BO_DRIVER_NETEM && !machine->divert)
		return cannot_here(
			plan->src,
			"driver \"netem\" is not to be had here for services that run already "
			"(\"queue\" and \"auto\" may be)",
			machine->why_not_divert, err);
	if (!machine->queue && (plan->driver == BO_DRIVER_QUEUE || !machine->divert))
		return cannot_here(plan->src, "services that run already cannot be impaired here",
				   machine->why_not_queue, err);
	/* With one driver alone, it must be able to do everything. */
	bo_vec_foreach(spec, &plan->faults) {
		const char *why = alone(plan, spec, machine);

		if (why)
			return cannot_here(spec->src, spec->kind, why, err);
	}
	return 0;
}
