/* SPDX-License-Identifier: Apache-2.0 */
/* sys/netem_encode.c — an impairment as the options of the netem qdisc.
 *
 * One rule governs the encoder: every message states the *whole* impairment, because netem keeps what
 * a change does not mention. How each part is taken off again (net/sched/sch_netem.c of 4.19 and 6.18):
 *   delay, jitter, limit, loss, duplicate, gap: in struct tc_netem_qopt, which is always there
 *   correlations, reorder, corrupt, rate, slot: by an attribute full of zeroes
 *   loss model: by leaving the attribute out
 *   distribution of the delay: not at all.  So every message with a jitter brings its table, the
 *   uniform one too, and where there is no jitter the kernel does not look at the table.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <math.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/sys/netem.h"

/* net/pkt_sched.h: PSCHED_SHIFT; the tick that struct tc_netem_qopt counts time in is 64 ns on
 * every kernel since 2.6.31 (/proc/net/psched says so to tc). */
#define PSCHED_TICK_NS 64

#define NETEM_LIMIT_FLOOR 1000u /* netem's own default */
#define NETEM_LIMIT_CEILING (1u << 20)
#define NETEM_GUESSED_BPS INT64_C(10000000000)
#define NETEM_SMALL_PACKET 64 /* bytes: pure ACKs and SYNs fill a queue counted in packets first */
#define IP_HEADER_MIN 20

uint32_t bo_netem_limit(const struct bo_impair *im, int mtu)
{
	double bps = im->rate_bps > 0 ? (double)im->rate_bps : (double)NETEM_GUESSED_BPS;
	double bytes = im->rate_bps > 0 || mtu < NETEM_SMALL_PACKET ? NETEM_SMALL_PACKET : mtu;
	double held_s = ((double)im->delay_ns + (double)im->jitter_ns + (double)im->slot.max_ns) /
			(double)BO_NSEC_PER_SEC;
	double packets;

	if (im->limit_packets > 0)
		return im->limit_packets > UINT32_MAX ? UINT32_MAX : (uint32_t)im->limit_packets;
	/* Packets under way, plus the standing queue that netem would allow by default. */
	packets = (double)NETEM_LIMIT_FLOOR + ceil(held_s * bps / (8 * bytes));
	return packets > NETEM_LIMIT_CEILING ? NETEM_LIMIT_CEILING : (uint32_t)packets;
}

const char *bo_netem_cannot(const struct bo_impair *im)
{
	if (im->in_order)
		return "netem cannot keep packets with jitter in order";
	if (im->trace)
		return "netem cannot follow a trace";
	if (im->jitter_ns > INT32_MAX)
		return "netem cuts jitter to 2.147 s";
	/* get_slot_next() multiplies it by 32 random bits in 63. */
	if (im->slot.max_ns - im->slot.min_ns > INT32_MAX)
		return "netem's slots overflow where min and max are more than 2.147 s apart";
	/* tabledist() takes the correlated draw modulo the length of the table, or of the interval:
	 * what is left are its low bits, and those do not hang together. */
	if (im->delay_corr_ppm && im->jitter_ns)
		return "netem takes a correlation of delays, but its delays do not correlate";
	if (im->rate_bps && im->rate_overhead < -IP_HEADER_MIN)
		return "netem cannot charge a packet less than nothing (overhead below -20 bytes)";
	if (im->rate_bps && im->rate_cell_bytes && im->rate_cell_bytes + im->rate_cell_overhead < 0)
		return "netem cannot charge a cell less than nothing";
	return NULL;
}

/** struct options - the payload of TCA_OPTIONS while it is built: struct tc_netem_qopt, then
 * attributes */
struct options {
	unsigned char bytes[sizeof(struct tc_netem_qopt) + 512 + sizeof(struct bo_dist_table)];
	size_t len;
};

static void put(struct options *options, int type, const void *data, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len),
			       .nla_type = (uint16_t)type };

	/* Callers put a fixed set of attributes that fits by far; libnl's nest helpers cannot put
	 * the bare struct that netem wants in front of them. */
	memcpy(options->bytes + options->len, &attr, sizeof(attr));
	memcpy(options->bytes + options->len + NLA_HDRLEN, data, len);
	options->len += NLA_ALIGN(NLA_HDRLEN + len);
}

