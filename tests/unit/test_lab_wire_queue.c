/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_queue.c — the wire's due-time queue against a plain model.  Privilege:
 * none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire-internal.h"

static void queue_put(struct bo_wire_queue *queue, uint32_t len, uint32_t number)
{
	struct bo_wire_frame *frame = bo_wire_queue_reserve(queue);

	assert_non_null(frame);
	memset(frame->data, (uint8_t)number, len);
	frame->due_ns = number;
	frame->len = len;
	frame->packets = 1;
	bo_wire_queue_commit(queue, frame);
}

static void queue_is_fifo_across_chunks(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	uint32_t put = 0, got = 0;

	(void)state;
	/* Several times round, with the queue always a little longer: chunks are taken, emptied and
	 * reused. */
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++, put++)
			queue_put(&queue, 20 + put % 60000, put);
		for (int i = 0; i < 90; i++, got++) {
			const struct bo_wire_frame *frame = bo_wire_queue_head(&queue);

			assert_non_null(frame);
			assert_int_equal(frame->len, 20 + got % 60000);
			assert_int_equal(frame->data[0], (uint8_t)got);
			assert_int_equal(frame->data[frame->len - 1], (uint8_t)got);
			bo_wire_queue_pop(&queue);
		}
	}
	assert_int_equal(queue.frames, put - got);
	assert_int_equal(queue.packets, put - got);
	while (bo_wire_queue_head(&queue))
		bo_wire_queue_pop(&queue);
	assert_int_equal(queue.frames, 0);
	assert_true(queue.nchunks <= 4);
	bo_wire_queue_done(&queue);
	assert_int_equal(queue.nchunks, 0);
}

static void queue_is_bounded_in_bytes(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = 3 * BO_WIRE_CHUNK_BYTES };
	struct bo_wire_frame *frame;
	size_t bytes = 0;

	(void)state;
	while ((frame = bo_wire_queue_reserve(&queue))) {
		frame->due_ns = 0;
		frame->len = 60000;
		frame->packets = 1;
		bo_wire_queue_commit(&queue, frame);
		bytes += 60000;
		assert_true(bytes <= queue.max_bytes);
	}
	assert_true(bytes > queue.max_bytes * 8 / 10);
	bo_wire_queue_pop(&queue);
	assert_null(bo_wire_queue_reserve(&queue)); /* one frame less does not free a chunk */
	bo_wire_queue_clear(&queue);
	assert_non_null(bo_wire_queue_reserve(&queue));
	bo_wire_queue_done(&queue);
}

/** struct model - the reference: an unordered pile, searched from end to end */
struct model {
	struct {
		int64_t due_ns;
		uint32_t id;
		uint32_t len;
	} at[4000];
	size_t n;
	uint32_t next_id;
};

static size_t model_first(const struct model *m)
{
	size_t first = 0;

	/* Kept in order of arrival, so the first of equals is the oldest. */
	for (size_t i = 1; i < m->n; i++)
		if (m->at[i].due_ns < m->at[first].due_ns)
			first = i;
	return first;
}

static void model_remove(struct model *m, size_t i)
{
	memmove(&m->at[i], &m->at[i + 1], (m->n - i - 1) * sizeof(m->at[0]));
	m->n--;
}

/** both_put() - the same frame into queue and model; false when the queue is full */
static bool both_put(struct bo_wire_queue *queue, struct model *m, int64_t due_ns, uint32_t len)
{
	struct bo_wire_frame *frame = bo_wire_queue_reserve(queue);

	if (!frame)
		return false;
	memset(frame->data, (uint8_t)m->next_id, len);
	memcpy(frame->data, &m->next_id, sizeof(m->next_id));
	frame->due_ns = due_ns;
	frame->len = len;
	frame->packets = 2;
	bo_wire_queue_commit(queue, frame);
	assert_in_range(m->n, 0, sizeof(m->at) / sizeof(m->at[0]) - 1);
	m->at[m->n].due_ns = due_ns;
	m->at[m->n].len = len;
	m->at[m->n++].id = m->next_id++;
	return true;
}

/** both_after() - what the queue says will leave second */
static void both_after(const struct bo_wire_queue *queue, const struct model *m)
{
	static struct model rest;
	struct bo_wire_frame *next = bo_wire_queue_after(queue, bo_wire_queue_head(queue));
	uint32_t id;

	/* It may not know, unless all came in order. */
	assert_true(next || m->n == 1 || queue->nheap);
	if (!next)
		return;
	rest = *m;
	model_remove(&rest, model_first(&rest));
	memcpy(&id, next->data, sizeof(id));
	assert_int_equal(id, rest.at[model_first(&rest)].id);
}

static void both_pop(struct bo_wire_queue *queue, struct model *m)
{
	const struct bo_wire_frame *frame = bo_wire_queue_head(queue);
	size_t i = model_first(m);
	uint32_t id;

	assert_non_null(frame);
	memcpy(&id, frame->data, sizeof(id));
	assert_int_equal(frame->due_ns, m->at[i].due_ns);
	assert_int_equal(id, m->at[i].id);
	assert_int_equal(frame->len, m->at[i].len);
	assert_int_equal(frame->data[frame->len - 1], (uint8_t)id);
	bo_wire_queue_pop(queue);
	model_remove(m, i);
	assert_int_equal(queue->frames, m->n);
	assert_int_equal(queue->packets, m->n * 2);
}

/** struct shift - both_each(): what changes the times, and what the order was */
struct shift {
	struct model *m;
	struct bo_rng rng;
	int64_t last_ns;
	struct model after;
};

