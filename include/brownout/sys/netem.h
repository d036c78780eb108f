/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/netem.h — the netem qdisc over rtnetlink.
 * libnl carries the messages; TCA_NETEM_* is encoded here because libnl 3.7 lacks 64-bit delay, rate, slot and seed
 * (include/uapi/linux/pkt_sched.h).
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network namespace. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"

struct nl_sock;
struct nl_msg;

#define BO_NETEM_HANDLE 0xb0070000u /* root handle b007: */

/** bo_netem_limit() - packets of queue so that rate × delay never overflows by accident (netem's own default is 1000) */
uint32_t bo_netem_limit(const struct bo_impair *im, int mtu);
/** bo_netem_encode() - append TCA_KIND and TCA_OPTIONS for @im to an RTM_NEWQDISC message; pure */
BO_NODISCARD int bo_netem_encode(struct nl_msg *msg, const struct bo_impair *im, int mtu,
				 struct bo_err *err);
/**
 * bo_netem_install() - make netem the root qdisc of @ifindex, without impairment, so that a later change is one
 * atomic RTM_NEWQDISC with NLM_F_REPLACE on an existing qdisc
 */
BO_NODISCARD int bo_netem_install(struct nl_sock *sock, int ifindex, int mtu, struct bo_err *err);
/** bo_netem_change() - replace the whole impairment of @ifindex's egress in one message */
BO_NODISCARD int bo_netem_change(struct nl_sock *sock, int ifindex, int mtu,
				 const struct bo_impair *im, struct bo_err *err);
/** bo_netem_remove() - back to the default qdisc; no error when there is none */
BO_NODISCARD int bo_netem_remove(struct nl_sock *sock, int ifindex, struct bo_err *err);

struct bo_netem_stats {
	uint64_t packets, bytes, drops, overlimits, backlog_packets;
};
BO_NODISCARD int bo_netem_stats(struct nl_sock *sock, int ifindex, struct bo_netem_stats *ret,
				struct bo_err *err);
