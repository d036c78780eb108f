/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_queue.c — FIFO of frames in fixed chunks.
 * Frames leave in the order in which they came (the wire keeps order), so a list of chunks with a
 * read position at one end and a write position at the other is all that is needed: no heap, no
 * copying when it grows, no allocation per packet.  A frame never straddles two chunks; the room
 * lost at a chunk's end is at most one largest frame, 6 %.
 * Owns: its chunks.  Threads: one.  Privilege: none. */
#include <stdlib.h>

#include "wire-internal.h"

/* Kept when the queue runs empty: enough for short bursts not to go to malloc(3) each time. */
#define SPARE_WHEN_EMPTY 4

struct bo_wire_chunk {
	struct bo_wire_chunk *next;
	size_t read;  /* offset in room of the oldest frame */
	size_t write; /* offset in room of the next frame */
	_Alignas(struct bo_wire_frame) uint8_t room[];
};

#define CHUNK_ROOM (BO_WIRE_CHUNK_BYTES - sizeof(struct bo_wire_chunk))
#define FRAME_ROOM (sizeof(struct bo_wire_frame) + BO_WIRE_FRAME_MAX)

/** frame_stride() - distance from one frame to the next */
static size_t frame_stride(const struct bo_wire_frame *frame)
{
	size_t align = _Alignof(struct bo_wire_frame);

	return (sizeof(*frame) + frame->len + align - 1) / align * align;
}

static struct bo_wire_chunk *chunk_take(struct bo_wire_queue *queue)
{
	struct bo_wire_chunk *chunk = queue->spare;

	if (chunk) {
		queue->spare = chunk->next;
		queue->nspare--;
	} else if ((queue->nchunks + 1) * BO_WIRE_CHUNK_BYTES > queue->max_bytes) {
		return NULL;
	} else {
		chunk = malloc(BO_WIRE_CHUNK_BYTES);
		if (!chunk)
			return NULL;
		queue->nchunks++;
	}
	chunk->next = NULL;
	chunk->read = 0;
	chunk->write = 0;
	return chunk;
}

static void chunk_give_back(struct bo_wire_queue *queue, struct bo_wire_chunk *chunk)
{
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

struct bo_wire_frame *bo_wire_queue_reserve(struct bo_wire_queue *queue)
{
	struct bo_wire_chunk *chunk = queue->tail;

	if (!chunk || chunk->write + FRAME_ROOM > CHUNK_ROOM) {
		chunk = chunk_take(queue);
		if (!chunk)
			return NULL;
		if (queue->tail)
			queue->tail->next = chunk;
		else
			queue->head = chunk;
		queue->tail = chunk;
	}
	return (struct bo_wire_frame *)(chunk->room + chunk->write);
}

void bo_wire_queue_commit(struct bo_wire_queue *queue, struct bo_wire_frame *frame)
{
	queue->tail->write += frame_stride(frame);
	queue->frames++;
	queue->packets += frame->packets;
}

struct bo_wire_frame *bo_wire_queue_head(const struct bo_wire_queue *queue)
{
	return queue->frames ? (struct bo_wire_frame *)(queue->head->room + queue->head->read)
			     : NULL;
}

void bo_wire_queue_pop(struct bo_wire_queue *queue)
{
	struct bo_wire_chunk *chunk = queue->head;
	const struct bo_wire_frame *frame = bo_wire_queue_head(queue);

	queue->frames--;
	queue->packets -= frame->packets;
	chunk->read += frame_stride(frame);
	if (!queue->frames) {
		/* Start again at the front: an almost idle queue then stays in the same few cache
		 * lines. An empty tail chunk (reserved, never committed) may still hang behind the
		 * head. */
		bo_wire_queue_clear(queue);
	} else if (chunk->read == chunk->write) {
		queue->head = chunk->next;
		chunk_give_back(queue, chunk);
	}
}

void bo_wire_queue_each(struct bo_wire_queue *queue,
			void (*fn)(struct bo_wire_frame *frame, void *arg), void *arg)
{
	for (struct bo_wire_chunk *chunk = queue->head; chunk; chunk = chunk->next) {
		for (size_t at = chunk->read; at < chunk->write;) {
			struct bo_wire_frame *frame = (struct bo_wire_frame *)(chunk->room + at);

			fn(frame, arg);
			at += frame_stride(frame);
		}
	}
}

void bo_wire_queue_clear(struct bo_wire_queue *queue)
{
	while (queue->head) {
		struct bo_wire_chunk *chunk = queue->head;

		queue->head = chunk->next;
		chunk_give_back(queue, chunk);
	}
	queue->tail = NULL;
	queue->frames = 0;
	queue->packets = 0;
	spare_trim(queue, SPARE_WHEN_EMPTY);
}

void bo_wire_queue_done(struct bo_wire_queue *queue)
{
	bo_wire_queue_clear(queue);
	spare_trim(queue, 0);
}
