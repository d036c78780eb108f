/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/nftables.h — a table of our own that sends chosen packets to NFQUEUE, and nothing else of nftables.
 * libnl carries the messages; NFTA_* is encoded here, because libnl knows no nf_tables (linux/netfilter/nf_tables.h).
 * The table holds two base chains, for packets that enter and leave the namespace.  It is made, filled and removed in
 * one transaction each, and no other table is read or written.
 * Rules carry the bypass flag: where nobody listens to the queue, packets go on as if there were no rule.
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network namespace. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/attach.h"

struct nl_sock;

#define BO_NFT_TABLE_MAX 31

/**
 * struct bo_nft_flow - one direction of a peer's packets, and the queue that they go to
 * @inbound: from the peer to here; else from here to the peer
 * @interface: "" for any
 */
struct bo_nft_flow {
	struct bo_attach_peer peer;
	bool inbound;
	char interface[16];
	uint16_t queue;
};

/** bo_nft_open() - a NETLINK_NETFILTER socket of the *current* namespace; [owned] free with bo_nft_close() */
BO_NODISCARD int bo_nft_open(struct nl_sock **ret, struct bo_err *err);
/** bo_nft_close() - NULL is fine; sets *sock to NULL */
void bo_nft_close(struct nl_sock **sock);
/** bo_nft_make() - table and chains, without a rule;  -EEXIST, -ENOTSUP: the kernel has no nf_tables */
BO_NODISCARD int bo_nft_make(struct nl_sock *sock, const char *table, struct bo_err *err);
/** bo_nft_fill() - replace all rules of the table, in one transaction; the chains stay hooked
 * -ENOTSUP: the kernel has neither nft_queue nor xt_NFQUEUE */
BO_NODISCARD int bo_nft_fill(struct nl_sock *sock, const char *table,
			     const struct bo_nft_flow *flows, size_t n, struct bo_err *err);
/** bo_nft_exists() - false when it is known not to */
bool bo_nft_exists(struct nl_sock *sock, const char *table);
/**
 * bo_nft_remove() - the table with all that is in it; one that is gone is fine
 * The kernel then drops what is held in *every* queue of the namespace (nf_unregister_net_hook(), nfqnl_nf_hook_drop()):
 * let all packets go first, after bo_nft_fill() with none and a grace period.
 */
BO_NODISCARD int bo_nft_remove(struct nl_sock *sock, const char *table, struct bo_err *err);
