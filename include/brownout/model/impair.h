/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/impair.h — what one direction of a link does to its packets.
 * One model for every driver; the words are those of tc-netem(8), and so are the meanings: what netem does with a
 * parameter, the wire does with it too.
 * Owns: nothing (plain record; @table and @trace are borrowed).  Threads: copy it.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"

/** enum bo_dir - a direction of link (a, b); a fault on both is applied to each on its own */
enum bo_dir { BO_DIR_A_TO_B, BO_DIR_B_TO_A, BO_DIR_COUNT };

#define BO_PPM_ALL 1000000

/** enum bo_dist - how a value is spread around its mean.  UNIFORM: within mean ± jitter.  The others: jitter is the
 * standard deviation, and nothing lies further out than 4 of them (what netem's tables can hold) */
enum bo_dist {
	BO_DIST_UNIFORM,
	BO_DIST_NORMAL,
	BO_DIST_PARETO,       /* shape 3, shifted and scaled to mean 0 and standard deviation 1 */
	BO_DIST_PARETONORMAL, /* 1/4 normal + 3/4 Pareto, as iproute2 mixes them */
	BO_DIST_TABLE,        /* measured: from a file */
	BO_DIST_COUNT,
};
/** bo_dist_name() - "uniform", "normal", "pareto", "paretonormal", "table" */
const char *bo_dist_name(enum bo_dist dist);
/** bo_dist_quantile() - of the distributions with a formula; @p: 0 … 1;  Return: in standard deviations, -4 … 4
 * (UNIFORM: in jitters, -1 … 1) */
double bo_dist_quantile(enum bo_dist dist, double p);

/** A table holds quantiles at (i + 1/2) / BO_DIST_TABLE_LEN, in units of the standard deviation / BO_DIST_SCALE
 * (NETEM_DIST_SCALE of linux/pkt_sched.h; 4096 entries are what iproute2's tables have). */
#define BO_DIST_TABLE_LEN 4096
#define BO_DIST_SCALE 8192
struct bo_dist_table {
	int16_t at[BO_DIST_TABLE_LEN];
};
/** bo_dist_fill() - the table of a distribution with a formula other than UNIFORM */
void bo_dist_fill(enum bo_dist dist, struct bo_dist_table *ret);
/** bo_dist_standard() - [borrowed: for ever] the same, made once (some ten milliseconds; any thread); NULL for UNIFORM
 * and TABLE */
const struct bo_dist_table *bo_dist_standard(enum bo_dist dist);

/** enum bo_loss_model - how losses follow one another; keep in step with bo_loss_model_name() */
enum bo_loss_model {
	BO_LOSS_RANDOM, /* each packet on its own, or correlated with the one before it */
	BO_LOSS_GE,     /* Gilbert–Elliott: two states, each with its own loss */
	BO_LOSS_STATE,  /* the four-state Markov chain of netem (Salsano et al., "GI" in the kernel) */
	BO_LOSS_MODEL_COUNT,
};
/** bo_loss_model_name() - "random", "gemodel", "state" */
const char *bo_loss_model_name(enum bo_loss_model model);

/** struct bo_chance - how often something happens to a packet, in parts per million
 * @corr_ppm: correlation of the draw with the one before: draw = new × (1 - corr) + last × corr, as netem has it; the
 *            share that comes out is then no longer exactly @ppm */
struct bo_chance {
	int64_t ppm;
	int64_t corr_ppm;
};

/**
 * struct bo_loss - zero means: no loss
 * @random: [RANDOM]
 * @p_ppm, @r_ppm: [GE] good → bad and bad → good
 * @bad_loss_ppm: [GE] loss in the bad state (tc's 1-h);  @good_loss_ppm: loss in the good state (tc's 1-k)
 * @p13_ppm … @p14_ppm: [STATE] transitions; 1 received within a gap, 2 received within a burst, 3 lost within a burst,
 *                      4 lost on its own within a gap
 */
