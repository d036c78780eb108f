/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_queue.c — the driver `queue`: packets of a service are held in the kernel (NFQUEUE), and their verdicts
 * here, until they are due.
 *
 * Every lane (a direction of a peer) has a queue number of its own.  What becomes of a packet is decided by the code of
 * the wire (wire_fate.c): a held packet is a frame in the lane's due-time queue, with a copy of the packet in case
 * it is to be damaged.  In the place of a frame's virtio header stand the kernel's number of the packet and its place
 * in the lane's records.
 *
 * Coming and going, nothing is lost:
 *   up     the queues are bound before there is a rule, so that there is somebody to hear;
 *   down   1. lanes are unimpaired: what is held goes at once, and what still comes passes straight through;
 *          2. the rules go, while the chains stay: nothing new is queued once every processor has been through
 *             a quiescent state;  3. what is left in the socket passes;  4. the table goes, which would drop whatever is
 *             queued in the namespace, and is now nothing.
 *
 * Owns: sockets, lanes.  Threads: single-threaded.  Privilege: CAP_NET_ADMIN. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attach-internal.h"
#include "brownout/base/clock.h"
#include "brownout/sys/process.h"

/* Queue numbers are a namespace's own; these are far from what people write into rules. */
#define FIRST_NUMBER 47000
#define LAST_NUMBER 48000
/* More than this is never held: 64 Ki packets of Ethernet are a hundred megabytes. */
#define HELD_MAX 65536u
/* A drain that never ends would be somebody who sends without pause; the rules are gone by then. */
#define DRAIN_ROUNDS 10000

/** struct tag - what a held packet's frame has in the place of its virtio header
 * @damaged: what stands behind it is no longer what the kernel holds, and goes in its place */
struct tag {
	uint32_t id;
	uint16_t record; /* its place in the ring */
	uint16_t damaged;
};
_Static_assert(sizeof(struct tag) <= BO_WIRE_HDR_LEN, "the tag takes the place of the header");
_Static_assert(BO_ATTACH_RECORDS <= UINT16_MAX + 1, "a place in the ring fits into the tag");

static struct tag tag_of(const struct bo_wire_frame *frame)
{
	struct tag tag;

	memcpy(&tag, frame->data, sizeof(tag));
	return tag;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void let_go(struct bo_attach_lane *lane, const struct bo_wire_frame *frame, int64_t now_ns)
{
	struct tag tag = tag_of(frame);
	const struct bo_attach_record *r = &lane->records.ring[tag.record];

	/* The kernel takes what it is handed as it is: with the checksum of before, which nobody computes anew. */
	(void)!bo_nfq_accept(lane->of->nfq, lane->flow.queue, tag.id,
			     tag.damaged ? frame->data + BO_WIRE_HDR_LEN : NULL,
			     tag.damaged ? frame->len - BO_WIRE_HDR_LEN : 0);
	if (tag.damaged)
		bo_attach_record_damage(&lane->records, tag.record, tag.id);
	bo_attach_record_end(&lane->records, tag.record, tag.id, now_ns - r->at_ns);
}

static void drop_frame(struct bo_wire_frame *frame, void *arg)
{
	struct bo_attach_lane *lane = arg;
	struct tag tag = tag_of(frame);

	(void)!bo_nfq_drop(lane->of->nfq, lane->flow.queue, tag.id);
	bo_attach_record_end(&lane->records, tag.record, tag.id, BO_ATTACH_LOST);
}

static void flush(struct bo_attach_lane *lane, int64_t now_ns)
{
	struct bo_wire_frame *frame;

	while ((frame = bo_wire_queue_head(&lane->held)) && frame->due_ns <= now_ns) {
		let_go(lane, frame, now_ns);
		bo_wire_queue_pop(&lane->held);
	}
}

static struct bo_attach_lane *lane_of(struct bo_attach_queue *q, uint16_t number)
{
	size_t i = (size_t)(number - q->first);

