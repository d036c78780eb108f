/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper.h — the conductor's side of the keeper: privileged hands behind a SOCK_SEQPACKET pair.
 * The keeper is a single-threaded child process that creates namespaces, devices and cgroups, spawns and kills nodes,
 * and owns the undo stack.  When the conductor's end of the socket closes, for whatever reason, it takes everything
 * back and exits.
 * Owns: the socket and the descriptors handed over.  Threads: any for requests, one at a time (a lock sees to it);
 * events, start and stop are the conductor's main thread's.
 * Privilege: the keeper's; the caller has none left after bo_keeper_start(). */
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/lab/hands.h"
#include "brownout/lab/lab.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/model/plan.h"
#include "brownout/probe/sampler.h"

struct bo_keeper;

/**
 * bo_keeper_start() - fork the keeper and become the conductor
 * Must be called before any thread and before Lua.  As an ordinary user it makes a user namespace first.  On return
 * the caller lives in a fresh network namespace (the client's; lo is up), has no capability left in any set,
 * no_new_privs, and, when started through sudo, the uid and gid of the invoking user.
 * Return: 0; -ENOTSUP when neither root nor user namespaces are to be had: one line that says what to do (exit code 5)
 */
BO_NODISCARD int bo_keeper_start(struct bo_keeper **ret, struct bo_err *err);
/**
 * bo_keeper_start_attached() - the same for services that run already: the caller stays in the network namespace that it
 * is in, from which it reaches them, and no user namespace will do
 */
BO_NODISCARD int bo_keeper_start_attached(struct bo_keeper **ret, struct bo_err *err);
/**
 * bo_keeper_attach_all() - find, guard and attach to every service of @plan; nothing is changed in any yet
 * Return: 0; -EPERM, -ESRCH, -ENOENT: the scenario is about something that is not so; -ENOTSUP; all with the line
 */
BO_NODISCARD int bo_keeper_attach_all(struct bo_keeper *keeper, const struct bo_plan *plan,
				      struct bo_err *err);
/** bo_keeper_take_attachment() - [owned] the socket for node @node, -1 when it is none;  @ret_pid: 0 for none */
int bo_keeper_take_attachment(struct bo_keeper *keeper, int node, pid_t *ret_pid);
/** bo_keeper_machine() - what the machine can do, found out once by the keeper */
BO_NODISCARD int bo_keeper_machine(struct bo_keeper *keeper, struct bo_machine *ret,
				   struct bo_err *err);

/** struct bo_lab_link - one link once it is up; wire: both TUN descriptors [owned by the caller], netem: -1 */
struct bo_lab_link {
	int tun_a;
	int tun_b;
	int stamps_a; /* of the TUN devices (sys/tun_stamp.h) [owned by the caller], -1 for none */
	int stamps_b;
	struct bo_linkprobe_end probe_a; /* descriptors owned by the caller */
	struct bo_linkprobe_end probe_b;
};

/** struct bo_lab_node - one node once its namespaces exist
 * @address4: where peers reach it over its links, @management4: over the management link; as text */
struct bo_lab_node {
	char address4[INET_ADDRSTRLEN];
	char address6[INET6_ADDRSTRLEN];
	char management4[INET_ADDRSTRLEN];
	char management6[INET6_ADDRSTRLEN];
	struct bo_cgroup_files cgroup; /* descriptors owned by the caller */
	/* Without veth the management link is an unimpaired wire, too: both its ends [owned by the caller], else -1 */
	int management_tun_client;
	int management_tun_node;
	int dns_udp; /* of its name server, [owned by the caller], else -1 */
	int dns_tcp;
};

/** struct bo_lab_view - parallel to plan->nodes and plan->links; free with bo_lab_view_done() */
struct bo_lab_view {
	struct bo_lab_node *nodes;
	size_t nnodes;
	struct bo_lab_link *links;
	size_t nlinks;
	const char *link_driver; /* static: "netem" or "wire"; of attached services: what may do it */
};
/** bo_lab_view_new() - of nothing yet: no descriptor, no address, no driver
 * @ret: [out, owned] untouched on failure;  -ENOMEM */
