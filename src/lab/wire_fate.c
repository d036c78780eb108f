/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_fate.c — what becomes of a packet.  Pure arithmetic, no clock.
 *
 * The stations, in netem's order (net/sched/sch_netem.c, netem_enqueue()):
 *   duplicate  drawn first;  the copy is a packet of its own from loss on, with draws of its own, and
 *              goes before the original.  When the original is lost, it is just the original that
 *              goes, once;
 *   loss       wire_chain.c, before the packet takes a place in the queue;
 *   corrupt    which bit; wire_damage.c flips it;
 *   limit      packets in queue and cable together; what comes beyond it is dropped (tail drop);
 *   reorder    a packet that is to be ahead skips everything below, the rate too, and goes at once;
 *   delay      ± jitter, wire_chance.c: a packet with a short delay overtakes others;
 *   rate       or trace: the transmitter sends one packet after the other, wire_pace.c;
 *   slot       packets go in bursts, wire_pace.c;
 *   order      with in_order no packet goes before one that came before it: with traffic so dense
 *              that packets are closer than the jitter is wide, everything drifts to the longest
 *              delay.
 *
 * Chance hangs on (seed, link, direction, flow, number of the packet in its flow, purpose) and
 * nothing else (wire_chance.c, wire_flow.c).  Packets are counted whether or not the line is
 * impaired.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/sys/netem.h"
#include "wire-internal.h"

/* The MTU of our TUN devices; it only sizes the queue. */
#define WIRE_MTU 1500
/* How far beyond the delay a jitter reaches: bo_dist_quantile(). */
#define JITTERS_MAX 4

