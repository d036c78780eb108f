/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/lab.h — the lab itself: namespaces, devices, cgroups and process trees of one run.
 * The keeper calls this; nothing here trusts what the conductor asked for beyond what bo_lab_new() checked.
 * Owns: network namespaces and sockets by descriptor, cgroup directories, node processes; everything that outlives a
 * process is on the lab's undo stack before it is made.
 * Threads: single-threaded (namespaces belong to the calling thread).
 * Privilege: CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_KILL in the user namespace; write access to cgroups. */
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"
#include "brownout/lab/hands.h"
#include "brownout/model/impair.h"
#include "brownout/model/plan.h"
#include "brownout/sys/caps.h"
#include "brownout/sys/cgroup.h"

#define BO_LAB_MAX_NODES 250 /* node N is 10.77.0.(N + 1) */
#define BO_LAB_MAX_LINKS 4096
#define BO_LAB_NAME_MAX 48
#define BO_LAB_MTU 1500

struct bo_lab;

/** struct bo_lab_node_conf - 0 means no limit; the client (node 0) has none */
struct bo_lab_node_conf {
	const char *
		name; /* [A-Za-z0-9_-.], not starting with a dot: it becomes a host name and a cgroup */
	int64_t memory_bytes;
	int64_t cpus_milli;
	int64_t pids;
	bool dns; /* has a name server at BO_DNS_ADDRESS */
};

/**
 * struct bo_lab_conf - what to build
 * @driver: NETEM or WIRE, not AUTO
 * @management_wire: use TUN for management links too, because there is no veth
 * @client_netns: the conductor's namespace, also where the caller is at home; [borrowed: as long as the lab]
 * @hangup_fd: when this one hangs up, waiting for a node's start is given up; or -1
 * @user: whom nodes run as
 * @seed: [NETEM] of the fates of packets, where the kernel's netem takes one; 0: the kernel's own
 */
struct bo_lab_conf {
	const struct bo_lab_node_conf *nodes;
	size_t nnodes;
	const struct bo_link_spec *links;
	size_t nlinks;
	enum bo_driver driver;
	bool management_wire;
	int client_netns;
	int hangup_fd;
	struct bo_user user;
	struct bo_cgroups cgroups;
	uint64_t seed;
};

/** bo_lab_new() - check and copy @conf; makes nothing.  -EINVAL with what is wrong */
BO_NODISCARD int bo_lab_new(struct bo_lab **ret, const struct bo_lab_conf *conf,
			    struct bo_err *err);
/** bo_lab_up() - make everything but processes; on failure what was made stays for bo_lab_down() */
BO_NODISCARD int bo_lab_up(struct bo_lab *lab, struct bo_err *err);
/** bo_lab_down() - take everything back, last first, going on past failures.  Return: 0 or the first failure */
int bo_lab_down(struct bo_lab *lab, struct bo_err *err);
/** bo_lab_free() - bo_lab_down() if need be, then free; NULL is fine */
void bo_lab_free(struct bo_lab *lab);

/** struct bo_lab_link_fds - [owned] TUN descriptors (-1 with netem) with their stamps (sys/tun_stamp.h; -1 where there
 * are none), and link probe sockets, of both ends */
struct bo_lab_link_fds {
	int tun_a;
	int tun_b;
	int stamps_a;
	int stamps_b;
	int probe_a;
	int probe_b;
};
#define BO_LAB_LINK_FDS_NONE           \
	{                              \
		-1, -1, -1, -1, -1, -1 \
	}
/** bo_lab_take_link() - hand over the descriptors of a link, once */
void bo_lab_take_link(struct bo_lab *lab, int link, struct bo_lab_link_fds *ret);
/** bo_lab_take_management() - hand over both TUN ends of a node's management link, -1 when it is a veth pair */
void bo_lab_take_management(struct bo_lab *lab, int node, int *ret_client, int *ret_node);
/** bo_lab_take_dns() - hand over the sockets of a node's name server, -1 when it has none */
void bo_lab_take_dns(struct bo_lab *lab, int node, int *ret_udp, int *ret_tcp);
/** bo_lab_open_memory() - files of a node's memory cgroup, opened anew, -1 where there is none; [owned]
 * @node: in range */
void bo_lab_open_memory(const struct bo_lab *lab, int node, struct bo_cgroup_memory_files *ret);

/** struct bo_lab_address - where node N is reached, as text; IPv6 is "" where the kernel has none */
struct bo_lab_address {
	char primary4[INET_ADDRSTRLEN];
	char primary6[INET6_ADDRSTRLEN];
	char management4[INET_ADDRSTRLEN]; /* of the client itself: its primary address */
	char management6[INET6_ADDRSTRLEN];
};
/** bo_lab_address() - planned when the lab was made, so known before anything is up;  @node: in range */
void bo_lab_address(const struct bo_lab *lab, int node, struct bo_lab_address *ret);