BO_NODISCARD int bo_lab_view_new(struct bo_lab_view *ret, size_t nnodes, size_t nlinks,
				 struct bo_err *err);
/** bo_lab_view_done() - with every descriptor that nobody took; one that is zeroed is fine */
void bo_lab_view_done(struct bo_lab_view *view);

/** bo_keeper_lab_up() - build the whole lab of the plan: cgroups, namespaces, links, addresses, routes; no process yet */
BO_NODISCARD int bo_keeper_lab_up(struct bo_keeper *keeper, const struct bo_plan *plan,
				  struct bo_lab_view *ret, struct bo_err *err);

/**
 * bo_keeper_node_start() - start (or start again) a node's process tree in its namespaces and cgroup
 * @exe: absolute path of argv[0] (NULL for a stub);  @log_fd: both stdout and stderr, [borrowed: until return]
 * Return: 0 once execve(2) succeeded; -ENOENT, -EACCES, -ENOEXEC … of execve otherwise
 */
BO_NODISCARD int bo_keeper_node_start(struct bo_keeper *keeper, const struct bo_plan *plan,
				      int node, const char *exe, int log_fd, pid_t *ret_pid,
				      struct bo_err *err);
/** bo_keeper_node_exec() - run a command inside a running node and wait for it; for readiness.  @ret_status: waitpid(2) */
BO_NODISCARD int bo_keeper_node_exec(struct bo_keeper *keeper, int node, const char *const *argv,
				     int64_t timeout_ns, int *ret_status, struct bo_err *err);
BO_NODISCARD int bo_keeper_node_kill(struct bo_keeper *keeper, int node, struct bo_err *err);
BO_NODISCARD int bo_keeper_node_term(struct bo_keeper *keeper, int node, struct bo_err *err);
BO_NODISCARD int bo_keeper_node_pause(struct bo_keeper *keeper, int node, bool frozen,
				      struct bo_err *err);
BO_NODISCARD int bo_keeper_link_impair(struct bo_keeper *keeper, int link, enum bo_dir dir,
				       const struct bo_impair *im, struct bo_err *err);
BO_NODISCARD int bo_keeper_memory_limit(struct bo_keeper *keeper, int node, enum bo_mem_knob knob,
					int64_t bytes, struct bo_err *err);

/**
 * bo_keeper_open_process() - descriptors for a census of a process that this user may not read (any thread)
 * Return: as bo_lab_open_process(), which the keeper does; it refuses whatever is not a process of that node
 */
BO_NODISCARD int bo_keeper_open_process(struct bo_keeper *keeper, int node, pid_t pid,
					struct bo_process_files *ret, struct bo_err *err);

/** bo_keeper_open_root() - the root directory of a running node, for what lies in its own /tmp (unix sockets).  Return: as
 * bo_lab_open_root(), which the keeper does */
BO_NODISCARD int bo_keeper_open_root(struct bo_keeper *keeper, int node, struct bo_root_files *ret,
				     struct bo_err *err);

/** struct bo_keeper_event - something happened that nobody asked for (or that was asked for: kill, term) */
struct bo_keeper_event {
	int node;
	pid_t pid;
	int exit_status; /* waitpid(2) */
	int64_t t_ns;    /* CLOCK_MONOTONIC */
};
/** bo_keeper_fd() - readable when bo_keeper_next_event() may have something */
int bo_keeper_fd(const struct bo_keeper *keeper);
/** bo_keeper_next_event() - 1 and an event, 0 when there is none, -EPIPE when the keeper is gone */
int bo_keeper_next_event(struct bo_keeper *keeper, struct bo_keeper_event *ret, struct bo_err *err);

/** bo_keeper_stop() - take everything back and wait for the keeper's end.  Return: 0, or -errno with what could not be undone */
int bo_keeper_stop(struct bo_keeper *keeper, struct bo_err *err);
/** bo_keeper_free() - close the socket (the keeper then cleans up by itself); NULL is fine */
void bo_keeper_free(struct bo_keeper *keeper);
