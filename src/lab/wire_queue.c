/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_queue.c — frames in fixed chunks, leaving by due time.
 *
 * Theory of operation
 *   Frames lie in chunks of 1 MiB in the order in which they came; a frame never straddles two, and
 *   the room lost at a chunk's end is at most one largest frame, 6 %.  A chunk goes back when the
 *   last frame in it has left.
 *
 *   Most traffic comes in order of time.  A frame that is not due before the last one of the FIFO
 *   joins it, which costs nothing: the FIFO is a walk along the chunks that skips what is not part
 *   of it.  Any other frame gets a reference in a 4-ary heap, ordered by (due time, arrival), so
 *   that equal times stay in order; the head of the queue is the earlier of the two heads.
 *
 *   References lie in one array that always has room for every frame there is.  It grows when room
 *   for a frame is reserved, so that nothing else here can run out of memory, and is touched only
 *   as far as the heap reaches.
 *
 *   A frame that stays much longer than its neighbours pins its chunk.  When the bound is reached
 *   while less than half of it holds frames that still wait, the frames of sparse chunks are moved
 *   together; that frees at least a third, so it pays for itself.
 *
 * Owns: its chunks and references.  Threads: one.  Privilege: none. */
#include <stdlib.h>
#include <string.h>

#include "wire-internal.h"

/* Kept when the queue runs empty: enough for short bursts not to go to malloc(3) each time. */
#define SPARE_WHEN_EMPTY 4
#define HEAP_WHEN_EMPTY ((size_t)1 << 16)
#define HEAP_FIRST ((size_t)1 << 10)
#define ARITY 4

/* enum place - where a frame is; those that have left stay until their chunk is used anew */
enum place { PLACE_GONE, PLACE_FIFO, PLACE_HEAP };

struct bo_wire_chunk {
	struct bo_wire_chunk *next;
	struct bo_wire_chunk *prev;
	size_t write; /* offset in room of the next frame */
	size_t live;  /* frames that wait, and their bytes */
	size_t live_bytes;
	_Alignas(struct bo_wire_frame) uint8_t room[];
};

/** struct bo_wire_ref - a frame in the heap, with what it is ordered by */
struct bo_wire_ref {
	int64_t due_ns;
	uint64_t seq;
	struct bo_wire_frame *frame;
};

#define CHUNK_ROOM (BO_WIRE_CHUNK_BYTES - sizeof(struct bo_wire_chunk))
#define FRAME_ROOM (sizeof(struct bo_wire_frame) + BO_WIRE_FRAME_MAX)