	return number >= q->first && i < q->nlanes ? &q->lanes[i] : NULL;
}

/** judge() - a packet has come: hold it, let it go or drop it */
static void judge(const struct bo_nfq_packet *in, void *arg)
{
	struct bo_attach_lane *lane = lane_of(arg, in->queue);
	struct bo_wire_frame *frame;
	struct bo_wire_packet packet;
	struct bo_wire_outcome out;
	struct tag tag = { .id = in->id };
	uint32_t record = 0;
	int64_t now_ns = bo_now_ns();

	if (!lane)
		return;
	if (lane->next_id && in->id != lane->next_id)
		lane->bypassed += in->id - lane->next_id;
	lane->next_id = in->id + 1;
	frame = bo_wire_queue_reserve(&lane->held);
	if (!frame || in->len > BO_WIRE_FRAME_MAX - BO_WIRE_HDR_LEN ||
	    bo_attach_record_add(&lane->records, now_ns, in->id, (uint32_t)in->len, &record)) {
		lane->bypassed++;
		(void)!bo_nfq_accept(lane->of->nfq, in->queue, in->id, NULL, 0);
		return;
	}
	memset(frame->data, 0, BO_WIRE_HDR_LEN); /* no super-packet, its checksum complete */
	memcpy(frame->data + BO_WIRE_HDR_LEN, in->data, in->len);
	frame->len = (uint32_t)(BO_WIRE_HDR_LEN + in->len);
	frame->packets = 1;
	bo_wire_packet_parse(frame->data, frame->len, &packet);
	bo_wire_line_next(&lane->line, now_ns, &packet, 1, lane->held.packets, &out);
	frame->due_ns = out.due_ns;
	tag.record = (uint16_t)record;
	tag.damaged = out.corrupted && bo_wire_damage(frame->data, frame->len, out.bit);
	memcpy(frame->data, &tag, sizeof(tag));
	if (out.fate != BO_WIRE_PASS)
		drop_frame(frame, lane);
	else if (out.due_ns <= now_ns && !lane->held.frames)
		let_go(lane, frame, bo_now_ns());
	else
		bo_wire_queue_commit(&lane->held, frame);
}

int bo_attach_queue_work(struct bo_attach_queue *q, struct bo_err *err)
{
	int64_t now_ns;
	int rc = 0;

	if (!q->up)
		return 0;
	rc = bo_nfq_recv(q->nfq, judge, q, err);
	now_ns = bo_now_ns();
	for (size_t i = 0; i < q->nlanes; i++)
		flush(&q->lanes[i], now_ns);
	return rc < 0 ? rc : 0;
}

int64_t bo_attach_queue_due(const struct bo_attach_queue *q)
{
	int64_t due_ns = INT64_MAX;

	for (size_t i = 0; i < q->nlanes; i++) {
		const struct bo_wire_frame *frame = bo_wire_queue_head(&q->lanes[i].held);

		if (frame && frame->due_ns < due_ns)
			due_ns = frame->due_ns;
	}
	return due_ns;
}

/* --- up and down -------------------------------------------------------------------------------- */

static int fill_rules(struct bo_attach_queue *q, struct bo_err *err)
{
	struct bo_nft_flow flows[BO_ATTACH_LANES_MAX + BO_ATTACH_HOLDS];
	size_t n = 0;

	for (size_t i = 0; i < q->nlanes; i++)
		if (q->lanes[i].on)
			flows[n++] = q->lanes[i].flow;
	return bo_nft_fill(q->nft, q->table, flows, n, err);
}

/** bind_all() - consecutive numbers that nobody has */
static int bind_all(struct bo_attach_queue *q, struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	size_t n = 0;
	int rc = -EBUSY;

	for (q->first = FIRST_NUMBER; rc == -EBUSY && q->first < LAST_NUMBER;) {
		for (n = 0, rc = 0; rc == 0 && n < q->nlanes; n++)
			rc = bo_nfq_bind(q->nfq, (uint16_t)(q->first + n), HELD_MAX, err);
		if (rc == 0)
			break;
		for (size_t i = 0; i + 1 < n; i++)
			(void)!bo_nfq_unbind(q->nfq, (uint16_t)(q->first + i), &ignored);
		q->first = (uint16_t)(q->first + (rc == -EBUSY ? n : 0));
	}
	for (size_t i = 0; rc == 0 && i < q->nlanes; i++) {
		q->lanes[i].flow.queue = (uint16_t)(q->first + i);
		q->lanes[i].next_id =
			1; /* the kernel counts from here, for each queue that is bound */
	}
	return rc;
}

static void unbind_all(struct bo_attach_queue *q)
{
	struct bo_err ignored = { 0 };

	for (size_t i = 0; i < q->nlanes; i++)
		(void)!bo_nfq_unbind(q->nfq, q->lanes[i].flow.queue, &ignored);
}

static int bring_up(struct bo_attach_queue *q, struct bo_err *err)
{
	int rc = bind_all(q, err);

	if (rc < 0)
		return rc;
	rc = bo_nft_make(q->nft, q->table, err);
	if (rc < 0)
		unbind_all(q);
	q->up = rc == 0;
	return rc;
}

/** drain() - until nothing is in the socket any more */
static int drain(struct bo_attach_queue *q, struct bo_err *err)
{
	int rc = 1;

	for (int i = 0; rc > 0 && i < DRAIN_ROUNDS; i++)
		rc = bo_nfq_recv(q->nfq, judge, q, err);
	for (size_t i = 0; i < q->nlanes; i++)
		flush(&q->lanes[i], INT64_MAX);
	return rc < 0 ? rc : 0;
}

static bool any_on(const struct bo_attach_queue *q)
{
	for (size_t i = 0; i < q->nlanes; i++)
		if (q->lanes[i].on)
			return true;
	return false;
}

static void keep_first(int *first, int rc)
{
	*first = *first < 0 ? *first : rc;
}

/** take_down() - all lanes are off: see above */
static int take_down(struct bo_attach_queue *q, struct bo_err *err)
{
	struct bo_err later = { 0 };
	int first = bo_nft_fill(q->nft, q->table, NULL, 0, err);

	bo_process_grace();
	keep_first(&first, drain(q, first < 0 ? &later : err));
	keep_first(&first, bo_nft_remove(q->nft, q->table, first < 0 ? &later : err));
	unbind_all(q);
	q->up = false;
	return first;
}

/** lane_change() - what is held is timed anew, dropped, or let go */
static void lane_change(struct bo_attach_lane *lane, const struct bo_impair *im)
{
	int64_t now_ns = bo_now_ns();

	if (im->blackhole)
		bo_wire_queue_each(&lane->held, drop_frame, lane);
	(void)bo_wire_line_change(&lane->line, im, now_ns, &lane->held);
	flush(lane, now_ns); /* of a lane without impairment, all */
	lane->on = !bo_impair_is_none(im);
}

int bo_attach_queue_impair(struct bo_attach_queue *q, size_t lane, const struct bo_impair *im,
			   struct bo_err *err)
{
	bool was_on = q->lanes[lane].on;
	int rc = 0;

