/* SPDX-License-Identifier: Apache-2.0 */
/* probe/attach.h — a census of a node: of which of its processes, and by whose permission.
 * Owns: nothing.  Threads: any.  Privilege: PTRACE_MODE_ATTACH over the process, else the opener's. */
#pragma once
#include "brownout/census.h"
#include "brownout/probe/gotree.h"
#include "brownout/probe/sampler.h"

/** struct bo_attached - @choice: whose goroutines they are;  @handed: by descriptors that the opener handed over */
struct bo_attached {
	struct bo_gochoice choice;
	bool handed;
};

/**
 * bo_attach() - attach to the Go program of a node
 * @root: the node's main process;  @opener: [borrowed]
 * @wanted: the program that was read before, or NULL: a wrapper or a supervisor may not have started it again yet
 * @err: must be there
 * Return: as bo_census_attach(); where that is refused and the opener fails, too, @err has its reason; -EAGAIN: @wanted is not
 * what would be read now (@ret_how says what)
 */
BO_NODISCARD int bo_attach(struct bo_census **ret, const struct bo_node_spec *spec, int node,
			   pid_t root, const struct bo_gochoice *wanted,
			   const struct bo_sampler_opener *opener, struct bo_attached *ret_how,
			   struct bo_err *err);
/** bo_attach_describe() - "; orders (pid 4712) below sh (pid 4711): the only Go program; …", "" when there is nothing to say */
const char *bo_attach_describe(const struct bo_attached *how, char *buf, size_t size);
