/* SPDX-License-Identifier: Apache-2.0 */
/* harness/supported.h — can this machine do what a plan asks for?
 * Owns: nothing.  Threads: main.  Privilege: none. */
#pragma once
#include "brownout/lab/hands.h"
#include "brownout/model/plan.h"

/** What a node's /etc/hosts is mounted over; without it on the host there is no place to put the lab's names */
#define BO_HOSTS_FILE "/etc/hosts"
#define BO_RESOLV_FILE "/etc/resolv.conf"

/**
 * bo_supported() - links, limits, faults and descriptors, before anything is started
 * Return: 0, or -ENOTSUP, -EMFILE with the scenario's line, what cannot be done, why, and what would help
 */
BO_NODISCARD int bo_supported(const struct bo_plan *plan, const struct bo_machine *machine,
			      struct bo_err *err);
