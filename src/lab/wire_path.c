/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_path.c — the way of a packet through one direction of the wire: read, judged, queued,
 * written.
 *
 * Order of the stations
 *   cut       a super-packet into the packets of a real link, when packets have fates of their own;
 *   rules     wire_rules.c: what is done to chosen connections;
 *   fate      wire_fate.c: lost, late, twice, damaged;
 *   queue     wire_queue.c, until it is due;
 *   out       into the receiving device, packets that belong together as one super-packet
 *             (wire_merge.c).
 *
 * Owns: nothing beyond the direction that it is given.  Threads: the wire's own.  Privilege: none
 * (descriptors only). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "record-internal.h"
#include "replay-internal.h"
#include "wire-internal.h"
#include "wire_rules.h"

/* Frames written at a time, so that the other direction, an order, or the end does not wait long. */
#define FLUSH_BATCH 64

/* --- out -------------------------------------------------------------------------------------- */

/** half_written() - what became of a write; false when the device takes no more for now, anything
 * else is the end of these packets */
static bool half_written(struct bo_wire_half *half, ssize_t n, size_t bytes, uint32_t packets)
{
	if (n < 0 && errno == EAGAIN) {
		half->blocked = true;
		return false;
	}
	if (n < 0) {
		bo_wire_count(&half->counters.refused, packets);
		half->dead = half->dead || errno == EBADFD;
		return true;
	}
	bo_wire_count(&half->counters.packets_out, packets);
	bo_wire_count(&half->counters.bytes_out, bytes);
	return true;
}

static bool half_write(struct bo_wire_half *half, const uint8_t *data, size_t len, uint32_t packets)
{
	ssize_t n;

	do
		n = write(half->out, data, len);
	while (n < 0 && errno == EINTR);
	return half_written(half, n, len - BO_WIRE_HDR_LEN, packets);
}

/** half_write_head() - the head of the queue, and what may go with it;  Return: frames that are to
 * be popped */
static size_t half_write_head(struct bo_wire_half *half, struct bo_wire_frame *head, int64_t now_ns)
{
	struct bo_wire_frame *frame = head;
	struct bo_wire_merge merge;
	ssize_t n;

	if (!bo_wire_merge_first(&merge, head->data, head->len) || (merge.udp && !half->merges_udp))
		return half_write(half, head->data, head->len, head->packets);
	do
		frame = bo_wire_queue_after(&half->queue, frame);
	while (frame && frame->due_ns <= now_ns &&
	       bo_wire_merge_next(&merge, frame->data, frame->len));
	if (merge.frames == 1)
		return half_write(half, head->data, head->len, head->packets);
	bo_wire_merge_finish(&merge);
	do
		n = writev(half->out, merge.iov, (int)merge.frames + 1);
	while (n < 0 && errno == EINTR);
	return half_written(half, n, merge.bytes, (uint32_t)merge.frames) ? merge.frames : 0;
}

void bo_wire_flush(struct bo_wire_half *half, int64_t now_ns)
{
	for (int i = 0; i < FLUSH_BATCH && !half->blocked; i++) {
		struct bo_wire_frame *frame = bo_wire_queue_head(&half->queue);

		if (!frame || frame->due_ns > now_ns)
			return;
		for (size_t n = half_write_head(half, frame, now_ns); n; n--)
			bo_wire_queue_pop(&half->queue);
	}
}

/* --- in --------------------------------------------------------------------------------------- */

/** half_tally() - count what becomes of a frame; true when it goes on */
static bool half_tally(struct bo_wire_half *half, uint32_t packets,
		       const struct bo_wire_outcome *out)
{
	struct bo_wire_counters *c = &half->counters;

	switch (out->fate) {
	case BO_WIRE_PASS:
		if (out->ahead)
			bo_wire_count(&c->reordered, packets);
		return true;
	case BO_WIRE_LOST:
		bo_wire_count(&c->lost, packets);
		return false;
	case BO_WIRE_BLACKHOLED:
		bo_wire_count(&c->blackholed, packets);
		return false;
	case BO_WIRE_OVERFLOWED:
		bo_wire_count(&c->overflowed, packets);
		return false;
	case BO_WIRE_RULED:
		bo_wire_count(&c->ruled, packets);
		return false;
	}
	return false;
}

static void half_record(struct bo_wire_half *half, int64_t now_ns,
			const struct bo_wire_packet *packet, uint32_t packets,
			const struct bo_wire_outcome *out)
{
	struct bo_record *record = atomic_load_explicit(&half->record, memory_order_acquire);

	if (record)
		bo_record_put(record, half->line.dir, now_ns, packet, packets, out,
			      out->copied ? &half->line.copy : NULL);
}

static void half_replay(struct bo_wire_half *half, int64_t now_ns, struct bo_wire_outcome *out)
{
	struct bo_replay *replay = atomic_load_explicit(&half->replay, memory_order_acquire);

	if (replay)
		bo_replay_fate(replay, &half->line.im, half->line.dir, now_ns, out,
			       &half->line.copy);
}

/** half_judge() - decide and count; true when the frame goes on, as @out says
 * @len: what a rule leaves of it;  @room: there is some in the queue */
