/* SPDX-License-Identifier: Apache-2.0 */
/* lab/record-internal.h — what the wire says of each packet to who records it.
 * Owns: nothing.  Threads: the wire's.  Privilege: none. */
#pragma once
#include "brownout/lab/record.h"
#include "wire-internal.h"

/**
 * struct bo_record_fate - @flow, @number: which packet it is, as its fate hangs on it
 * @delay_ns: from its arrival until it is due;  only when it passes
 */
struct bo_record_fate {
	uint64_t flow;
	uint64_t number;
	int64_t delay_ns;
	struct bo_wire_outcome outcome;
};

/** bo_record_put() - the wire's thread only; never waits, never fails
 * @packets: how many a super-packet stands for */
void bo_record_put(struct bo_record *record, enum bo_dir dir, int64_t now_ns,
		   const struct bo_wire_packet *packet, uint32_t packets,
		   const struct bo_record_fate *fate);
/** bo_record_text() - the comment of a packet: "flow 1f packet 12: delay 12.345678 ms" */
void bo_record_text(const struct bo_record_fate *fate, uint32_t packets, char *buf, size_t size);
