/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_stamp.h — which stamp of the kernel (sys/tun_stamp.h) belongs to which packet that was read?
 *
 * A stamp is believed only where it cannot make a packet early:
 *   - stamps and packets come in the same order, so the next stamp is taken if length and identification agree; up to
 *     BO_WIRE_STAMP_LOOK others, of packets that were stamped and then dropped, are passed over;
 *   - the kernel drops on a full queue, which would leave a stamp that the next packet of the same looks takes.  The
 *     queue is longer than BO_WIRE_STAMP_BEHIND (its default is 500): while more stamps wait than that, none is believed
 *     until the queue has been empty;
 *   - a packet came after the one before it, after the queue was last seen empty, and before now.
 * Without a stamp that is believed the packet came now, when it was read.
 *
 * Owns: nothing.  Threads: the wire's own.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/sys/tun_stamp.h"

#define BO_WIRE_STAMP_LOOK 16
#define BO_WIRE_STAMP_BEHIND 448

/**
 * struct bo_wire_stamper - zero-initialise
 * @stamps: [borrowed] of the device, NULL: without
 * @next: how many packets of the device are accounted for
 * @floor_ns: no packet that is still to be read can have come before
 * @behind: too many stamps wait: wait until the queue has been empty
 * @exact, @read: packets with a stamp, and those that were taken for coming when they were read
 */
struct bo_wire_stamper {
	const struct bo_tun_stamps *stamps;
	uint64_t next;
	int64_t floor_ns;
	bool behind;
	uint64_t exact;
	uint64_t read;
};

/** bo_wire_stamp_take() - when the packet that has just been read came;  @ip: without virtio header
 * @now_ns: CLOCK_MONOTONIC after it was read;  Return: at most that, and never before what was said of the last one */
int64_t bo_wire_stamp_take(struct bo_wire_stamper *stamper, int64_t now_ns, const uint8_t *ip,
			   size_t len);
/** bo_wire_stamp_count() - to be called before a read that may find the queue empty, for bo_wire_stamp_empty() */
static inline uint64_t bo_wire_stamp_count(const struct bo_wire_stamper *stamper)
{
	return stamper->stamps ? atomic_load_explicit(&stamper->stamps->count, memory_order_acquire)
			       : 0;
}
/** bo_wire_stamp_empty() - the queue was found empty at @now_ns, after bo_wire_stamp_count() had said @count */
void bo_wire_stamp_empty(struct bo_wire_stamper *stamper, uint64_t count, int64_t now_ns);