	if (bo_impair_is_none(im) && !was_on)
		return 0;
	if (!q->up)
		rc = bring_up(q, err);
	if (rc < 0)
		return rc;
	lane_change(&q->lanes[lane], im);
	if (!any_on(q))
		return take_down(q, err);
	if (q->lanes[lane].on == was_on)
		return 0;
	rc = fill_rules(q, err);
	if (rc < 0 && !was_on) {
		struct bo_err ignored = { 0 };

		lane_change(&q->lanes[lane], &(struct bo_impair){ 0 });
		if (!any_on(q))
			(void)!take_down(q, &ignored);
	}
	return rc;
}

int bo_attach_queue_down(struct bo_attach_queue *q, struct bo_err *err)
{
	if (!q->up)
		return 0;
	for (size_t i = 0; i < q->nlanes; i++)
		lane_change(&q->lanes[i], &(struct bo_impair){ 0 });
	return take_down(q, err);
}

/* --- holding all that leaves by a device --------------------------------------------------------- */

static int hold_lanes(struct bo_attach_queue *q, const struct bo_impair *im, struct bo_err *err)
{
	int first = 0;

	for (size_t i = q->nlanes - BO_ATTACH_HOLDS; i < q->nlanes && q->nfq; i++) {
		struct bo_err later = { 0 };

		keep_first(&first, bo_attach_queue_impair(q, i, im, first < 0 ? &later : err));
	}
	return first;
}

int bo_attach_queue_hold(struct bo_attach_queue *q, const char *device, struct bo_err *err)
{
	static const struct bo_impair forever = { .delay_ns = BO_NSEC_PER_SEC * 3600 };
	struct bo_err ignored = { 0 };
	int rc;

	if (!q->nfq)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB, "no queue");
	for (size_t i = q->nlanes - BO_ATTACH_HOLDS; i < q->nlanes; i++)
		strncpy(q->lanes[i].flow.interface, device, sizeof(q->lanes[i].flow.interface) - 1);
	rc = hold_lanes(q, &forever, err);
	/* Half a hold is none: who is told of a failure releases nothing. */
	if (rc < 0) {
		(void)!bo_attach_queue_release(q, &ignored);
		return rc;
	}
	/* Whoever was past the rules when they came has reached the device after this. */
	bo_process_grace();
	return 0;
}

