/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/wire.h — the userspace wire: a thread that moves packets between two TUN devices through a
 * due-time queue per direction.
 * Owns: both descriptors, the thread, the queues.  Threads: one per wire.  Privilege: none (descriptors only). */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/conn.h"
#include "brownout/model/impair.h"

struct bo_wire;

/** bo_wire_new() - start moving packets, unimpaired.  @fd_a, @fd_b: [consumed] from bo_tun_open()
 * @seed, @stream: fates of packets depend on these, the direction, the packet's flow and its number in that */
BO_NODISCARD int bo_wire_new(struct bo_wire **ret, int fd_a, int fd_b, uint64_t seed,
			     uint64_t stream, struct bo_err *err);
/** bo_wire_new_stamped() - the same, with the times at which packets came to its devices: a delay then counts from there,
 * and not from when this thread got to read the packet
 * @tun, @stamps: [consumed] of ends a and b, the latter from bo_tun_stamp_open() or -1: without */
BO_NODISCARD int bo_wire_new_stamped(struct bo_wire **ret, const int tun[2], const int stamps[2],
				     uint64_t seed, uint64_t stream, struct bo_err *err);
/** bo_wire_impair() - replace the impairment of one direction between two packets; returns once it is in force
 * (packets already queued keep the due time that they got, unless the new impairment would deliver them sooner; on
 * blackhole they are dropped)
 * @im: what it borrows is needed until another impairment is in force */
BO_NODISCARD int bo_wire_impair(struct bo_wire *wire, enum bo_dir dir, const struct bo_impair *im,
				struct bo_err *err);
/** bo_wire_check() - does it still work?  Return: 0; -ENODEV when one of the devices is gone, another negative errno
 * when the thread could not go on; bo_wire_impair() says the same */
BO_NODISCARD int bo_wire_check(struct bo_wire *wire, struct bo_err *err);

/** bo_wire_rules_set() - replace the rules on connections, of both directions, between two packets; returns once they are
 * in force.  The first call begins to keep track of connections, with @n 0 too: a rule that is about connections which
 * exist knows those that were seen since then
 * @rules: [borrowed: for the call];  Return: -E2BIG beyond BO_CONN_RULES_MAX, -EINVAL */
BO_NODISCARD int bo_wire_rules_set(struct bo_wire *wire, const struct bo_conn_rule *rules, size_t n,
				   struct bo_err *err);
/** bo_wire_rules_read() - what a rule in force has done so far;  Return: -ENOENT without such a rule */
BO_NODISCARD int bo_wire_rules_read(struct bo_wire *wire, uint32_t id, struct bo_conn_counts *ret,
				    struct bo_err *err);

struct bo_record;
/** bo_wire_record() - from now on tell @record of every packet; [borrowed: until the wire is freed] */
void bo_wire_record(struct bo_wire *wire, struct bo_record *record);
struct bo_replay;
/** bo_wire_replay() - from now on packets have the fates of @replay, where it has one; [borrowed: likewise] */
void bo_wire_replay(struct bo_wire *wire, struct bo_replay *replay);

/**
 * struct bo_wire_stats - a super-packet counts as the packets that it stands for; bytes are those of IP
 * @overflowed: dropped because the queue was full (packets or bytes)
 * @refused: not taken by the receiving kernel (its device was down, or it had no memory)
 * @queued: waiting or under way now
 * @duplicated: copies made; what becomes of them counts like any packet, so that packets_in + duplicated =
 *              packets_out + lost + blackholed + overflowed + refused + ruled + queued
 * @corrupted: with a bit flipped;  @reordered: sent ahead of others
 * @ruled: dropped by a rule on connections;  @injected: segments that such a rule has forged
 * @stamped: frames read (super-packets count once) whose time of arrival is the kernel's own
 */
struct bo_wire_stats {
	uint64_t packets_in, bytes_in, packets_out, bytes_out, lost, blackholed, overflowed, queued,
		refused, duplicated, corrupted, reordered, ruled, injected, stamped;
};
/** bo_wire_stats() - since the wire was made (any thread); read one by one while packets go on, so sums are exact at rest only */
void bo_wire_stats(struct bo_wire *wire, enum bo_dir dir, struct bo_wire_stats *ret);
/** bo_wire_free() - stop the thread and close both devices, which removes them */
void bo_wire_free(struct bo_wire *wire);
