/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_fate.c — what becomes of a packet: lost, late, or queued behind others.  Pure
 * arithmetic, no clock.
 *
 * A direction is a transmitter, a queue in front of it and a cable behind it:
 *   loss      decided on arrival, before the packet takes a place in the queue (as netem does);
 *   rate      the transmitter sends one packet after the other, each takes size × 8 / rate;
 *   delay     then the cable, delay ± jitter;
 *   limit     packets in queue and cable together; what comes beyond it is dropped (tail drop).
 * A cable does not reorder: a packet that drew a short jitter waits for the one before it.  With
 * traffic so dense that packets are closer than the jitter is wide, everything therefore drifts
 * towards delay + jitter.
 *
 * Chance comes from a hash of (seed, stream, direction, packet number, purpose) and nothing else,
 * so a run with the same seed gives the n-th packet of a direction the same fate, whenever it
 * comes.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/sys/netem.h"
#include "wire-internal.h"

/* The MTU of our TUN devices; it only sizes the queue. */
#define WIRE_MTU 1500

enum chance { CHANCE_LOSS, CHANCE_JITTER, CHANCE_COUNT };

/** chance() - uniform in [0, 1) for one purpose of packet @number */
static double chance(const struct bo_wire_line *line, uint64_t number, enum chance purpose)
{
	return (double)(bo_mix64(line->key ^ bo_mix64(number * CHANCE_COUNT + purpose)) >> 11) *
	       0x1p-53;
}

void bo_wire_line_init(struct bo_wire_line *line, uint64_t seed, uint64_t stream, enum bo_dir dir)
{
	*line = (struct bo_wire_line){
		.key = bo_mix64(bo_mix64(seed) ^ bo_mix64(~stream) ^ ((uint64_t)dir + 1)),
		.limit_packets = bo_netem_limit(&(struct bo_impair){ 0 }, WIRE_MTU),
	};
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/** serialise() - occupy the transmitter from @now_ns on; returns when the last bit is out */
static int64_t serialise(struct bo_wire_line *line, int64_t now_ns, size_t bytes)
{
	if (!line->im.rate_bps)
		return now_ns;
	line->free_ns =
		max64(line->free_ns, now_ns) +
		(int64_t)((double)bytes * 8 * (double)BO_NSEC_PER_SEC / (double)line->im.rate_bps);
	return line->free_ns;
}

/** keep_order() - no frame is due before the one in front of it */
static int64_t keep_order(struct bo_wire_line *line, int64_t due_ns)
{
	line->last_due_ns = max64(line->last_due_ns, due_ns);
	return line->last_due_ns;
}

void bo_wire_line_next(struct bo_wire_line *line, int64_t now_ns,
		       const struct bo_wire_packet *packet, uint32_t packets,
		       uint64_t queued_packets, struct bo_wire_outcome *ret)
{
	const struct bo_impair *im = &line->im;
	uint64_t number = line->number;
	int64_t due;

	*ret = (struct bo_wire_outcome){ .fate = BO_WIRE_PASS, .due_ns = now_ns };
	line->number += packets;
	if (im->blackhole) {
		ret->fate = BO_WIRE_BLACKHOLED;
		return;
	}
	if (im->loss.random.ppm &&
	    chance(line, number, CHANCE_LOSS) * BO_PPM_ALL < (double)im->loss.random.ppm) {
		ret->fate = BO_WIRE_LOST;
		return;
	}
	/* An unimpaired line has no queue of its own to overflow: what waits there waits for the
	 * receiver. */
	if (!bo_impair_is_none(im) && queued_packets + packets > line->limit_packets) {
		ret->fate = BO_WIRE_OVERFLOWED;
		return;
	}
	due = serialise(line, now_ns, packet->len) + im->delay_ns;
	if (im->jitter_ns)
		due += (int64_t)((chance(line, number, CHANCE_JITTER) * 2 - 1) *
				 (double)im->jitter_ns);
	ret->due_ns = keep_order(line, due);
}

/** struct retime - see bo_wire_line_change() */
struct retime {
	struct bo_wire_line *line;
	int64_t now_ns;
	int64_t on_cable_until_ns;
};

static void retime_one(struct bo_wire_frame *frame, void *arg)
{
	struct retime *re = arg;
	int64_t start = re->now_ns;
	int64_t due;

	/* A frame that the old transmitter had not sent yet goes through the new one. */
	if (frame->due_ns > re->on_cable_until_ns)
		start = serialise(re->line, start, frame->len - BO_WIRE_HDR_LEN);
	due = start + re->line->im.delay_ns;
	if (due < frame->due_ns)
		frame->due_ns = due;
	frame->due_ns = keep_order(re->line, frame->due_ns);
}

/*
 * Frames keep their due time unless the new impairment would deliver them sooner.  Without that,
 * lifting a delay of 10 s would leave the link slow for 10 s more, because the wire keeps order and
 * everything new waits behind the old; and a full queue of a lifted 64 kbit/s would take minutes to
 * drain.
 */
uint64_t bo_wire_line_change(struct bo_wire_line *line, const struct bo_impair *im, int64_t now_ns,
			     struct bo_wire_queue *queue)
{
	struct retime re = {
		.line = line,
		.now_ns = now_ns,
		.on_cable_until_ns = now_ns + line->im.delay_ns + line->im.jitter_ns,
	};
	uint64_t dropped = 0;

	line->im = *im;
	line->limit_packets = bo_netem_limit(im, WIRE_MTU);
	line->free_ns = now_ns;
	line->last_due_ns = 0;
	if (im->blackhole) {
		dropped = queue->packets;
		bo_wire_queue_clear(queue);
	} else {
		bo_wire_queue_each(queue, retime_one, &re);
	}
	return dropped;
}
