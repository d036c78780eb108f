/* SPDX-License-Identifier: Apache-2.0 */
/* harness/attach_check.h — what a scenario about running services may ask for.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#pragma once
#include "brownout/lab/hands.h"
#include "brownout/model/plan.h"

/** bo_attach_check_plan() - what needs no machine: peers that the guard refuses, faults that cannot be done to a service
 * that runs already.  Return: 0; -EINVAL, -EPERM with the line.  A plan without such services is fine */
BO_NODISCARD int bo_attach_check_plan(const struct bo_plan *plan, struct bo_err *err);
/** bo_attach_check_driver() - "queue" is for running services, and they know netem beside it.  -ENOTSUP, or
 * bo_attach_check_plan()'s for that driver, with the line */
BO_NODISCARD int bo_attach_check_driver(const struct bo_plan *plan, struct bo_err *err);
/** bo_attach_check_netem() - why netem does not do a fault on a link of a running service, in a direction of it, or NULL */
const char *bo_attach_check_netem(const struct bo_plan *plan, const struct bo_fault_spec *spec);
/** bo_attach_supported() - -ENOTSUP with what the machine lacks */
BO_NODISCARD int bo_attach_supported(const struct bo_plan *plan, const struct bo_machine *machine,
				     struct bo_err *err);
