/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_proto.h — what the conductor and the keeper say to each other.
 * One SOCK_SEQPACKET message each: a fixed head, for some requests a payload of records and NUL-terminated strings.
 * Both ends are the same binary, so structs are sent as they are.  The keeper trusts none of it: it checks lengths, counts
 * and indices, and bounds every string, before it acts.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "brownout/lab/attach.h"
#include "brownout/lab/hands.h"
#include "brownout/lab/lab.h"

/* Below the default net.core.wmem_default, so that one message always fits (unix_dgram_sendmsg: EMSGSIZE). */
#define KP_MSG_MAX (160 * 1024)

enum kp_op {
	KP_HELLO, /* fd: the client's network namespace */
	KP_MACHINE,
	KP_REALTIME, /* value: a thread of the conductor, to be SCHED_FIFO; nobody waits for the answer */
	KP_LAB_UP,     /* payload: struct kp_lab, nodes, links */
	KP_NODE_START, /* payload: struct kp_start, strings; fd: log */
	KP_NODE_EXEC,  /* value: timeout in ns; payload: strings */
	KP_NODE_KILL,
	KP_NODE_TERM,
	KP_NODE_PAUSE, /* arg: 1 freeze, 0 thaw */
	KP_LINK_IMPAIR, /* arg: enum bo_dir; payload: struct bo_impair, with BO_DIST_TABLE struct bo_dist_table */
	KP_MEMORY_LIMIT, /* arg: enum bo_mem_knob; value: bytes */
	KP_PROCESS_OPEN, /* value: pid, of a process of the node; answer's fds: mem, exe, auxv */
	KP_ROOT_OPEN,    /* answer's fds: the node's root directory, its mount namespace */
	KP_ATTACH, /* payload: struct bo_attach_conf; answer: pid of the service, fd: its attachment's socket */
	KP_STOP,
	KP_OP_COUNT,
};

struct kp_req {
	uint32_t op;
	uint32_t seq;
	int32_t index; /* node or link */
	int32_t arg;
	int64_t value;
};

struct kp_lab {
	uint32_t nnodes;
	uint32_t nlinks;
	int32_t driver; /* enum bo_driver */
	uint64_t seed;
};
struct kp_lab_node {
	char name[BO_LAB_NAME_MAX + 1];
	int64_t memory_bytes;
	int64_t cpus_milli;
	int64_t pids;
	int32_t dns;
};
struct kp_lab_link {
	int32_t a, b;
};

/* Strings follow in this order: exe, cwd, keep_dir, stub body (each "" for none), argv …, env … */
struct kp_start {
	uint32_t argc;
	uint32_t envc;
	int32_t is_stub;
	int32_t stub_proto, stub_mode, stub_port, stub_status;
	int64_t stub_delay_ns;
};

enum kp_rep_kind {
	KP_REPLY, /* the answer to request @seq */
	KP_NODE,  /* part of the answer to LAB_UP: @index; fds: usage, limit, events, failcnt, high,
		  * TUN of client and node, name server over UDP and TCP */
	KP_LINK, /* part of the answer to LAB_UP: @index; fds: tun_a, tun_b, probe_a, probe_b, stamps_a, stamps_b */
	KP_EVENT, /* a node's main process has ended: @index, @pid, @status, @t_ns */
};

/** struct kp_rep - @code: positive errno, 0 for success; bit i of @fdmask: the i-th descriptor of the kind is there */
struct kp_rep {
	uint32_t kind;
	uint32_t seq;
	int32_t code;
	int32_t index;
	int32_t pid;
	int32_t status;
	int32_t version; /* KP_NODE: of the memory controller */
	uint32_t fdmask;
	int64_t t_ns;
	union {
		char msg[sizeof(((struct bo_err *)0)->msg)];
		struct bo_machine machine;
		struct bo_lab_address address;
		int32_t driver;
	};
};

/** bo_keeper_main() - the keeper's life; @sock: [consumed] its end of the socket;  @user: whom nodes run as */
void bo_keeper_main(int sock, const struct bo_user *user) __attribute__((noreturn));
