/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/netem.h — the netem qdisc over rtnetlink.
 * libnl carries the messages; TCA_NETEM_* is encoded here because libnl 3.7 lacks 64-bit delay, rate, slot and seed
 * (include/uapi/linux/pkt_sched.h).
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network namespace. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"

struct nl_sock;
struct nl_msg;

#define BO_NETEM_HANDLE 0xb0070000u /* root handle b007: */
#define BO_NETEM_PRNG_SEED 14 /* TCA_NETEM_PRNG_SEED, include/uapi/linux/pkt_sched.h since 6.6 */

/** bo_netem_limit() - packets of queue so that rate × delay never overflows by accident (netem's own default is 1000) */
uint32_t bo_netem_limit(const struct bo_impair *im, int mtu);
/** bo_netem_cannot() - why no kernel's netem does @im ("netem cannot follow a trace"), or NULL when it does */
const char *bo_netem_cannot(const struct bo_impair *im);
/**
 * bo_netem_encode() - append TCA_KIND and TCA_OPTIONS for @im to an RTM_NEWQDISC message; pure
 * The message grows as it must (a jitter brings a table of 8 KiB).  A rate is charged at the IP layer: the 14 bytes of
 * the Ethernet header, which a qdisc on veth, lo and Ethernet counts, are taken off.
 * Return: 0; -EINVAL: see bo_impair_check(); -ENOTSUP: see bo_netem_cannot(); -ENOMEM
 */
BO_NODISCARD int bo_netem_encode(struct nl_msg *msg, const struct bo_impair *im, int mtu,
				 struct bo_err *err);
/** bo_netem_encode_seeded() - with the seed of netem's random numbers (TCA_NETEM_PRNG_SEED, since 6.6; older kernels
 * skip it); 0: the kernel's own */
BO_NODISCARD int bo_netem_encode_seeded(struct nl_msg *msg, const struct bo_impair *im, int mtu,
					uint64_t seed, struct bo_err *err);
/**
 * bo_netem_install() - make netem the root qdisc of @ifindex, without impairment, so that a later change is one
 * atomic RTM_NEWQDISC with NLM_F_REPLACE on an existing qdisc
 */
BO_NODISCARD int bo_netem_install(struct nl_sock *sock, int ifindex, int mtu, struct bo_err *err);
/** bo_netem_change() - replace the whole impairment of @ifindex's egress in one message: every packet meets the old one
 * or the new one; what is queued keeps the time that it got */
BO_NODISCARD int bo_netem_change(struct nl_sock *sock, int ifindex, int mtu,
				 const struct bo_impair *im, struct bo_err *err);
/** bo_netem_change_seeded() - the same, and netem's random numbers begin anew from @seed where bo_netem_probe() says so:
 * loss, duplication, reordering, the choice of corrupted packets and delays then repeat for the same sequence of packets
 * (not the corrupted bit, the length of a slot and where a correlation begins) */
BO_NODISCARD int bo_netem_change_seeded(struct nl_sock *sock, int ifindex, int mtu,
					const struct bo_impair *im, uint64_t seed,
					struct bo_err *err);
/** bo_netem_remove() - back to the default qdisc; no error when there is none */
BO_NODISCARD int bo_netem_remove(struct nl_sock *sock, int ifindex, struct bo_err *err);

/**
 * bo_netem_probe() - install netem on @ifindex, put every part of the model in force, take all off again, and compare what
 * the kernel says each time: kernels skip attributes that they do not know
 * @ret_seeded: does it take a seed?
 * Return: 0; -ENOTSUP with the part that is missing, or no sch_netem at all
 */
BO_NODISCARD int bo_netem_probe(struct nl_sock *sock, int ifindex, int mtu, bool *ret_seeded,
				struct bo_err *err);

/** struct bo_netem_stats - since the qdisc was made (struct gnet_stats_basic, gnet_stats_queue); bytes with Ethernet's header */
struct bo_netem_stats {
	uint64_t packets, bytes, drops, overlimits, backlog_packets;
};
/** bo_netem_stats() - -ENOENT: the root qdisc of @ifindex is no netem */
BO_NODISCARD int bo_netem_stats(struct nl_sock *sock, int ifindex, struct bo_netem_stats *ret,
				struct bo_err *err);