/**
 * struct bo_node_start - how to start a node
 * @exe: absolute path; NULL with @stub
 * @env: "K=V" added to a minimal environment
 * @cwd: absolute; NULL for @keep_dir
 * @keep_dir: a folder that stays visible when it lies below /tmp, or NULL
 */
struct bo_node_start {
	const char *exe;
	const char *const *argv;
	const char *const *env;
	const char *cwd;
	const char *keep_dir;
	const struct bo_stub_spec *stub;
	int log_fd;
};

/** bo_lab_node_start() - 0 once execve(2) has succeeded (or the stub listens), else what it said; -EBUSY: runs already */
BO_NODISCARD int bo_lab_node_start(struct bo_lab *lab, int node, const struct bo_node_start *start,
				   pid_t *ret_pid, struct bo_err *err);
/** bo_lab_node_exec() - begin a command inside a running node; its end comes as an event.  -EBUSY, -ESRCH */
BO_NODISCARD int bo_lab_node_exec(struct bo_lab *lab, int node, const char *const *argv,
				  int64_t timeout_ns, struct bo_err *err);
/** bo_lab_node_kill() - SIGKILL to the whole tree at once; returns when it is gone.  A node that is down is fine */
BO_NODISCARD int bo_lab_node_kill(struct bo_lab *lab, int node, struct bo_err *err);
/** bo_lab_node_term() - SIGTERM to the main process; -ESRCH when it is down */
BO_NODISCARD int bo_lab_node_term(struct bo_lab *lab, int node, struct bo_err *err);
/** bo_lab_node_pause() - freeze or thaw the whole tree; returns when it is so.  -ESRCH when it is down */
BO_NODISCARD int bo_lab_node_pause(struct bo_lab *lab, int node, bool frozen, struct bo_err *err);
/** struct bo_process_files - /proc/PID/mem, exe and auxv, open read-only; [owned by the caller], -1 for none */
struct bo_process_files {
	int mem;
	int exe;
	int auxv;
};
/**
 * bo_lab_open_process() - open what a census of a node's process takes
 * @pid: in the caller's pid namespace; refused when it is no process of that node (-EPERM), or the node's own init
 * Privilege: CAP_SYS_PTRACE permitted; it is effective only while this lasts.
 * Return: 0; -ESRCH when node or process are gone; -EPERM, -EACCES: also when the kernel forbids it to everybody
 */
BO_NODISCARD int bo_lab_open_process(struct bo_lab *lab, int node, pid_t pid,
				     struct bo_process_files *ret, struct bo_err *err);
/** struct bo_root_files - what it takes to find files as a node's processes do; [owned by the caller], -1 for none
 * @root: their root directory, O_PATH
 * @mounts: their mount namespace.  Keep it open as long as @root is used: when it ends, what was mounted over the host's
 *          directories (/tmp) is gone, and @root leads to the host's own */
struct bo_root_files {
	int root;
	int mounts;
};
/**
 * bo_lab_open_root() - the root directory that a running node's processes see
 * Paths are walked by whoever gets it, with their own rights; it grants none.
 * Privilege: CAP_SYS_PTRACE permitted; it is effective only while this lasts.
 * Return: 0; -ESRCH when the node is down; -EACCES when the kernel forbids it
 */
BO_NODISCARD int bo_lab_open_root(struct bo_lab *lab, int node, struct bo_root_files *ret,
				  struct bo_err *err);
/** bo_lab_memory_limit() - @bytes: 1 …, INT64_MAX lifts the limit;  errors as bo_cgroup_memory_max() and
 * bo_cgroup_memory_high(), -EINVAL: there is no such node */
BO_NODISCARD int bo_lab_memory_limit(struct bo_lab *lab, int node, enum bo_mem_knob knob,
				     int64_t bytes, struct bo_err *err);
/** bo_lab_link_impair() - netem driver only: the wire is impaired where it runs (-EOPNOTSUPP) */
BO_NODISCARD int bo_lab_link_impair(struct bo_lab *lab, int link, enum bo_dir dir,
				    const struct bo_impair *im, struct bo_err *err);

enum bo_lab_event_kind { BO_LAB_NODE_ENDED, BO_LAB_EXEC_DONE };
/** struct bo_lab_event - @code: EXEC_DONE: 0, or the positive errno why there is no @status (ETIMEDOUT, ENOENT …) */
struct bo_lab_event {
	enum bo_lab_event_kind kind;
	int node;
	pid_t pid;
	int status; /* waitpid(2) */
	int code;
	int64_t t_ns;
};
/** bo_lab_fd() - readable when bo_lab_next_event() has something to look at */
int bo_lab_fd(const struct bo_lab *lab);
/** bo_lab_next_event() - 1 and an event, or 0 */
int bo_lab_next_event(struct bo_lab *lab, struct bo_lab_event *ret);
