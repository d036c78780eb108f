/* SPDX-License-Identifier: Apache-2.0 */
/* lab/linkprobe-internal.h — what the prober remembers of one direction, and the arithmetic on it.
 * Owns: nothing.  Threads: under the prober's lock.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/lab/hands.h"

/* The newest probes of a direction are kept: 655 s at 200/s. */
#define PROBE_RING (1u << 17)
#define TRAIN_RING 1024u

#define TRAIN_SCOUT_PACKETS 4u
#define TRAIN_FULL_MIN 16u
#define TRAIN_FULL_MAX 96u /* what fits into the default receive buffer, with a margin */
#define TRAIN_PAYLOAD 1200u

/** struct probe_sent - one probe; @delay_ns is negative until it is seen at the other end */
struct probe_sent {
	int64_t sent_ns;
	int64_t delay_ns;
};

/** struct probe_train - packets sent back to back; @bits: what arrived after the first one, IP
 * header included */
struct probe_train {
	int64_t sent_ns;
	int64_t first_ns;
	int64_t last_ns;
	int64_t bits;
	uint32_t sent;
	uint32_t received;
};

/** struct probe_log - both rings; the newest entry is number next - 1, entry n lives at n % size */
struct probe_log {
	struct probe_sent *probes;
	uint64_t next_probe;
	struct probe_train *trains;
	uint64_t next_train;
};

/** bo_probe_train_goodput() - bits per second seen at the receiving end; 0 when too little arrived
 * to tell */
int64_t bo_probe_train_goodput(const struct probe_train *train);
/** bo_probe_train_packets() - packets of a full train once a scout has seen @goodput_bps; 0: the
 * scout must do */
uint32_t bo_probe_train_packets(int64_t goodput_bps, int64_t packet_bits);
/** bo_probe_gap_ns() - pause between packets of @bits so that they take at most 2 % of @goodput_bps
 * (0: not known) */
int64_t bo_probe_gap_ns(int64_t goodput_bps, int64_t bits, int64_t least_ns, int64_t most_ns);
/** bo_probe_summarise() - see bo_linkprobe_measure(); -ENOMEM */
int bo_probe_summarise(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		       struct bo_link_measure *ret);