void bo_wire_line_init(struct bo_wire_line *line, uint64_t seed, uint64_t stream, enum bo_dir dir)
{
	*line = (struct bo_wire_line){
		.dir = dir,
		.key = bo_wire_key(seed, stream, (uint64_t)dir + 1),
		.epoch = 1, /* 0 is that of a flow that begins */
		.limit_packets = bo_netem_limit(&(struct bo_impair){ 0 }, WIRE_MTU),
	};
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/** is_ahead() - does the packet skip the delay?  Counts those that do not */
static bool is_ahead(const struct bo_impair *im, struct bo_wire_dice *dice)
{
	struct bo_wire_memory *memory = dice->memory;

	if (!im->reorder.ppm)
		return false;
	if (memory->since + 1 >= im->reorder_gap &&
	    bo_wire_happens(dice, BO_WIRE_CHANCE_REORDER, &im->reorder)) {
		memory->since = 0;
		return true;
	}
	memory->since += memory->since < INT32_MAX;
	return false;
}

/** time_it() - the stations behind the queue limit */
static void time_it(struct bo_wire_line *line, struct bo_wire_dice *dice, int64_t now_ns,
		    size_t len, struct bo_wire_outcome *ret)
{
	const struct bo_impair *im = &line->im;
	int64_t due_ns = now_ns;

	ret->ahead = is_ahead(im, dice);
	if (!ret->ahead) {
		due_ns += bo_wire_delay(dice, im, line->table);
		due_ns = bo_wire_transmit(&line->pace, im, due_ns, len);
		due_ns = bo_wire_slot(&line->pace, im, line->key, now_ns, due_ns, len);
	}
	if (im->in_order)
		due_ns = line->last_due_ns = max64(line->last_due_ns, due_ns);
	ret->due_ns = due_ns;
}

/** admit() - the stations from corrupt to the queue limit */
static void admit(const struct bo_wire_line *line, struct bo_wire_dice *dice,
		  const struct bo_wire_packet *packet, uint32_t packets, uint64_t queued_packets,
		  struct bo_wire_outcome *ret)
{
	ret->corrupted = bo_wire_happens(dice, BO_WIRE_CHANCE_CORRUPT, &line->im.corrupt);
	if (ret->corrupted)
		ret->bit = bo_wire_damage_bit(packet, bo_wire_roll(dice, BO_WIRE_CHANCE_BIT));
	if (queued_packets + packets > line->limit_packets)
		ret->fate = BO_WIRE_OVERFLOWED;
}

/** copy_it() - what becomes of the duplicate; it is not duplicated again */
static void copy_it(struct bo_wire_line *line, struct bo_wire_dice *dice, int64_t now_ns,
		    const struct bo_wire_packet *packet, uint32_t packets, uint64_t queued_packets)
{
	struct bo_wire_outcome *copy = &line->copy;

	*copy = (struct bo_wire_outcome){ .fate = BO_WIRE_PASS, .number = dice->number };
	dice->copy = true;
	if (bo_wire_lost(dice, &line->im.loss))
		copy->fate = BO_WIRE_LOST;
	else
		admit(line, dice, packet, packets, queued_packets, copy);
	if (copy->fate == BO_WIRE_PASS)
		time_it(line, dice, now_ns, packet->len, copy);
	dice->copy = false;
}

/** dice_for() - find the flow, count the packets */
static struct bo_wire_dice dice_for(struct bo_wire_line *line, const struct bo_wire_packet *packet,
				    uint32_t packets, uint64_t *ret_flow)
{
	struct bo_wire_dice dice = { .key = line->key, .memory = &line->alone };

	if (line->flows) {
		struct bo_wire_flow *flow = bo_wire_flows_find(line->flows, packet);

		*ret_flow = flow->id;
		dice.memory = &flow->memory[line->dir];
		dice.key = bo_mix64(line->key ^ flow->id);
	}
	dice.number = dice.memory->number;
	dice.memory->number += packets;
	return dice;
}

void bo_wire_line_next(struct bo_wire_line *line, int64_t now_ns,
		       const struct bo_wire_packet *packet, uint32_t packets,
		       uint64_t queued_packets, struct bo_wire_outcome *ret)
{
	const struct bo_impair *im = &line->im;
	struct bo_wire_dice dice;
	bool twice, lost;

	*ret = (struct bo_wire_outcome){ .fate = BO_WIRE_PASS, .due_ns = now_ns };
	dice = dice_for(line, packet, packets, &ret->flow);
	ret->number = dice.number;
	if (im->blackhole) {
		ret->fate = BO_WIRE_BLACKHOLED;
		return;
	}
	/* An unimpaired line has no queue of its own to overflow: what waits there waits for the
	 * receiver. */
	if (bo_impair_is_none(im))
		return;
	if (dice.memory->epoch != line->epoch)
		bo_wire_restart(&dice, line->epoch, &im->loss);

	twice = bo_wire_happens(&dice, BO_WIRE_CHANCE_DUPLICATE, &im->duplicate);
	lost = bo_wire_lost(&dice, &im->loss);
	if (lost && !twice) {
		ret->fate = BO_WIRE_LOST;
		return;
	}
	admit(line, &dice, packet, packets, queued_packets, ret);
	if (ret->fate != BO_WIRE_PASS)
		return;
	ret->copied = twice && !lost;
	if (ret->copied) {
		copy_it(line, &dice, now_ns, packet, packets, queued_packets);
		line->copy.flow = ret->flow;
	}
	time_it(line, &dice, now_ns, packet->len, ret);
}

/* --- changes ---------------------------------------------------------------------------------- */

/** remembered() - what has a memory, and nothing else */
static struct bo_impair remembered(const struct bo_impair *im)
{
	return (struct bo_impair){
		.delay_corr_ppm = im->delay_corr_ppm,
		.loss = im->loss,
		.duplicate = im->duplicate,
		.corrupt = im->corrupt,
		.reorder = im->reorder,
		.reorder_gap = im->reorder_gap,
	};
}

/** struct retime - see bo_wire_line_change()
 * @sent_until_ns: what is due later than this waits for the old transmitter */
struct retime {
	struct bo_wire_line *line;
	int64_t now_ns;
	int64_t sent_until_ns;
};

/** sent_until() - see struct retime */
static int64_t sent_until(const struct bo_impair *im, int64_t now_ns)
{
	int64_t jitters = im->dist == BO_DIST_UNIFORM ? 1 : JITTERS_MAX;

	if (!im->rate_bps && !im->trace)
		return INT64_MAX;
	return now_ns + im->delay_ns + jitters * im->jitter_ns;
}

static void retime_one(struct bo_wire_frame *frame, void *arg)
{
	struct retime *re = arg;
	struct bo_wire_line *line = re->line;
	const struct bo_impair *im = &line->im;
	struct bo_wire_pace before;
	size_t len = frame->len - BO_WIRE_HDR_LEN;
	bool waits = frame->due_ns > re->sent_until_ns;
	int64_t due_ns = re->now_ns + im->delay_ns;

	bo_wire_pace_copy(&before, &line->pace);
	if (waits)
		due_ns = bo_wire_transmit(&line->pace, im, due_ns, len);
	due_ns = bo_wire_slot(&line->pace, im, line->key, re->now_ns, due_ns, len);
	if (due_ns < frame->due_ns) {
		frame->due_ns = due_ns;
	} else if (!waits || due_ns > frame->due_ns) {
		/* It goes as it was to: the new transmitter has no part in it but to follow. */
		bo_wire_pace_copy(&line->pace, &before);
		if (waits)
			bo_wire_follow(&line->pace, im, frame->due_ns);
	}
	line->last_due_ns = max64(line->last_due_ns, frame->due_ns);
}

/*
 * Frames keep their due time unless the new impairment would deliver them sooner: a frame on the
 * cable is there after the new delay (without jitter, which it had already) at the latest; one that
 * the old transmitter had not sent goes through the new one if that is quicker.  Without that,
 * lifting a delay of 10 s would leave the link slow for 10 s more, and a full queue of a lifted
 * 64 kbit/s would take minutes to drain.  The frames keep the order in which they would have left;
 * what comes after the change may overtake those that kept a later time, unless in_order.
 */
uint64_t bo_wire_line_change(struct bo_wire_line *line, const struct bo_impair *im, int64_t now_ns,
			     struct bo_wire_queue *queue)
{
	const struct bo_impair was = remembered(&line->im), is = remembered(im);
	struct retime re = { .line = line,
			     .now_ns = now_ns,
			     .sent_until_ns = sent_until(&line->im, now_ns) };
	uint64_t dropped = 0;

	bo_wire_pace_change(&line->pace, &line->im, im, now_ns);
	line->im = *im;
	line->table = im->dist == BO_DIST_TABLE ? im->table : bo_dist_standard(im->dist);
	line->limit_packets = bo_netem_limit(im, WIRE_MTU);
	line->last_due_ns = 0;
	line->epoch += !bo_impair_equal(&was, &is);
	if (im->blackhole) {
		dropped = queue->packets;
		bo_wire_queue_clear(queue);
	} else {
		bo_wire_queue_each(queue, retime_one, &re);
	}
	return dropped;
}
