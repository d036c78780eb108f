/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/divert.h — chosen packets of a device take a way through netem, all others none.
 *
 *   device ── clsact ── filter (cls_bpf) ── redirect ──▶ ifb ── prio b007: ── band ── tbf ── netem ──▶ back to the device
 *
 * Everything that holds packets is on an ifb of our own: the device's root qdisc, whatever it is, stays in its place.  On
 * the device are a clsact and filters, which are gone again afterwards.
 * tbf is there to cut super-packets (its rate is beyond reach, its burst one frame): netem gives one fate to what it is
 * handed, and TCP hands out 64 KiB at a time.
 * A classic BPF program compares the flow, since it follows IP options, which u32 does not; IPv6 packets with extension
 * headers and later fragments have no ports for it.
 * Sources: net/sched/{sch_ingress,cls_bpf,act_mirred,act_skbedit,sch_prio,sch_tbf}.c, drivers/net/ifb.c, tc-mirred(8).
 * Owns: nothing.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the socket's network namespace. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/attach.h"
#include "brownout/model/impair.h"

struct nl_sock;

#define BO_DIVERT_BANDS 16 /* TCQ_PRIO_BANDS */
#define BO_DIVERT_NAME_MAX 15

/** bo_divert_class() - what skb->priority (SO_PRIORITY) says of a packet on the ifb that is for @band, 0 … 15 */
uint32_t bo_divert_class(int band);

/** bo_divert_make() - the ifb @name with its prio, up; nothing goes there yet
 * -EEXIST; -ENOTSUP: the kernel lacks ifb or sch_prio */
BO_NODISCARD int bo_divert_make(struct nl_sock *sock, const char *name, int *ret_ifindex,
				struct bo_err *err);
/** bo_divert_remove() - with what it still holds, which is dropped; one that is gone is fine */
BO_NODISCARD int bo_divert_remove(struct nl_sock *sock, int ifb, struct bo_err *err);

/** bo_divert_lane_add() - tbf and netem in @band;  @mtu: the device's;  -ENOTSUP: the kernel lacks one of the two */
BO_NODISCARD int bo_divert_lane_add(struct nl_sock *sock, int ifb, int band, int mtu,
				    const struct bo_impair *im, struct bo_err *err);
/** bo_divert_lane_change() - in one step between two packets; what is held keeps the time that it got */
BO_NODISCARD int bo_divert_lane_change(struct nl_sock *sock, int ifb, int band, int mtu,
				       const struct bo_impair *im, struct bo_err *err);
/** bo_divert_lane_del() - with what it still holds, which is dropped */
BO_NODISCARD int bo_divert_lane_del(struct nl_sock *sock, int ifb, int band, struct bo_err *err);

/** struct bo_divert_count - of a band's netem;  @held: now;  @taken: packets that have come so far, those it lost as well */
struct bo_divert_count {
	uint64_t held;
	uint64_t taken;
};
/** bo_divert_count() - @band -1: of all bands;  -ENOENT: there is none */
BO_NODISCARD int bo_divert_count(struct nl_sock *sock, int ifb, int band,
				 struct bo_divert_count *ret, struct bo_err *err);

/** bo_divert_hook_free() - is there neither clsact nor ingress on @device, so that ours does not meddle with somebody's
 * filters?  -EBUSY: says what is there */
BO_NODISCARD int bo_divert_hook_free(struct nl_sock *sock, int device, struct bo_err *err);
/** bo_divert_hook_add() - a clsact; while the kernel puts it in, for about a millisecond, it drops what the device sends
 * (qdisc_graft(), dev_deactivate()): hold that back meanwhile
 * -EBUSY: somebody was faster; -ENOTSUP: the kernel has no sch_ingress */
BO_NODISCARD int bo_divert_hook_add(struct nl_sock *sock, int device, struct bo_err *err);
/** bo_divert_hook_del() - unless somebody has put filters of his own there meanwhile: then it stays; one that is gone is
 * fine.  Drops packets as bo_divert_hook_add() does */
BO_NODISCARD int bo_divert_hook_del(struct nl_sock *sock, int device, struct bo_err *err);

/** bo_divert_filter_add() - from now on the packets of @peer, which @device sends or (@inbound) receives, go to @band
 * -ENOTSUP: the kernel lacks cls_bpf, act_mirred or act_skbedit */
BO_NODISCARD int bo_divert_filter_add(struct nl_sock *sock, int device, int ifb, int band,
				      const struct bo_attach_peer *peer, bool inbound,
				      struct bo_err *err);
/** bo_divert_filter_del() - nothing goes to @band any more, which still lets go what it holds; no filter is fine */
BO_NODISCARD int bo_divert_filter_del(struct nl_sock *sock, int device, int band, bool inbound,
				      struct bo_err *err);

/** bo_divert_undo() - all of it in order: filters, what is held (for up to @drain_ns), clsact, the ifb @name;  @device: 0
 * none.  Whatever of it is gone is fine */
BO_NODISCARD int bo_divert_undo(struct nl_sock *sock, const char *name, int device,
				int64_t drain_ns, struct bo_err *err);

/** bo_divert_route() - the device by which the *current* namespace sends to @peer;  -ENOENT: there is no route, or @peer is
 * a network */
BO_NODISCARD int bo_divert_route(struct nl_sock *sock, const struct bo_attach_peer *peer,
				 int *ret_ifindex, struct bo_err *err);
