/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_path.c — the way of a packet through one direction of the wire: read, judged, queued,
 * written.
 *
 * Order of the stations
 *   cut       a super-packet into the packets of a real link, when packets have fates of their own;
 *   fate      wire_fate.c: lost, late, twice, damaged;
 *   queue     wire_queue.c, until it is due;
 *   out       into the receiving device.
 *
 * Owns: nothing beyond the direction that it is given.  Threads: the wire's own.  Privilege: none
 * (descriptors only). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "wire-internal.h"

/* --- out -------------------------------------------------------------------------------------- */

/** half_write() - false when the device takes no more for now; anything else is the end of this
 * frame */
static bool half_write(struct bo_wire_half *half, const uint8_t *data, size_t len, uint32_t packets)
{
	ssize_t n;

	do
		n = write(half->out, data, len);
	while (n < 0 && errno == EINTR);
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
	bo_wire_count(&half->counters.bytes_out, len - BO_WIRE_HDR_LEN);
	return true;
}

void bo_wire_flush(struct bo_wire_half *half, int64_t now_ns)
{
	struct bo_wire_frame *frame;

	while (!half->blocked && (frame = bo_wire_queue_head(&half->queue)) &&
	       frame->due_ns <= now_ns)
		if (half_write(half, frame->data, frame->len, frame->packets))
			bo_wire_queue_pop(&half->queue);
}

/* --- in --------------------------------------------------------------------------------------- */

/** half_fate() - decide and count; true when the frame goes on, with its due time */
static bool half_fate(struct bo_wire_half *half, int64_t now_ns, uint32_t packets, size_t bytes,
		      int64_t *ret_due_ns)
{
	struct bo_wire_counters *c = &half->counters;

	bo_wire_count(&c->packets_in, packets);
	bo_wire_count(&c->bytes_in, bytes);
	switch (bo_wire_line_next(&half->line, now_ns, packets, bytes, half->queue.packets,
				  ret_due_ns)) {
	case BO_WIRE_PASS:
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
	}
	return false;
}

void bo_wire_pass(struct bo_wire_half *half, struct bo_wire_frame *room, const uint8_t *data,
		  size_t len)
{
	uint32_t packets = bo_wire_packets(data, len);
	int64_t now_ns = bo_now_ns();
	int64_t due_ns;

	if (!half_fate(half, now_ns, packets, len - BO_WIRE_HDR_LEN, &due_ns))
		return;
	if (due_ns <= now_ns && !half->queue.frames && half_write(half, data, len, packets))
		return;
	if (!room) {
		bo_wire_count(&half->counters.overflowed, packets);
		return;
	}
	room->due_ns = due_ns;
	room->len = (uint32_t)len;
	room->packets = packets;
	bo_wire_queue_commit(&half->queue, room);
}

/** half_queue_copy() - one packet with a fate of its own: a whole frame, or segment @index of
 * @super */
static void half_queue_copy(struct bo_wire_half *half, int64_t now_ns, const uint8_t *data,
			    size_t len, const struct bo_wire_super *super, uint32_t index)
{
	struct bo_wire_frame *room;
	int64_t due_ns;

	if (super) {
		size_t payload = super->len - super->header_len - (size_t)index * super->mss;

		len = BO_WIRE_HDR_LEN + super->header_len +
		      (payload < super->mss ? payload : super->mss);
	}
	if (!half_fate(half, now_ns, 1, len - BO_WIRE_HDR_LEN, &due_ns))
		return;
	room = bo_wire_queue_reserve(&half->queue);
	if (!room) {
		bo_wire_count(&half->counters.overflowed, 1);
		return;
	}
	if (super)
		bo_wire_super_segment(super, index, room->data);
	else
		memcpy(room->data, data, len);
	room->due_ns = due_ns;
	room->len = (uint32_t)len;
	room->packets = 1;
	bo_wire_queue_commit(&half->queue, room);
}

void bo_wire_split(struct bo_wire_half *half, const uint8_t *data, size_t len)
{
	struct bo_wire_super super;
	int64_t now_ns = bo_now_ns();

	if (!bo_wire_super_parse(data, len, &super)) {
		half_queue_copy(half, now_ns, data, len, NULL, 0);
		return;
	}
	for (uint32_t i = 0; i < super.count; i++)
		half_queue_copy(half, now_ns, NULL, 0, &super, i);
}
