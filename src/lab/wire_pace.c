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
 * Slots, as in netem (get_slot_next(), netem_dequeue()): a slot takes what is ready by then, up to its
 * packets and bytes.  The next one is drawn, min … max later, when a slot is full, or when the packet
 * that is ready first finds that the last slot is over: from the time of that slot if the packet was
 * there already, or else from when it came.  If it is not ready by then either, it is drawn once more
 * from when it is.  netem looks at its queue when something happens; a line decides about a packet when
 * it comes, so it remembers the slots to come, and a packet that overtakes others (jitter) may have one
 * of its own before theirs.  What stays different: netem draws such a slot again with each packet that
 * comes meanwhile.
 *
 * Owns: nothing.  Threads: one per line.  Privilege: none. */
#include <string.h>

#include "brownout/base/clock.h"
#include "wire_fate.h"

#define TRACE_HEADER 4
#define SLOTS_AHEAD 64
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

static struct bo_wire_slot slot_at(const struct bo_slot *slot, int64_t at_ns)
{
	return (struct bo_wire_slot){ .at_ns = at_ns,
				      .packets = slot->packets ? slot->packets : INT64_MAX,
				      .bytes = slot->bytes ? slot->bytes : INT64_MAX };
}

static bool slot_is_full(const struct bo_wire_slot *slot)
{
	return slot->packets <= 0 || slot->bytes <= 0;
}

/** slot_after() - draw the one that follows @from_ns */
static int64_t slot_after(struct bo_wire_pace *pace, const struct bo_slot *slot, uint64_t key,
			  int64_t from_ns)
{
	const struct bo_wire_dice dice = { .key = key, .number = pace->slots++ };
	double span = (double)(slot->max_ns - slot->min_ns);

	return min64(from_ns, BO_WIRE_NEVER_NS) + slot->min_ns +
	       (int64_t)(bo_wire_roll(&dice, BO_WIRE_CHANCE_SLOT) * 0x1p-32 * span);
}

/** slot_insert() - as number @i; the oldest goes when there are too many.  Return: where it is now */
static struct bo_wire_slot *slot_insert(struct bo_wire_pace *pace, uint32_t i,
					const struct bo_wire_slot *slot)
{
	if (pace->nslot == BO_WIRE_SLOTS_KNOWN) {
		memmove(pace->slot, pace->slot + 1, --pace->nslot * sizeof(*slot));
		i -= i > 0;
	}
	memmove(pace->slot + i + 1, pace->slot + i, (pace->nslot++ - i) * sizeof(*slot));
	pace->slot[i] = *slot;
	return &pace->slot[i];
}

/** slot_new() - behind number @i - 1, for a packet that is ready at @at_ns;  Return: NULL when the one that is number @i
 * goes before it could */
static struct bo_wire_slot *slot_new(struct bo_wire_pace *pace, const struct bo_slot *slot,
				     uint64_t key, uint32_t i, int64_t now_ns, int64_t at_ns)
{
	const struct bo_wire_slot *before = i > 0 ? &pace->slot[i - 1] : NULL;
	struct bo_wire_slot next;
	int64_t from_ns = before && (slot_is_full(before) || before->at_ns > now_ns) ? before->at_ns
										     : now_ns;

	next = slot_at(slot, slot_after(pace, slot, key, from_ns));
	if (next.at_ns < at_ns && from_ns < now_ns)
		next.at_ns = slot_after(pace, slot, key, now_ns);
	/* Others are on their way, and one slot follows the other for them. */
	for (int n = 0; n < SLOTS_AHEAD && next.at_ns < at_ns && from_ns > now_ns; n++) {
		next.at_ns = slot_after(pace, slot, key, next.at_ns);
		next.late = true;
	}
	if (next.at_ns < at_ns) {
		next.at_ns = slot_after(pace, slot, key, at_ns);
		next.late = true;
	}
	if (i < pace->nslot && pace->slot[i].at_ns < next.at_ns + slot->min_ns)
		return NULL;
	return slot_insert(pace, i, &next);
}

int64_t bo_wire_slot(struct bo_wire_pace *pace, const struct bo_impair *im, uint64_t key,
		     int64_t now_ns, int64_t at_ns, size_t len)
{
	const struct bo_slot *slot = &im->slot;
	struct bo_wire_slot *in = NULL;
	uint32_t i = 0, past = 0;

	if (!slot->max_ns)
		return at_ns;
	while (past + 1 < pace->nslot && pace->slot[past + 1].at_ns < now_ns)
		past++;
	memmove(pace->slot, pace->slot + past, (pace->nslot -= past) * sizeof(*in));
	while (i < pace->nslot && (pace->slot[i].at_ns < at_ns || slot_is_full(&pace->slot[i])))
		i++;
	if (i == pace->nslot || pace->slot[i].late)
		in = slot_new(pace, slot, key, i, now_ns, at_ns);
	if (!in)
		in = &pace->slot[i];
	in->packets--;
	in->bytes -= (int64_t)len;
	return in->at_ns;
}

void bo_wire_pace_copy(struct bo_wire_pace *to, const struct bo_wire_pace *from)
{
	memcpy(to, from, offsetof(struct bo_wire_pace, slot) + from->nslot * sizeof(from->slot[0]));
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
	if (slots_differ(&before->slot, &after->slot) || !pace->nslot) {
		pace->slot[0] = slot_at(&after->slot, now_ns);
		pace->nslot = 1;
	} else if (before->delay_ns - after->delay_ns > after->slot.max_ns) {
		/* The same slots go on, but not at the end of a delay that is no more. */
		pace->slot[0] = pace->slot[pace->nslot - 1];
		pace->slot[0].at_ns =
			max64(now_ns, pace->slot[0].at_ns - before->delay_ns + after->delay_ns);
		pace->nslot = 1;
	}
}
