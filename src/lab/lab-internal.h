/* SPDX-License-Identifier: Apache-2.0 */
/* lab/lab-internal.h — what the files of src/lab share.
 * Owns: see struct bo_lab.  Threads: single-threaded.  Privilege: see brownout/lab/lab.h. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/undo.h"
#include "brownout/lab/lab.h"
#include "brownout/sys/rtnl.h"

#define LAB_WAKE 0x7fffffff

struct lab_node {
	char name[BO_LAB_NAME_MAX + 1];
	int64_t memory_bytes, cpus_milli, pids;
	int netns; /* outlives its processes, so that a killed node comes back at the same addresses */
	struct nl_sock *rtnl;  /* opened inside, so that impairing needs no setns(2) */
	int management_client; /* TUN only */
	int management_node;
	bool dns;
	int dns_udp, dns_tcp;
	struct bo_cgroup cgroup;

	/* One life of the process tree; init_pidfd < 0 while the node is down. */
	int init_pidfd;
	pid_t init_pid; /* nobody else has it until it is reaped through init_pidfd */
	int chan;       /* to its init: commands, and the end of the main process */
	int main_pidfd;
	pid_t main_pid;
	bool paused;
	bool exec_busy;
	bool have_status;
	int status;
	int64_t ended_ns;
};

struct lab_link {
	int a, b;
	int ifindex_a, ifindex_b;
	struct bo_lab_link_fds fds;
	uint64_t changes; /* of either direction, so far */
};

struct bo_lab {
	struct lab_node *nodes;
	size_t nnodes;
	struct lab_link *links;
	size_t nlinks;
	enum bo_driver driver;
	uint64_t seed;
	bool management_wire;
	bool ipv6;
	int client_netns;
	int hangup_fd;
	int epoll; /* everything of the nodes that can become readable, by node index */
	int wake;  /* eventfd, LAB_WAKE in @epoll: told_later is not empty */
	struct bo_user user;
	struct bo_cgroups cgroups;
	struct bo_cgroup run_cgroup;
	struct bo_undo undo;
	char *hosts; /* the text of /etc/hosts */

	/* Ends that were waited for elsewhere (kill) and are still to be told as events. */
	BO_VEC(struct bo_lab_event) told_later;
};

/* addr.c */
enum lab_addr { LAB_PRIMARY, LAB_MANAGEMENT_CLIENT, LAB_MANAGEMENT_NODE };
/** lab_addr() - address of node @index; LAB_MANAGEMENT_*: the two ends of its management link */
void lab_addr(enum lab_addr which, int family, int index, struct bo_rtnl_addr *ret);
/** lab_hosts_text() - /etc/hosts naming every node, or @only one;  [owned], NULL when memory is out */
char *lab_hosts_text(const struct bo_lab *lab, const struct lab_node *only);
void lab_mac(int node, int peer, bool management, uint8_t ret[BO_RTNL_MAC_LEN]);

/* lab_net.c */
BO_NODISCARD int lab_net_up(struct bo_lab *lab, struct bo_err *err);

/* node.c */
void lab_node_reset(struct lab_node *node);

/* init.c: what passes between a node's init and the keeper */
enum init_msg_kind {
	INIT_FAILED,
	INIT_READY,
	INIT_MAIN_ENDED,
	INIT_EXEC,
	INIT_EXEC_DONE,
	INIT_STOP,
	INIT_CONT,
	INIT_STOPPED
};
struct init_msg {
	enum init_msg_kind kind;
	int code; /* positive errno */
	int status;
	int64_t t_ns;
	int64_t timeout_ns;
	uint32_t argc;
	char text[256]; /* FAILED: what did not work; EXEC: followed by argc strings */
};
#define INIT_MSG_MAX (64 * 1024)

struct init_args {
	const struct bo_lab *lab;
	const struct lab_node *node;
	const struct bo_node_start *start;
	int chan;
	int report; /* closes on execve(2) */
	struct bo_cgroup_join join;
	int thaw_fd;
};
/** lab_init_main() - PID 1 of a node; never returns */
void lab_init_main(struct init_args *args) __attribute__((noreturn));

/* init_mounts.c */
struct init_paths {
	char exe[4096];
	char cwd[4096];
};
/** lab_init_mounts() - /proc, /tmp, /etc/hosts of a node; @ret holds @start's paths with symbolic links resolved */
BO_NODISCARD int lab_init_mounts(const struct bo_lab *lab, const struct lab_node *node,
				 const struct bo_node_start *start, struct init_paths *ret,
				 struct bo_err *err);
