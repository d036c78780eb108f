/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/impair.h — what one direction of a link does to its packets.
 * One model for every driver; the words are those of tc-netem(8).
 * Owns: nothing (plain record).  Threads: copy it.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/** enum bo_dir - a direction of link (a, b); a fault on both is applied to each on its own */
enum bo_dir { BO_DIR_A_TO_B, BO_DIR_B_TO_A, BO_DIR_COUNT };

#define BO_PPM_ALL 1000000

/**
 * struct bo_impair - zero means: not impaired
 * @delay_ns: one-way delay of this direction
 * @jitter_ns: uniform in delay ± jitter; <= delay.  Packets keep their order on the wire driver;
 *             netem reorders when jitter exceeds the gap between packets
 * @loss_ppm: random, independent loss, in parts per million of packets (0 … 1e6)
 * @rate_bps: bits per second at the IP layer; 0 is unlimited
 * @limit_packets: queue limit; 0 lets the driver size it from rate × delay so that it never drops by accident
 * @blackhole: every packet vanishes, SYN and ICMP too; wins over everything else
 */
struct bo_impair {
	int64_t delay_ns;
	int64_t jitter_ns;
	int64_t loss_ppm;
	int64_t rate_bps;
	int64_t limit_packets;
	bool blackhole;
};

static inline bool bo_impair_is_none(const struct bo_impair *im)
{
	return !im->delay_ns && !im->jitter_ns && !im->loss_ppm && !im->rate_bps && !im->blackhole;
}

/** bo_impair_per_packet() - must super-packets be segmented, because each packet gets its own fate or slot? */
static inline bool bo_impair_per_packet(const struct bo_impair *im)
{
	return im->loss_ppm > 0 || im->jitter_ns > 0 || im->rate_bps > 0;
}