static void shift_one(struct bo_wire_frame *frame, void *arg)
{
	struct shift *s = arg;
	size_t i = model_first(s->m);
	uint32_t id;

	memcpy(&id, frame->data, sizeof(id));
	assert_int_equal(id, s->m->at[i].id);
	assert_true(frame->due_ns >= s->last_ns);
	s->last_ns = frame->due_ns;
	if (bo_rng_u64(&s->rng) % 2)
		frame->due_ns = (int64_t)(bo_rng_u64(&s->rng) % 20);
	s->after.at[s->after.n] = s->m->at[i];
	s->after.at[s->after.n++].due_ns = frame->due_ns;
	model_remove(s->m, i);
}

static void both_each(struct bo_wire_queue *queue, struct model *m, uint64_t seed)
{
	static struct shift s;

	s = (struct shift){ .m = m, .last_ns = INT64_MIN };
	bo_rng_init(&s.rng, seed, 3);
	bo_wire_queue_each(queue, shift_one, &s);
	assert_int_equal(m->n, 0);
	s.after.next_id = m->next_id;
	*m = s.after;
}

/* Any times, many of them equal; bursts of ascending ones in between, as real traffic has them. */
static void queue_leaves_by_due_time(void **state)
{
	static struct model m;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct bo_wire_queue queue = { .max_bytes = 24 * BO_WIRE_CHUNK_BYTES };
		int64_t base = 0;
		struct bo_rng rng;

		bo_rng_init(&rng, seed, 1);
		m = (struct model){ 0 };
		for (int op = 0; op < 6000; op++) {
			uint64_t dice = bo_rng_u64(&rng) % 100;
			uint32_t len = bo_rng_u64(&rng) % 20 ? 60 : 60000;

			if (dice < 30 && m.n < 3000)
				(void)both_put(&queue, &m, base + (int64_t)(bo_rng_u64(&rng) % 50),
					       len);
			else if (dice < 55 && m.n < 3000)
				(void)both_put(&queue, &m, base += bo_rng_u64(&rng) % 3, len);
			else if (dice < 97 && m.n)
				both_pop(&queue, &m);
			else if (dice < 99 && m.n)
				both_after(&queue, &m);
			else if (dice == 99 && bo_rng_u64(&rng) % 4 == 0)
				both_each(&queue, &m, seed * 10000 + (uint64_t)op);
			/* Now and then it runs empty, or grows long. */
			if (op % 1500 == 1499)
				while (m.n > 3)
					both_pop(&queue, &m);
		}
		while (m.n)
			both_pop(&queue, &m);
		assert_null(bo_wire_queue_head(&queue));
		assert_true(queue.nchunks <= 4);
		bo_wire_queue_done(&queue);
	}
}

static void same(struct bo_wire_frame *frame, void *arg)
{
	(void)frame;
	(void)arg;
}

/* What is looked through and left as it was stays a FIFO; what became out of order is sorted. */
static void queue_each_keeps_and_sorts(void **state)
{
	static struct model m;
	struct bo_wire_queue queue = { .max_bytes = 8 * BO_WIRE_CHUNK_BYTES };

	(void)state;
	m = (struct model){ 0 };
	bo_wire_queue_each(&queue, same, NULL);
	for (int i = 0; i < 500; i++)
		assert_true(both_put(&queue, &m, i / 3, 10000));
	bo_wire_queue_each(&queue, same, NULL);
	assert_int_equal(queue.nfifo, 500);
	both_after(&queue, &m);
	both_each(&queue, &m, 1);
	both_each(&queue, &m, 2);
	for (int i = 0; i < 100; i++)
		both_pop(&queue, &m);
	for (int i = 0; i < 100; i++)
		assert_true(both_put(&queue, &m, i % 7, 100));
	both_each(&queue, &m, 3);
	while (m.n)
		both_pop(&queue, &m);
	bo_wire_queue_done(&queue);
}

/* In every chunk one frame stays for long: without moving those together the bound would be reached
 * with almost nothing queued. */
static void queue_survives_frames_that_stay(void **state)
{
	static struct model m;
	struct bo_wire_queue queue = { .max_bytes = 8 * BO_WIRE_CHUNK_BYTES };
	const int64_t late = 1000000;

	(void)state;
	m = (struct model){ 0 };
	for (int64_t i = 0; i < 2000; i++) {
		assert_true(both_put(&queue, &m, i % 40 ? i : late + i % 3, 60000));
		while (m.at[model_first(&m)].due_ns < i - 5)
			both_pop(&queue, &m);
		assert_true(queue.nchunks <= 8);
	}
	assert_in_range(m.n, 50, 60);
	while (m.n)
		both_pop(&queue, &m);
	assert_int_equal(queue.live_bytes, 0);
	bo_wire_queue_done(&queue);
}

static void queue_bounds_tiny_frames(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = 2 * BO_WIRE_CHUNK_BYTES };
	struct bo_wire_frame *frame;
	uint64_t n = 0;

	(void)state;
	while ((frame = bo_wire_queue_reserve(&queue))) {
		frame->due_ns = -(int64_t)n++; /* each before all others */
		frame->len = BO_WIRE_HDR_LEN + 1;
		frame->packets = 1;
		bo_wire_queue_commit(&queue, frame);
	}
	assert_true(n * 24 <= queue.max_bytes / 4 && n > 20000);
	while ((frame = bo_wire_queue_head(&queue))) {
		assert_int_equal(frame->due_ns, -(int64_t)--n);
		bo_wire_queue_pop(&queue);
	}
	assert_int_equal(n, 0);
	bo_wire_queue_done(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_is_fifo_across_chunks),
		cmocka_unit_test(queue_is_bounded_in_bytes),
		cmocka_unit_test(queue_leaves_by_due_time),
		cmocka_unit_test(queue_each_keeps_and_sorts),
		cmocka_unit_test(queue_survives_frames_that_stay),
		cmocka_unit_test(queue_bounds_tiny_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
