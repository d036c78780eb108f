/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/rtnl.h — many rtnetlink(7) requests in one system call.
 * Building a lab is a few hundred small requests; sent one by one each costs a round trip.  A batch is written
 * to the kernel at once, and every request is acknowledged on its own, so that a failure names the request.
 * Owns: a batch owns its buffer.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's namespace. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"

struct nl_msg;
struct nl_sock;

#define BO_RTNL_MAC_LEN 6

/** bo_rtnl_open() - a NETLINK_ROUTE socket that stays in the *current* namespace, whoever uses it later; [owned] */
BO_NODISCARD int bo_rtnl_open(struct nl_sock **ret, struct bo_err *err);
/** bo_rtnl_close() - NULL is fine; sets *sock to NULL */
void bo_rtnl_close(struct nl_sock **sock);
/** bo_rtnl_drop_answers() - those that have come and will come of requests that failed (rtnetlink answers before send(2)
 * returns, and goes on with a dump as it is read): the next request would take them for its own */
void bo_rtnl_drop_answers(struct nl_sock *sock);

struct bo_rtnl_req {
	uint32_t offset;
	uint32_t len;
	char what[64];
};

/** struct bo_rtnl_batch - zero-initialise; bo_rtnl_batch_done() frees it.  A failed allocation sticks until the send */
struct bo_rtnl_batch {
	BO_VEC(uint8_t) buf;
	BO_VEC(struct bo_rtnl_req) reqs;
	int failed; /* first -errno while building */
};

/** struct bo_rtnl_addr - an IPv4 (family AF_INET, 4 bytes used) or IPv6 address with a prefix length */
struct bo_rtnl_addr {
	int family;
	uint8_t bytes[16];
	int prefix;
};

/** struct bo_rtnl_veth - a veth(4) pair; indices are chosen by the caller (> 1) so that they need not be asked for
 * @no_gso: one segment per packet (gso_max_segs 1), because a qdisc gives one fate to each packet that it sees and
 *          TCP would hand it 64 KiB at a time */
struct bo_rtnl_veth {
	const char *name;
	int ifindex;
	uint8_t mac[BO_RTNL_MAC_LEN];
	const char *peer_name;
	int peer_ifindex;
	uint8_t peer_mac[BO_RTNL_MAC_LEN];
	int peer_netns; /* descriptor, or -1 for the same namespace */
	int mtu;
	bool no_gso;
};

/** bo_rtnl_msg_new() - a request with NLM_F_ACK and @flags that begins with @head, of @len bytes;  Return: [owned], NULL: no
 * memory */
struct nl_msg *bo_rtnl_msg_new(int type, int flags, const void *head, size_t len);
/* Each appends one request; what went wrong while building is reported by bo_rtnl_batch_send(). */
/** bo_rtnl_batch_add() - any other request, with NLM_F_ACK;  @msg: [consumed], NULL is fine when the caller has said so
 * @fmt: what it does, for an error */
void bo_rtnl_batch_add(struct bo_rtnl_batch *b, struct nl_msg *msg, const char *fmt, ...)
	BO_PRINTF(3, 4);
/** @mtu, @queue_packets: 0 leaves them as they are */
void bo_rtnl_link_up(struct bo_rtnl_batch *b, int ifindex, int mtu, int queue_packets);
void bo_rtnl_addr_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *addr);
/** bo_rtnl_route_add() - @dst straight out of @ifindex, with source address @src (its prefix is ignored) */
void bo_rtnl_route_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *dst,
		       const struct bo_rtnl_addr *src);
/** bo_rtnl_neigh_add() - a permanent neighbour, so that neither ARP nor ND has to get through */
void bo_rtnl_neigh_add(struct bo_rtnl_batch *b, int ifindex, const struct bo_rtnl_addr *addr,
		       const uint8_t mac[BO_RTNL_MAC_LEN]);
void bo_rtnl_veth_add(struct bo_rtnl_batch *b, const struct bo_rtnl_veth *veth);

/**
 * bo_rtnl_batch_send() - send what was appended, wait for every acknowledgement, and empty the batch
 * Return: 0, or the first failure, with the kernel's extended-ack text; later requests were carried out regardless
 */
BO_NODISCARD int bo_rtnl_batch_send(struct bo_rtnl_batch *b, struct nl_sock *sock,
				    struct bo_err *err);
void bo_rtnl_batch_done(struct bo_rtnl_batch *b);
