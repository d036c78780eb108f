/* SPDX-License-Identifier: Apache-2.0 */
/* harness/labctl.h — a running lab in the conductor's hands: the keeper for what needs privilege, wires and link
 * probes here, nodes with their logs and readiness.  Implements struct bo_hands.
 * Owns: wires, link probe, log pump, descriptors of the lab.  Threads: the conductor's main thread calls it; the
 * wires, the link probe and the log pump have threads of their own.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "brownout/lab/hands.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/lab/wire.h"
#include "brownout/model/run.h"
#include "harness/keeper.h"
#include "harness/logpump.h"

struct bo_labctl;

/** bo_labctl_idle_fn - called while something is waited for (about every 20 ms); negative ends the waiting with it */
typedef int (*bo_labctl_idle_fn)(void *self, struct bo_err *err);
/** bo_labctl_node_fn - a node's main process ended; @asked: by us */
typedef void (*bo_labctl_node_fn)(void *self, int node, const struct bo_node_state *state,
				  bool asked);
/** bo_labctl_pid_fn - a node's main process is now @pid, or 0 for none */
typedef void (*bo_labctl_pid_fn)(void *self, int node, pid_t pid);

struct bo_labctl_hooks {
	void *self;
	bo_labctl_idle_fn idle;
	bo_labctl_node_fn node_ended;
	bo_labctl_pid_fn pid_changed;
};

/**
 * bo_labctl_new() - build the lab of @plan (no process yet)
 * @keeper, @plan, @machine: [borrowed: as long as the labctl];  @nodes_dir: folder for <node>.log, [borrowed]
 */
BO_NODISCARD int bo_labctl_new(struct bo_labctl **ret, struct bo_keeper *keeper,
			       const struct bo_plan *plan, const struct bo_machine *machine,
			       int nodes_dir, struct bo_err *err);
void bo_labctl_set_hooks(struct bo_labctl *lab, const struct bo_labctl_hooks *hooks);
/** bo_labctl_start_nodes() - start every node in order, each when those before it are ready */
BO_NODISCARD int bo_labctl_start_nodes(struct bo_labctl *lab, struct bo_err *err);
/** bo_labctl_judged() - a fault has been judged: of a running service, says by what */
void bo_labctl_judged(const struct bo_labctl *lab, const struct bo_fault_spec *spec,
		      struct bo_fault_record *record);
struct bo_hands *bo_labctl_hands(struct bo_labctl *lab);
const struct bo_lab_view *bo_labctl_view(const struct bo_labctl *lab);
/** bo_labctl_wire() - the wire of a link, [borrowed: as long as the labctl]; NULL when the kernel impairs it */
struct bo_wire *bo_labctl_wire(const struct bo_labctl *lab, int link);
/** bo_labctl_poll() - take up what the keeper has to say; -EPIPE when the keeper is gone */
int bo_labctl_poll(struct bo_labctl *lab, struct bo_err *err);
/** bo_labctl_take_cgroup() - hand a node's cgroup descriptors over (to the sampler); labctl keeps duplicates */
struct bo_cgroup_files bo_labctl_take_cgroup(struct bo_labctl *lab, int node);
/** bo_labctl_root() - the root directory of a node of which a load or a readiness check needs a unix socket, O_PATH; -1:
 * none is needed, or it was never started.  [borrowed: until the node is started again] */
int bo_labctl_root(const struct bo_labctl *lab, int node);
void bo_labctl_log_stats(struct bo_labctl *lab, int node, struct bo_logpump_stats *ret);
/** bo_labctl_free() - stop wires, probes and log pump; the keeper then takes down the rest */
void bo_labctl_free(struct bo_labctl *lab);