static uint32_t ticks_of(int64_t ns)
{
	int64_t ticks = ns / PSCHED_TICK_NS;

	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

/** probability_of() - parts per million as netem wants them: 0 never, UINT32_MAX always */
static uint32_t probability_of(int64_t ppm)
{
	return (uint32_t)rint((double)ppm / BO_PPM_ALL * UINT32_MAX);
}

/** beside() - a probability that netem adds to @other in 32 bits: halves would round up to more than
 * all, which is nothing */
static uint32_t beside(uint32_t other, int64_t ppm)
{
	uint32_t p = probability_of(ppm);

	return p > UINT32_MAX - other ? UINT32_MAX - other : p;
}

static uint32_t clamp_u32(int64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static int32_t clamp_s32(int64_t n)
{
	return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

static void put_chances(struct options *options, const struct bo_impair *im)
{
	struct tc_netem_corr corr = {
		.loss_corr = probability_of(im->loss.random.corr_ppm),
		.dup_corr = probability_of(im->duplicate.corr_ppm),
	};
	struct tc_netem_reorder reorder = {
		.probability = probability_of(im->reorder.ppm),
		.correlation = probability_of(im->reorder.corr_ppm),
	};
	struct tc_netem_corrupt corrupt = {
		.probability = probability_of(im->corrupt.ppm),
		.correlation = probability_of(im->corrupt.corr_ppm),
	};

	put(options, TCA_NETEM_CORR, &corr, sizeof(corr));
	put(options, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	put(options, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
}

static void put_rate(struct options *options, const struct bo_impair *im)
{
	uint64_t bytes_per_s = ((uint64_t)im->rate_bps + 7) / 8;
	struct tc_netem_rate rate = { 0 };

	if (im->rate_bps) {
		/* A rate is that of the IP layer, but a qdisc sees the Ethernet header, too. */
		rate.packet_overhead = (int32_t)im->rate_overhead - ETH_HLEN;
		rate.cell_size = (uint32_t)im->rate_cell_bytes;
		rate.cell_overhead = im->rate_cell_bytes ? (int32_t)im->rate_cell_overhead : 0;
	}
	if (bytes_per_s > UINT32_MAX)
		put(options, TCA_NETEM_RATE64, &bytes_per_s, sizeof(bytes_per_s));
	/* RATE64 counts only where it exceeds RATE, and zero here is what lifts an earlier rate. */
	rate.rate = clamp_u32((int64_t)bytes_per_s);
	put(options, TCA_NETEM_RATE, &rate, sizeof(rate));
}

static void put_slot(struct options *options, const struct bo_slot *slot)
{
	struct tc_netem_slot s = { 0 };

	if (slot->max_ns) {
		s.min_delay = slot->min_ns;
		s.max_delay = slot->max_ns;
		s.max_packets = clamp_s32(slot->packets);
		s.max_bytes = clamp_s32(slot->bytes);
	}
	put(options, TCA_NETEM_SLOT, &s, sizeof(s));
}

static void put_loss_model(struct options *options, const struct bo_loss *loss)
{
	struct tc_netem_gemodel ge = {
		.p = probability_of(loss->p_ppm),
		.r = probability_of(loss->r_ppm),
		.h = UINT32_MAX - probability_of(loss->bad_loss_ppm), /* share that survives */
		.k1 = probability_of(loss->good_loss_ppm),
	};
	struct tc_netem_gimodel gi = {
		.p14 = probability_of(loss->p14_ppm),
		.p32 = probability_of(loss->p32_ppm),
		.p23 = probability_of(loss->p23_ppm),
	};
	unsigned char nest[NLA_HDRLEN + sizeof(gi)];
	struct nlattr attr = { 0 };
	bool is_ge = loss->model == BO_LOSS_GE;
	size_t len = is_ge ? sizeof(ge) : sizeof(gi);

	gi.p13 = beside(gi.p14, loss->p13_ppm);
	gi.p31 = beside(gi.p32, loss->p31_ppm);
	attr.nla_type = is_ge ? NETEM_LOSS_GE : NETEM_LOSS_GI;
	attr.nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy(nest, &attr, sizeof(attr));
	memcpy(nest + NLA_HDRLEN, is_ge ? (void *)&ge : (void *)&gi, len);
	put(options, TCA_NETEM_LOSS | NLA_F_NESTED, nest, NLA_HDRLEN + len);
}

static void fill_uniform(struct bo_dist_table *ret)
{
	const int step = 2 * BO_DIST_SCALE / BO_DIST_TABLE_LEN;

	for (int i = 0; i < BO_DIST_TABLE_LEN; i++)
		ret->at[i] = (int16_t)(step * i + step / 2 - BO_DIST_SCALE);
}

/** put_table() - the quantiles of the delay, which every jitter brings along (see the top) */
static void put_table(struct options *options, const struct bo_impair *im)
{
	const struct bo_dist_table *table = im->dist == BO_DIST_TABLE ? im->table
								      : bo_dist_standard(im->dist);
	struct bo_dist_table uniform;

	if (!table)
		fill_uniform(&uniform);
	put(options, TCA_NETEM_DELAY_DIST, table ? table : &uniform, sizeof(uniform));
}

static void fill(struct options *options, const struct bo_impair *im, int mtu)
{
	struct tc_netem_qopt qopt = { .limit = bo_netem_limit(im, mtu),
				      .latency = ticks_of(im->delay_ns),
				      .jitter = ticks_of(im->jitter_ns) };

	options->len = sizeof(qopt);
	qopt.loss = probability_of(im->loss.random.ppm);
	qopt.duplicate = probability_of(im->duplicate.ppm);
	/* A gap of 1 makes every packet a candidate; without a gap none is. */
	if (im->reorder.ppm)
		qopt.gap = im->reorder_gap > 1 ? clamp_u32(im->reorder_gap) : 1;
	put_chances(options, im);
	put_rate(options, im);
	/* These win over the 32-bit fields, which end at 274 s and are cut to 64 ns. */
	put(options, TCA_NETEM_LATENCY64, &im->delay_ns, sizeof(im->delay_ns));
	put(options, TCA_NETEM_JITTER64, &im->jitter_ns, sizeof(im->jitter_ns));
	put_slot(options, &im->slot);
	if (im->blackhole) {
		/* A loss takes one of the copies, so there must be only one.  And no model. */
		qopt.loss = UINT32_MAX;
		qopt.duplicate = 0;
	} else if (im->loss.model != BO_LOSS_RANDOM) {
		qopt.loss = 0;
		put_loss_model(options, &im->loss);
	}
	if (im->jitter_ns)
		put_table(options, im);
	memcpy(options->bytes, &qopt, sizeof(qopt));
}

int bo_netem_encode_seeded(struct nl_msg *msg, const struct bo_impair *im, int mtu, uint64_t seed,
			   struct bo_err *err)
{
	struct options options;
	const char *cannot;

	if (bo_impair_check(im, err) < 0)
		return -EINVAL;
	cannot = bo_netem_cannot(im);
	if (cannot)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "%s", cannot);
	fill(&options, im, mtu);
	if (seed)
		put(&options, BO_NETEM_PRNG_SEED, &seed, sizeof(seed));

	/* A message of libnl's own size, a page, does not hold a table. */
	if (nlmsg_expand(msg, nlmsg_hdr(msg)->nlmsg_len + sizeof(options) + 64) == -NLE_NOMEM ||
	    nla_put_string(msg, TCA_KIND, "netem") < 0 ||
	    nla_put(msg, TCA_OPTIONS, (int)options.len, options.bytes) < 0)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "netem: the netlink message is full");
	return 0;
}

int bo_netem_encode(struct nl_msg *msg, const struct bo_impair *im, int mtu, struct bo_err *err)
{
	return bo_netem_encode_seeded(msg, im, mtu, 0, err);
}
