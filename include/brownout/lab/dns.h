/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/dns.h — the name server of nodes with `dns = true`: it knows every node's name, and lies on demand.
 * Owns: its sockets and connections, one thread.  Threads: one; the functions are for the conductor's main thread.
 * Privilege: none: the sockets come from the keeper, which opened them inside the nodes' network namespaces. */
#pragma once
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/model/dns.h"

/* Where it is reached inside of a node: the loopback address that systemd-resolved made a habit of. */
#define BO_DNS_ADDRESS "127.0.0.53"
#define BO_DNS_PORT 53

/** struct bo_dns_host - a name and its addresses as text, "" for none */
struct bo_dns_host {
	const char *name;
	const char *address4;
	const char *address6;
};

struct bo_dns;

/** bo_dns_new() - @hosts: [borrowed: until return] */
BO_NODISCARD int bo_dns_new(struct bo_dns **ret, const struct bo_dns_host *hosts, size_t nhosts,
			    struct bo_err *err);
/** bo_dns_add() - answer on these sockets of @node;  @udp, @tcp: [consumed] bound, and listening */
BO_NODISCARD int bo_dns_add(struct bo_dns *dns, int node, int udp, int tcp, struct bo_err *err);
/** bo_dns_fault() - from now on, and counting from 0;  NULL: the truth.  Answers that wait for their time are the old
 * fault's and still go.  -ENOENT: the node has no name server */
BO_NODISCARD int bo_dns_fault(struct bo_dns *dns, int node, const struct bo_dns_fault *fault,
			      struct bo_err *err);
/** bo_dns_stats() - what has been counted since bo_dns_fault(), or from the beginning
 * -ENOENT: the node has no name server */
BO_NODISCARD int bo_dns_stats(struct bo_dns *dns, int node, struct bo_dns_stats *ret,
			      struct bo_err *err);
/** bo_dns_free() - end the thread and close the sockets; answers that wait are not sent */
void bo_dns_free(struct bo_dns *dns);
