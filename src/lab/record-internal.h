/* SPDX-License-Identifier: Apache-2.0 */
/* lab/record-internal.h — what the wire says of each packet to who records it.
 * Owns: nothing.  Threads: the wire's.  Privilege: none. */
#pragma once
#include "brownout/lab/record.h"
#include "wire-internal.h"

/* Number of a packet that was dropped before it was judged: the wire's own memory was full. */
#define BO_RECORD_UNNUMBERED UINT64_MAX

/**
 * bo_record_put() - the wire's thread only; never waits, never fails
 * @packets: how many a super-packet stands for
 * @copy: what becomes of its duplicate, or NULL
 */
void bo_record_put(struct bo_record *record, enum bo_dir dir, int64_t now_ns,
		   const struct bo_wire_packet *packet, uint32_t packets,
		   const struct bo_wire_outcome *out, const struct bo_wire_outcome *copy);

/**
 * bo_record_text() - the comment of a packet that arrived at @at_ns:
 * "flow 1f packet 12: delay 12.345678 ms, bit 171 flipped, ahead; copy: lost"
 * Of those that were dropped nothing but how: "lost", "blackholed", "overflow".
 */
void bo_record_text(int64_t at_ns, uint32_t packets, const struct bo_wire_outcome *out,
		    const struct bo_wire_outcome *copy, char *buf, size_t size);