static bool half_judge(struct bo_wire_half *half, int64_t now_ns, uint8_t *data, size_t *len,
		       uint32_t packets, bool room, struct bo_wire_outcome *out)
{
	struct bo_wire_counters *c = &half->counters;
	struct bo_wire_packet packet;

	bo_wire_packet_parse(data, *len, &packet);
	bo_wire_count(&c->packets_in, packets);
	bo_wire_count(&c->bytes_in, packet.len);
	if (half->rules &&
	    !bo_wire_rules_pass(half->rules, half->line.dir, now_ns, &packet, packets, data, len)) {
		*out = (struct bo_wire_outcome){ .fate = BO_WIRE_RULED };
	} else {
		bo_wire_line_next(&half->line, now_ns, &packet, packets, half->queue.packets, out);
		half_replay(half, now_ns, out);
	}
	if (!room && out->fate == BO_WIRE_PASS && (half->queue.frames || out->due_ns > now_ns))
		out->fate = BO_WIRE_OVERFLOWED;
	half_record(half, now_ns, &packet, packets, out);
	return half_tally(half, packets, out);
}

/** half_queue() - @room holds the frame */
static void half_queue(struct bo_wire_half *half, struct bo_wire_frame *room, size_t len,
		       uint32_t packets, const struct bo_wire_outcome *out)
{
	if (out->corrupted && bo_wire_damage(room->data, len, out->bit))
		bo_wire_count(&half->counters.corrupted, packets);
	room->due_ns = out->due_ns;
	room->len = (uint32_t)len;
	room->packets = packets;
	bo_wire_queue_commit(&half->queue, room);
}

/** half_queue_twice() - and its copy in front of it; @room is void afterwards */
static void half_queue_twice(struct bo_wire_half *half, struct bo_wire_frame *room, size_t len,
			     const struct bo_wire_outcome *out)
{
	const struct bo_wire_outcome *copy = &half->line.copy;
	uint8_t data[BO_WIRE_FRAME_MAX];

	bo_wire_count(&half->counters.duplicated, 1);
	if (half_tally(half, 1, copy)) {
		memcpy(data, room->data, len);
		half_queue(half, room, len, 1, copy);
		room = bo_wire_queue_reserve(&half->queue);
		if (!room) {
			bo_wire_count(&half->counters.overflowed, 1);
			return;
		}
		memcpy(room->data, data, len);
	}
	half_queue(half, room, len, 1, out);
}

/** half_arrived() - when the frame that was read by @now_ns came to the sending device */
static int64_t half_arrived(struct bo_wire_half *half, int64_t now_ns, const uint8_t *data,
			    size_t len)
{
	int64_t arrived_ns = bo_wire_stamp_take(&half->stamper, now_ns, data + BO_WIRE_HDR_LEN,
						len - BO_WIRE_HDR_LEN);

	atomic_store_explicit(&half->counters.stamped, half->stamper.exact, memory_order_relaxed);
	return arrived_ns;
}

void bo_wire_pass(struct bo_wire_half *half, struct bo_wire_frame *room, uint8_t *data, size_t len)
{
	uint32_t packets = bo_wire_packets(data, len);
	int64_t now_ns = bo_now_ns();
	struct bo_wire_outcome out;

	if (!half_judge(half, half_arrived(half, now_ns, data, len), data, &len, packets, room,
			&out))
		return;
	/* Super-packets are as large as they get. */
	if (out.due_ns <= now_ns && !half->queue.frames && !(half->hold && room && packets == 1) &&
	    half_write(half, data, len, packets))
		return;
	if (room)
		half_queue(half, room, len, packets, &out);
	else
		bo_wire_count(&half->counters.overflowed, packets);
}

/** half_pass_one() - one packet with a fate of its own: a whole frame, or segment @index of @super
 */
static void half_pass_one(struct bo_wire_half *half, int64_t now_ns, const uint8_t *data,
			  size_t len, const struct bo_wire_super *super, uint32_t index)
{
	struct bo_wire_frame *room = bo_wire_queue_reserve(&half->queue);
	struct bo_wire_outcome out = { .fate = BO_WIRE_OVERFLOWED, .number = BO_RECORD_UNNUMBERED };

	if (!room) {
		struct bo_wire_packet packet;

		bo_wire_packet_parse(super ? super->ip - BO_WIRE_HDR_LEN : data,
				     super ? super->header_len + BO_WIRE_HDR_LEN : len, &packet);
		half_record(half, now_ns, &packet, 1, &out);
		bo_wire_count(&half->counters.packets_in, 1);
		bo_wire_count(&half->counters.overflowed, 1);
		return;
	}
	if (super)
		len = bo_wire_super_segment(super, index, room->data);
	else
		memcpy(room->data, data, len);
	if (!half_judge(half, now_ns, room->data, &len, 1, true, &out))
		return;
	if (out.copied)
		half_queue_twice(half, room, len, &out);
	else
		half_queue(half, room, len, 1, &out);
}

void bo_wire_split(struct bo_wire_half *half, const uint8_t *data, size_t len)
{
	struct bo_wire_super super;
	int64_t now_ns = half_arrived(half, bo_now_ns(), data, len);

	if (!bo_wire_super_parse(data, len, &super)) {
		half_pass_one(half, now_ns, data, len, NULL, 0);
		return;
	}
	for (uint32_t i = 0; i < super.count; i++)
		half_pass_one(half, now_ns, NULL, 0, &super, i);
}
