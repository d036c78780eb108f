/* SPDX-License-Identifier: Apache-2.0 */
/* lab/linkprobe-internal.h — what the prober remembers of one direction, and the arithmetic on it.
 * Owns: nothing.  Threads: under the prober's lock.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/lab/hands.h"
#include "brownout/lab/linkprobe.h"

/* The newest probes of a direction are kept: 655 s at 200/s. */
#define PROBE_RING (1u << 17)
#define TRAIN_RING 1024u

#define TRAIN_SCOUT_PACKETS 4u
#define TRAIN_FULL_MIN 16u
#define TRAIN_FULL_MAX 96u /* what fits into the default receive buffer, with a margin */
#define TRAIN_PAYLOAD 1200u

/** struct probe_log - both rings; the newest entry is number next - 1, entry n lives at n % size */
struct probe_log {
	struct bo_link_sample *probes;
	uint64_t next_probe;
	struct bo_link_train *trains;
	uint64_t next_train;
};

/** bo_probe_train_packets() - packets of a full train once a scout has seen @goodput_bps; 0: the
 * scout must do */
uint32_t bo_probe_train_packets(int64_t goodput_bps, int64_t packet_bits);
/** bo_probe_gap_ns() - pause between packets of @bits so that they take at most 2 % of @goodput_bps
 * (0: not known) */
int64_t bo_probe_gap_ns(int64_t goodput_bps, int64_t bits, int64_t least_ns, int64_t most_ns);
/** bo_probe_copy() - what was sent in [@from_ns, @to_ns); -ENOMEM */
int bo_probe_copy(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		  struct bo_link_samples *ret);
/** bo_probe_summarise() - see bo_linkprobe_measure(); -ENOMEM */
int bo_probe_summarise(const struct probe_log *log, int64_t from_ns, int64_t to_ns,
		       struct bo_link_measure *ret);