struct bo_loss {
	enum bo_loss_model model;
	struct bo_chance random;
	int64_t p_ppm, r_ppm, bad_loss_ppm, good_loss_ppm;
	int64_t p13_ppm, p31_ppm, p32_ppm, p23_ppm, p14_ppm;
};

/**
 * struct bo_slot - packets are held and let go in bursts (a radio's turn, interrupt coalescing); zero means: none
 * @min_ns, @max_ns: from one burst to the next, uniform in between
 * @packets, @bytes: most that goes in one burst; 0 no bound
 */
struct bo_slot {
	int64_t min_ns, max_ns;
	int64_t packets, bytes;
};

/**
 * struct bo_trace - when a link may send, in mahimahi's format: each entry is one chance to deliver
 * BO_TRACE_MTU bytes; the trace begins anew after the last entry
 * @at_ms: ascending, milliseconds since the start
 */
#define BO_TRACE_MTU 1504 /* mahimahi's PACKET_SIZE: 1500 bytes of IP and 4 of its TUN header */
struct bo_trace {
	const char *name;
	const uint32_t *at_ms;
	uint32_t count;
};

/**
 * struct bo_impair - zero means: not impaired
 * @delay_ns: one-way delay of this direction
 * @jitter_ns: spread of the delay as @dist says; <= delay.  Every packet draws its own, so packets whose gap is smaller
 *             than the jitter overtake each other (as netem does) unless @in_order
 * @delay_corr_ppm: correlation of a packet's delay with that of the one before it
 * @table: [TABLE, borrowed] the measured distribution
 * @in_order: a packet never overtakes another; only the wire can do that
 * @duplicate, @corrupt: share sent twice; share with one bit flipped behind the sender's checksum
 * @reorder: share that is sent at once, ahead of those that are being delayed; needs a delay
 * @reorder_gap: only every n-th packet is a candidate; 0 and 1: every packet
 * @rate_bps: bits per second at the IP layer; 0 is unlimited
 * @rate_overhead: bytes added to (or, negative, taken from) each packet when it is charged
 * @rate_cell_bytes, @rate_cell_overhead: a packet is charged for whole cells of that size plus overhead per cell (ATM:
 *             48 and 5)
 * @trace: [borrowed] the rate as a trace of delivery chances, instead of @rate_bps
 * @limit_packets: queue limit; 0 lets the driver size it from rate × delay so that it never drops by accident
 * @blackhole: every packet vanishes, SYN and ICMP too; wins over everything else
 */
struct bo_impair {
	int64_t delay_ns;
	int64_t jitter_ns;
	int64_t delay_corr_ppm;
	enum bo_dist dist;
	const struct bo_dist_table *table;
	bool in_order;
	struct bo_loss loss;
	struct bo_chance duplicate;
	struct bo_chance corrupt;
	struct bo_chance reorder;
	int64_t reorder_gap;
	int64_t rate_bps;
	int64_t rate_overhead;
	int64_t rate_cell_bytes, rate_cell_overhead;
	struct bo_slot slot;
	const struct bo_trace *trace;
	int64_t limit_packets;
	bool blackhole;
};

/** bo_loss_is_none() - can no packet be lost? */
bool bo_loss_is_none(const struct bo_loss *loss);
/** bo_loss_expected() - the long-run share of lost packets, 0 … 1 (of RANDOM without regard to its correlation) */
double bo_loss_expected(const struct bo_loss *loss);
/** bo_impair_is_none() - does it nothing to any packet?  (A limit alone does nothing.) */
bool bo_impair_is_none(const struct bo_impair *im);
/** bo_impair_per_packet() - must super-packets be segmented, because each packet gets its own fate or slot? */
bool bo_impair_per_packet(const struct bo_impair *im);
bool bo_impair_equal(const struct bo_impair *a, const struct bo_impair *b);
/** bo_impair_check() - every field in its range, and none that needs another without it;  Return: 0 or -EINVAL with the
 * field, what was expected and what was found */
BO_NODISCARD int bo_impair_check(const struct bo_impair *im, struct bo_err *err);
