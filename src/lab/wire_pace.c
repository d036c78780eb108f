/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_pace.c — when a line can send: rate, trace and slots.
 *
 * Rate, as in netem: a packet comes to the transmitter when its delay is over, waits for those before
 * it, and takes (whole cells of) its bytes × 8 / rate.  Packets therefore do not overtake each other
 * at a rate, whatever their jitter.  Nothing is lost to rounding: what a division leaves over is
 * carried to the next packet while the transmitter is busy.
 *
 * Trace, as in mahimahi (link_queue.cc): each entry is one chance to send BO_TRACE_MTU bytes.  A
 * packet may use several chances and several packets one; what is left of a chance is gone when
 * nobody waits.  A packet that comes at the very time of a chance is too late for it.  Lengths are
 * mahimahi's, with the 4 bytes of its TUN header, so that 1500 bytes of IP fill a chance.
 *
 * Slots, as in netem: the first packet that is ready after a slot begins a new one, which goes min …
 * max later and takes what is ready by then, up to its packets and bytes; when it is full the next
 * one goes min … max after it.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include "brownout/base/clock.h"
#include "wire_fate.h"

#define TRACE_HEADER 4
#define CHARGE_MAX (UINT64_C(1) << 30) /* bytes × 8 × 10^9 fit into 63 bits */

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

uint64_t bo_wire_charge(const struct bo_impair *im, size_t len)
{
	int64_t bytes = max64((int64_t)len + im->rate_overhead, 0);
	int64_t cell = im->rate_cell_bytes;

	if (cell)
		bytes = (bytes + cell - 1) / cell * max64(cell + im->rate_cell_overhead, 0);
	return (uint64_t)bytes < CHARGE_MAX ? (uint64_t)bytes : CHARGE_MAX;
}

static int64_t rate_send(struct bo_wire_pace *pace, const struct bo_impair *im, int64_t at_ns,
			 size_t len)
{
	uint64_t rate = (uint64_t)im->rate_bps;
	uint64_t work = bo_wire_charge(im, len) * 8 * BO_NSEC_PER_SEC;

	if (pace->free_ns <= at_ns) {
		pace->free_ns = at_ns;
		pace->rest = 0;
	}
	work += pace->rest;
	pace->rest = work % rate;
	pace->free_ns = min64(pace->free_ns, BO_WIRE_NEVER_NS) +
			(int64_t)(work / rate < BO_WIRE_NEVER_NS ? work / rate : BO_WIRE_NEVER_NS);
	pace->free_ns = min64(pace->free_ns, BO_WIRE_NEVER_NS);
	return pace->free_ns;
}

/* --- trace ------------------------------------------------------------------------------------ */

static int64_t trace_time(const struct bo_wire_pace *pace, const struct bo_trace *trace, uint32_t i)
{
	return pace->trace_base_ns + (int64_t)trace->at_ms[i] * BO_NSEC_PER_MSEC;
}