/** frame_stride() - distance from one frame to the next */
static size_t frame_stride(const struct bo_wire_frame *frame)
{
	size_t align = _Alignof(struct bo_wire_frame);

	return (sizeof(*frame) + frame->len + align - 1) / align * align;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/** chunk_take() - an empty chunk that is in no list; @over: one more than the bound allows */
static struct bo_wire_chunk *chunk_take(struct bo_wire_queue *queue, bool over)
{
	struct bo_wire_chunk *chunk = queue->spare;

	if (chunk) {
		queue->spare = chunk->next;
		queue->nspare--;
	} else if ((queue->nchunks + 1) * BO_WIRE_CHUNK_BYTES > queue->max_bytes && !over) {
		return NULL;
	} else {
		chunk = malloc(BO_WIRE_CHUNK_BYTES);
		if (!chunk)
			return NULL;
		queue->nchunks++;
	}
	chunk->next = chunk->prev = NULL;
	chunk->write = chunk->live = chunk->live_bytes = 0;
	return chunk;
}

static void chunk_append(struct bo_wire_queue *queue, struct bo_wire_chunk *chunk)
{
	chunk->prev = queue->tail;
	if (queue->tail)
		queue->tail->next = chunk;
	else
		queue->head = chunk;
	queue->tail = chunk;
}

static void chunk_prepend(struct bo_wire_queue *queue, struct bo_wire_chunk *chunk)
{
	chunk->next = queue->head;
	if (queue->head)
		queue->head->prev = chunk;
	else
		queue->tail = chunk;
	queue->head = chunk;
}

static void chunk_give_back(struct bo_wire_queue *queue, struct bo_wire_chunk *chunk)
{
	if (chunk->prev)
		chunk->prev->next = chunk->next;
	else
		queue->head = chunk->next;
	if (chunk->next)
		chunk->next->prev = chunk->prev;
	else
		queue->tail = chunk->prev;
	chunk->next = queue->spare;
	queue->spare = chunk;
	queue->nspare++;
}

static void spare_trim(struct bo_wire_queue *queue, size_t keep)
{
	while (queue->nspare > keep) {
		struct bo_wire_chunk *chunk = queue->spare;

		queue->spare = chunk->next;
		free(chunk);
		queue->nspare--;
		queue->nchunks--;
	}
}

/** frame_take() - the next @stride bytes of @chunk have become a frame that waits */
static void frame_take(struct bo_wire_queue *queue, struct bo_wire_chunk *chunk,
		       struct bo_wire_frame *frame)
{
	size_t stride = frame_stride(frame);

	frame->chunk = chunk;
	chunk->write += stride;
	chunk->live++;
	chunk->live_bytes += stride;
	queue->live_bytes += stride;
}

/** frame_drop() - the frame waits no longer; its chunk may go with it */
static void frame_drop(struct bo_wire_queue *queue, struct bo_wire_frame *frame)
{
	struct bo_wire_chunk *chunk = frame->chunk;
	size_t stride = frame_stride(frame);

	frame->place = PLACE_GONE;
	chunk->live--;
	chunk->live_bytes -= stride;
	queue->live_bytes -= stride;
	if (chunk->live)
		return;
	/* The last chunk starts again at its front: an almost idle queue then stays in the same few
	 * cache lines. */
	if (chunk == queue->tail)
		chunk->write = 0;
	else
		chunk_give_back(queue, chunk);
}

/* --- heap ------------------------------------------------------------------------------------- */

static bool ref_before(const struct bo_wire_ref *a, const struct bo_wire_ref *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static int ref_compare(const void *a, const void *b)
{
	return ref_before(a, b) ? -1 : 1; /* no two are equal */
}

/** heap_room() - may there be one frame more? */
static bool heap_room(struct bo_wire_queue *queue)
{
	size_t room = queue->heap_room ? queue->heap_room * 2 : HEAP_FIRST;
	size_t most = queue->max_bytes / 4 / sizeof(struct bo_wire_ref);
	struct bo_wire_ref *heap;

	if (queue->frames < queue->heap_room)
		return true;
	if (room > most)
		room = most;
	if (room <= queue->frames)
		return false;
	heap = realloc(queue->heap, room * sizeof(*heap));
	if (!heap)
		return false;
	queue->heap = heap;
	queue->heap_room = room;
	return true;
}

static void sift_up(struct bo_wire_queue *queue, size_t at, struct bo_wire_ref ref)
{
	for (; at > 0 && ref_before(&ref, &queue->heap[(at - 1) / ARITY]); at = (at - 1) / ARITY)
		queue->heap[at] = queue->heap[(at - 1) / ARITY];
	queue->heap[at] = ref;
}

static void sift_down(struct bo_wire_queue *queue, size_t at, struct bo_wire_ref ref)
{
	for (;;) {
		size_t child = at * ARITY + 1, least = child;

		if (child >= queue->nheap)
			break;
		for (size_t i = child + 1; i < child + ARITY && i < queue->nheap; i++)
			if (ref_before(&queue->heap[i], &queue->heap[least]))
				least = i;
		if (!ref_before(&queue->heap[least], &ref))
			break;
		queue->heap[at] = queue->heap[least];
		at = least;
	}
	queue->heap[at] = ref;
}

static void heap_add(struct bo_wire_queue *queue, struct bo_wire_frame *frame)
{
	frame->place = PLACE_HEAP;
	queue->heap[queue->nheap++] =
		(struct bo_wire_ref){ .due_ns = frame->due_ns, .seq = frame->seq, .frame = frame };
}

static void heapify(struct bo_wire_queue *queue)
{
	for (size_t i = queue->nheap / ARITY + 1; i-- > 0;)
		if (i < queue->nheap)
			sift_down(queue, i, queue->heap[i]);
}

/** gather() - put every frame into the heap's array, which is not a heap then; @pack: and move those
 * of sparse chunks together */
static void gather(struct bo_wire_queue *queue, bool pack)
{
	struct bo_wire_chunk *chunk = queue->head, *next, *packed = NULL;

	queue->nheap = 0;
	queue->nfifo = 0;
	for (; chunk; chunk = next) {
		bool sparse = pack && chunk != queue->tail &&
			      chunk->live_bytes < CHUNK_ROOM / 4 * 3;

		next = chunk->next;
		for (size_t at = 0, left = chunk->live; left;) {
			struct bo_wire_frame *frame = (struct bo_wire_frame *)(chunk->room + at);

			at += frame_stride(frame);
			if (frame->place == PLACE_GONE)
				continue;
			left--;
			if (sparse &&
			    (!packed || packed->write + frame_stride(frame) > CHUNK_ROOM)) {
				packed = chunk_take(queue, true);
				if (packed)
					chunk_prepend(queue, packed);
				else
					sparse = pack = false;
			}
			if (sparse) {
				struct bo_wire_frame *from = frame;

				frame = (struct bo_wire_frame *)(packed->room + packed->write);
				memcpy(frame, from, sizeof(*from) + from->len);
				frame_take(queue, packed, frame);
				frame_drop(queue, from);
			}
			heap_add(queue, frame);
		}
	}
}

/* --- the queue -------------------------------------------------------------------------------- */

static struct bo_wire_chunk *chunk_new(struct bo_wire_queue *queue)
{
	struct bo_wire_chunk *chunk = chunk_take(queue, false);

	if (!chunk && queue->live_bytes < queue->max_bytes / 2) {
		gather(queue, true);
		heapify(queue);
		while (queue->nspare && queue->nchunks * BO_WIRE_CHUNK_BYTES > queue->max_bytes)
			spare_trim(queue, queue->nspare - 1); /* the one over */
		chunk = chunk_take(queue, false);
	}
	return chunk;
}

struct bo_wire_frame *bo_wire_queue_reserve(struct bo_wire_queue *queue)
{
	struct bo_wire_chunk *chunk = queue->tail;

	if (!heap_room(queue))
		return NULL;
	if (!chunk || chunk->write + FRAME_ROOM > CHUNK_ROOM) {
		chunk = chunk_new(queue);
		if (!chunk)
			return NULL;
		chunk_append(queue, chunk);
	}
	return (struct bo_wire_frame *)(chunk->room + chunk->write);
}

void bo_wire_queue_commit(struct bo_wire_queue *queue, struct bo_wire_frame *frame)
{
	frame_take(queue, queue->tail, frame);
	frame->seq = queue->seq++;
	queue->frames++;
	queue->packets += frame->packets;
	if (!queue->nfifo || frame->due_ns >= queue->fifo_last_ns) {
		frame->place = PLACE_FIFO;
		queue->fifo_last_ns = frame->due_ns;
		queue->fifo_last_seq = frame->seq;
		if (!queue->nfifo++)
			queue->fifo = frame;
		return;
	}
	heap_add(queue, frame);
	sift_up(queue, queue->nheap - 1, queue->heap[queue->nheap - 1]);
}

struct bo_wire_frame *bo_wire_queue_head(const struct bo_wire_queue *queue)
{
	struct bo_wire_frame *fifo = queue->nfifo ? queue->fifo : NULL;
	const struct bo_wire_ref *top = queue->heap;

	if (!queue->nheap)
		return fifo;
	if (!fifo || ref_before(top, &(struct bo_wire_ref){ fifo->due_ns, fifo->seq, fifo }))
		return top->frame;
	return fifo;
}

/** fifo_next() - the frame of the FIFO behind @frame; there is one */
static struct bo_wire_frame *fifo_next(struct bo_wire_frame *frame)
{
	struct bo_wire_chunk *chunk = frame->chunk;
	size_t at = (size_t)((uint8_t *)frame - chunk->room);

	do {
		at += frame_stride(frame);
		while (at == chunk->write) {
			chunk = chunk->next;
			at = 0;
		}
		frame = (struct bo_wire_frame *)(chunk->room + at);
	} while (frame->place != PLACE_FIFO);
	return frame;
}

struct bo_wire_frame *bo_wire_queue_after(const struct bo_wire_queue *queue,
					  struct bo_wire_frame *frame)
{
	const struct bo_wire_ref *top = queue->heap;

	if (frame->place != PLACE_FIFO || frame->seq == queue->fifo_last_seq)
		return NULL;
	frame = fifo_next(frame);
	if (queue->nheap &&
	    ref_before(top, &(struct bo_wire_ref){ frame->due_ns, frame->seq, frame }))
		return NULL;
	return frame;
}

void bo_wire_queue_pop(struct bo_wire_queue *queue)
{
	struct bo_wire_frame *frame = bo_wire_queue_head(queue);

	queue->frames--;
	queue->packets -= frame->packets;
	if (frame->place == PLACE_FIFO) {
		if (--queue->nfifo)
			queue->fifo = fifo_next(frame);
	} else if (--queue->nheap) {
		sift_down(queue, 0, queue->heap[queue->nheap]);
	}
	frame_drop(queue, frame);
	if (!queue->frames)
		bo_wire_queue_clear(queue);
}

/** each_in_order() - of the FIFO alone; false when @fn has put it out of order */
static bool each_in_order(struct bo_wire_queue *queue,
			  void (*fn)(struct bo_wire_frame *frame, void *arg), void *arg)
{
	struct bo_wire_frame *frame = queue->fifo;
	bool in_order = true;

	for (uint64_t left = queue->nfifo; left; left--) {
		int64_t before_ns = left == queue->nfifo ? INT64_MIN : queue->fifo_last_ns;

		fn(frame, arg);
		in_order = in_order && frame->due_ns >= before_ns;
		queue->fifo_last_ns = frame->due_ns;
		if (left > 1)
			frame = fifo_next(frame);
	}
	return in_order;
}

void bo_wire_queue_each(struct bo_wire_queue *queue,
			void (*fn)(struct bo_wire_frame *frame, void *arg), void *arg)
{
	if (!queue->nheap) {
		if (each_in_order(queue, fn, arg))
			return;
		gather(queue, false);
	} else {
		gather(queue, false);
		qsort(queue->heap, queue->nheap, sizeof(*queue->heap), ref_compare);
		for (size_t i = 0; i < queue->nheap; i++) {
			struct bo_wire_ref *ref = &queue->heap[i];

			fn(ref->frame, arg);
			ref->due_ns = ref->frame->due_ns;
			/* From now on this is the order for equal times.  All that comes has a
			 * higher number, for there were at least as many frames as there are. */
			ref->seq = ref->frame->seq = i;
		}
	}
	heapify(queue);
}

void bo_wire_queue_clear(struct bo_wire_queue *queue)
{
	while (queue->head)
		chunk_give_back(queue, queue->head);
	queue->frames = 0;
	queue->packets = 0;
	queue->live_bytes = 0;
	queue->nfifo = 0;
	queue->nheap = 0;
	spare_trim(queue, SPARE_WHEN_EMPTY);
	if (queue->heap_room > HEAP_WHEN_EMPTY) {
		free(queue->heap);
		queue->heap = NULL;
		queue->heap_room = 0;
	}
}

void bo_wire_queue_done(struct bo_wire_queue *queue)
{
	bo_wire_queue_clear(queue);
	spare_trim(queue, 0);
	free(queue->heap);
	queue->heap = NULL;
	queue->heap_room = 0;
}