int bo_attach_queue_release(struct bo_attach_queue *q, struct bo_err *err)
{
	return hold_lanes(q, &(struct bo_impair){ 0 }, err);
}

/* --- life --------------------------------------------------------------------------------------- */

int bo_attach_queue_init(struct bo_attach_queue *q, const struct bo_attach_conf *conf,
			 const char *table, struct bo_err *err)
{
	const size_t npeers = conf->npeers;
	int rc;

	*q = (struct bo_attach_queue){ .nlanes = npeers * BO_DIR_COUNT + BO_ATTACH_HOLDS };
	strncpy(q->table, table, sizeof(q->table) - 1);
	rc = bo_nft_open(&q->nft, err);
	if (rc == 0)
		rc = bo_nfq_open(&q->nfq, err);
	for (size_t i = 0; i < q->nlanes; i++) {
		struct bo_attach_lane *lane = &q->lanes[i];
		enum bo_dir dir = (enum bo_dir)(i % BO_DIR_COUNT);
		size_t hold = i - npeers * BO_DIR_COUNT;

		lane->of = q;
		if (i < npeers * BO_DIR_COUNT) {
			lane->flow.peer = conf->peers[i / BO_DIR_COUNT];
		} else {
			lane->flow.peer.family = hold ? AF_INET6 : AF_INET;
			dir = BO_DIR_A_TO_B;
		}
		lane->flow.inbound = dir == BO_DIR_B_TO_A;
		memcpy(lane->flow.interface, conf->spec.interface, sizeof(lane->flow.interface));
		lane->held.max_bytes = BO_WIRE_QUEUE_BYTES;
		bo_wire_line_init(&lane->line, conf->seed,
				  ((uint64_t)conf->stream << 32) + i / BO_DIR_COUNT, dir);
	}
	if (rc < 0)
		bo_attach_queue_done(q);
	return rc;
}

void bo_attach_queue_done(struct bo_attach_queue *q)
{
	struct bo_err ignored = { 0 };

	(void)!bo_attach_queue_down(q, &ignored);
	for (size_t i = 0; i < q->nlanes; i++) {
		bo_wire_queue_done(&q->lanes[i].held);
		bo_attach_records_done(&q->lanes[i].records);
	}
	bo_nfq_close(q->nfq);
	bo_nft_close(&q->nft);
	*q = (struct bo_attach_queue){ 0 };
}

int bo_attach_queue_supported(struct bo_err *err)
{
	static const char table[] = "brownout-probe";
	struct bo_nft_flow flow = { .queue = FIRST_NUMBER };
	struct nl_sock *nft = NULL;
	struct bo_nfq *nfq = NULL;
	int rc;

	flow.peer = (struct bo_attach_peer){ .family = AF_INET,
					     .prefix = 32,
					     .address = { 192, 0, 2, 1 } };
	rc = bo_nft_open(&nft, err);
	if (rc == 0)
		rc = bo_nfq_open(&nfq, err);
	if (rc == 0)
		rc = bo_nfq_bind(nfq, FIRST_NUMBER, HELD_MAX, err);
	if (rc == 0)
		rc = bo_nft_make(nft, table, err);
	if (rc == 0) {
		struct bo_err removing = { 0 };

		rc = bo_nft_fill(nft, table, &flow, 1, err);
		(void)!bo_nft_remove(nft, table, &removing);
	}
	bo_nfq_close(nfq);
	bo_nft_close(&nft);
	return rc;
}