/** trace_skip() - make the next chance the first one after @at_ns */
static void trace_skip(struct bo_wire_pace *pace, const struct bo_trace *trace, int64_t at_ns)
{
	int64_t period_ns = (int64_t)trace->at_ms[trace->count - 1] * BO_NSEC_PER_MSEC;
	uint32_t low = pace->trace_next, high = trace->count - 1;

	if (trace_time(pace, trace, low) > at_ns)
		return;
	if (at_ns - pace->trace_base_ns >= period_ns) {
		pace->trace_base_ns += (at_ns - pace->trace_base_ns) / period_ns * period_ns;
		low = 0;
	}
	/* The last one is after @at_ns now. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (trace_time(pace, trace, middle) > at_ns)
			high = middle;
		else
			low = middle + 1;
	}
	pace->trace_next = low;
}

/** trace_rewind() - to the first chance after @now_ns, which may lie before those that are taken.
 * Asks nothing of the place in the trace: whoever lends it may have put another one there */
static void trace_rewind(struct bo_wire_pace *pace, const struct bo_trace *trace, int64_t now_ns)
{
	int64_t period_ns = (int64_t)trace->at_ms[trace->count - 1] * BO_NSEC_PER_MSEC;
	int64_t ahead_ns = pace->trace_base_ns - now_ns;

	if (ahead_ns > 0)
		pace->trace_base_ns -= (ahead_ns + period_ns - 1) / period_ns * period_ns;
	pace->trace_next = 0;
	pace->chance_ns = now_ns;
	pace->left = 0;
	trace_skip(pace, trace, now_ns);
}

static void trace_advance(struct bo_wire_pace *pace, const struct bo_trace *trace)
{
	pace->chance_ns = min64(trace_time(pace, trace, pace->trace_next), BO_WIRE_NEVER_NS);
	pace->left = BO_TRACE_MTU;
	if (++pace->trace_next == trace->count) {
		pace->trace_next = 0;
		pace->trace_base_ns = pace->chance_ns;
	}
}

static int64_t trace_send(struct bo_wire_pace *pace, const struct bo_trace *trace, int64_t at_ns,
			  size_t len)
{
	size_t rest = len + TRACE_HEADER;

	if (at_ns >= pace->chance_ns) {
		pace->left = 0;
		trace_skip(pace, trace, at_ns);
	}
	for (;;) {
		if (!pace->left)
			trace_advance(pace, trace);
		if (rest <= pace->left)
			break;
		rest -= pace->left;
		pace->left = 0;
	}
	pace->left -= (uint32_t)rest;
	return pace->chance_ns;
}

int64_t bo_wire_transmit(struct bo_wire_pace *pace, const struct bo_impair *im, int64_t at_ns,
			 size_t len)
{
	if (im->trace)
		return trace_send(pace, im->trace, at_ns, len);
	return im->rate_bps ? rate_send(pace, im, at_ns, len) : at_ns;
}

void bo_wire_follow(struct bo_wire_pace *pace, const struct bo_impair *im, int64_t due_ns)
{
	pace->free_ns = max64(pace->free_ns, due_ns);
	if (im->trace && due_ns >= pace->chance_ns) {
		pace->chance_ns = due_ns;
		pace->left = 0;
		trace_skip(pace, im->trace, due_ns);
	}
}

/* --- slots ------------------------------------------------------------------------------------ */

int64_t bo_wire_slot(struct bo_wire_pace *pace, const struct bo_impair *im, uint64_t key,
		     int64_t at_ns, size_t len)
{
	const struct bo_slot *slot = &im->slot;

	if (!slot->max_ns)
		return at_ns;
	if (pace->slot_ns < at_ns || pace->slot_packets <= 0 || pace->slot_bytes <= 0) {
		const struct bo_wire_dice dice = { .key = key, .number = pace->slots++ };
		double span = (double)(slot->max_ns - slot->min_ns);

		pace->slot_ns =
			min64(max64(pace->slot_ns, at_ns), BO_WIRE_NEVER_NS) + slot->min_ns +
			(int64_t)(bo_wire_roll(&dice, BO_WIRE_CHANCE_SLOT) * 0x1p-32 * span);
		pace->slot_packets = slot->packets ? slot->packets : INT64_MAX;
		pace->slot_bytes = slot->bytes ? slot->bytes : INT64_MAX;
	}
	pace->slot_packets--;
	pace->slot_bytes -= (int64_t)len;
	return pace->slot_ns;
}

static bool slots_differ(const struct bo_slot *a, const struct bo_slot *b)
{
	return a->min_ns != b->min_ns || a->max_ns != b->max_ns || a->packets != b->packets ||
	       a->bytes != b->bytes;
}

void bo_wire_pace_change(struct bo_wire_pace *pace, const struct bo_impair *before,
			 const struct bo_impair *after, int64_t now_ns)
{
	pace->free_ns = now_ns;
	pace->rest = 0;
	if (after->trace && after->trace == before->trace) {
		trace_rewind(pace, after->trace, now_ns);
	} else if (after->trace) {
		pace->trace_base_ns = pace->chance_ns = now_ns;
		pace->trace_next = 0;
		pace->left = 0;
	}
	if (slots_differ(&before->slot, &after->slot)) {
		pace->slot_ns = now_ns;
		pace->slot_packets = after->slot.packets ? after->slot.packets : INT64_MAX;
		pace->slot_bytes = after->slot.bytes ? after->slot.bytes : INT64_MAX;
	} else if (before->delay_ns - after->delay_ns > after->slot.max_ns) {
		/* The same slots go on, but not at the end of a delay that is no more. */
		pace->slot_ns = max64(now_ns, pace->slot_ns - before->delay_ns + after->delay_ns);
	}
}
