/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/nfqueue.h — packets that the kernel holds until somebody says what becomes of them
 * (linux/netfilter/nfnetlink_queue.h).
 * The socket and configuration are libnl's; packets and verdicts are encoded here: libnl-nf knows neither
 * NFQA_CFG_FLAGS (fail open) nor verdicts without an allocation per packet.
 * A queue fails open: packets that cannot be handed over, because it or the socket is full, go on as if there were no
 * queue, and are counted by the gap that they leave in the numbers.  When the socket closes, packets that are held
 * are dropped by the kernel, and later ones bypass the queue if their rule says so.
 * Super-packets are cut by the kernel before they come here, and checksums are complete.
 * Owns: the socket.  Threads: one per socket.  Privilege: CAP_NET_ADMIN over the namespace, also for every verdict. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

struct bo_nfq;

/** struct bo_nfq_packet - one packet, held; @data: from the IP header on, [borrowed: during the call] */
struct bo_nfq_packet {
	uint16_t queue;
	uint32_t id;
	const uint8_t *data;
	size_t len;
};
typedef void (*bo_nfq_fn)(const struct bo_nfq_packet *packet, void *arg);

/** bo_nfq_open() - a socket of the *current* namespace;  -ENOTSUP: the kernel has no nfnetlink_queue */
BO_NODISCARD int bo_nfq_open(struct bo_nfq **ret, struct bo_err *err);
/** bo_nfq_close() - drops what is held; NULL is fine */
void bo_nfq_close(struct bo_nfq *q);
int bo_nfq_fd(const struct bo_nfq *q);
/** bo_nfq_bind() - make queue @number ours, for up to @max_packets held at a time;  -EBUSY: it is somebody else's */
BO_NODISCARD int bo_nfq_bind(struct bo_nfq *q, uint16_t number, uint32_t max_packets,
			     struct bo_err *err);
/** bo_nfq_unbind() - drops what is held in it */
BO_NODISCARD int bo_nfq_unbind(struct bo_nfq *q, uint16_t number, struct bo_err *err);
/**
 * bo_nfq_recv() - call @fn for what has come, without waiting, for at most some hundred packets
 * Return: how many there were; -errno
 */
int bo_nfq_recv(struct bo_nfq *q, bo_nfq_fn fn, void *arg, struct bo_err *err);
/** bo_nfq_accept() - let it go on; @data: instead of what it held, NULL to leave it */
BO_NODISCARD int bo_nfq_accept(struct bo_nfq *q, uint16_t number, uint32_t id, const void *data,
			       size_t len);
BO_NODISCARD int bo_nfq_drop(struct bo_nfq *q, uint16_t number, uint32_t id);
/** bo_nfq_missed() - verdicts about packets that the kernel no longer held: a hook of the namespace was taken out
 * meanwhile (somebody changed its firewall), and then the kernel drops all that is queued */
uint64_t bo_nfq_missed(const struct bo_nfq *q);
