/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_fate.c — the stations of a packet, one by one and together, and what a
 * change of impairment does.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "wire-internal.h"

#define MS BO_NSEC_PER_MSEC

static struct bo_wire_line line_with(const struct bo_impair *im)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line;
	struct bo_err err = { 0 };

	assert_int_equal(bo_impair_check(im, &err), 0);
	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	assert_int_equal(bo_wire_line_change(&line, im, 0, &queue), 0);
	return line;
}

static struct bo_wire_outcome next(struct bo_wire_line *line, int64_t now_ns, size_t len,
				   uint64_t queued)
{
	const struct bo_wire_packet packet = { .len = len };
	struct bo_wire_outcome out;

	bo_wire_line_next(line, now_ns, &packet, 1, queued, &out);
	return out;
}

static int64_t due(struct bo_wire_line *line, int64_t now_ns, size_t len)
{
	struct bo_wire_outcome out = next(line, now_ns, len, 0);

	assert_int_equal(out.fate, BO_WIRE_PASS);
	return out.due_ns;
}

/* --- duplicate -------------------------------------------------------------------------------- */

static void a_copy_goes_first_and_on_its_own(void **state)
{
	struct bo_impair im = { .duplicate.ppm = BO_PPM_ALL,
				.loss.random.ppm = 300000,
				.corrupt.ppm = 300000,
				.delay_ns = 10 * MS,
				.jitter_ns = 5 * MS };
	struct bo_wire_line line = line_with(&im);
	int copies = 0, lost = 0, damaged = 0, both = 0, later = 0;
	struct bo_wire_outcome out;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		out = next(&line, i * MS, 100, 0);
		assert_int_equal(out.fate, BO_WIRE_PASS); /* lost and duplicated: just once */
		if (!out.copied)
			continue;
		copies++;
		lost += line.copy.fate == BO_WIRE_LOST;
		if (line.copy.fate != BO_WIRE_PASS)
			continue;
		damaged += line.copy.corrupted;
		both += line.copy.corrupted && out.corrupted;
		later += line.copy.due_ns > out.due_ns;
		assert_false(line.copy.copied);
		assert_int_equal(line.copy.number, i);
	}
	assert_in_range(copies, 6800, 7200);
	assert_in_range(lost, copies * 27 / 100, copies * 33 / 100);
	assert_in_range(damaged, (copies - lost) * 27 / 100, (copies - lost) * 33 / 100);
	assert_in_range(both, (copies - lost) * 7 / 100, (copies - lost) * 11 / 100);
	assert_in_range(later, (copies - lost) * 46 / 100, (copies - lost) * 54 / 100);

	/* At a rate the copy is on the wire before the original. */
	im = (struct bo_impair){ .duplicate.ppm = BO_PPM_ALL, .rate_bps = 8000000 };
	line = line_with(&im);
	for (int i = 0; i < 5; i++) {
		out = next(&line, 0, 1000, 0);
		assert_true(out.copied);
		assert_int_equal(line.copy.due_ns, (2 * i + 1) * MS);
		assert_int_equal(out.due_ns, (2 * i + 2) * MS);
	}
}

static void what_is_lost_and_duplicated_goes_once(void **state)
{
	const struct bo_impair im = { .duplicate.ppm = BO_PPM_ALL, .loss.random.ppm = BO_PPM_ALL };
	struct bo_wire_line line = line_with(&im);
	struct bo_wire_outcome out = next(&line, 0, 100, 0);

	(void)state;
	assert_int_equal(out.fate, BO_WIRE_PASS);
	assert_false(out.copied);
}

/* --- limit ------------------------------------------------------------------------------------ */

static void the_limit_holds_for_copies_too(void **state)
{
	const struct bo_impair im = { .duplicate.ppm = BO_PPM_ALL,
				      .delay_ns = MS,
				      .limit_packets = 10 };
	struct bo_wire_line line = line_with(&im);
	struct bo_wire_outcome out = next(&line, 0, 100, 9);

	(void)state;
	assert_int_equal(out.fate, BO_WIRE_PASS);
	assert_true(out.copied);
	out = next(&line, 0, 100, 10);
	assert_int_equal(out.fate, BO_WIRE_OVERFLOWED);
	assert_false(out.copied);
}

/* --- reorder ---------------------------------------------------------------------------------- */

static void every_nth_goes_ahead(void **state)
{
	struct bo_impair im = { .delay_ns = 10 * MS, .reorder.ppm = BO_PPM_ALL, .reorder_gap = 5 };
	struct bo_wire_line line = line_with(&im);
	int ahead = 0;

	(void)state;
	for (int i = 1; i <= 100; i++) {
		struct bo_wire_outcome out = next(&line, i, 100, 0);

		assert_int_equal(out.ahead, i % 5 == 0);
		assert_int_equal(out.due_ns, i % 5 == 0 ? i : i + 10 * MS);
	}
	/* Of every third packet at the earliest, each second one: one in four on average. */
	im.reorder = (struct bo_chance){ .ppm = 500000 };
	im.reorder_gap = 3;
	line = line_with(&im);
	for (int i = 1; i <= 40000; i++)
		ahead += next(&line, i, 100, 0).ahead;
	assert_in_range(ahead, 9700, 10300);
}

static void what_is_ahead_skips_the_rate(void **state)
{
	const struct bo_impair im = { .delay_ns = 10 * MS,
				      .rate_bps = 8000000,
				      .reorder.ppm = BO_PPM_ALL,
				      .reorder_gap = 3 };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	assert_int_equal(due(&line, 0, 1000), 11 * MS);
	assert_int_equal(due(&line, 0, 1000), 12 * MS);
	assert_int_equal(due(&line, 0, 1000), 0);
	assert_int_equal(due(&line, 0, 1000), 13 * MS);
}

/* --- jitter and order ------------------------------------------------------------------------- */

static void jitter_overtakes_unless_in_order(void **state)
{
	struct bo_impair im = { .delay_ns = 50 * MS, .jitter_ns = 10 * MS };
	int64_t last = 0;
	int overtaken = 0;

	(void)state;
	for (int order = 0; order < 2; order++) {
		struct bo_wire_line line;

		im.in_order = order;
		line = line_with(&im);
		overtaken = 0;
		last = 0;
		for (int64_t i = 0; i < 10000; i++) {
			int64_t at = due(&line, i * 1000, 100);

			overtaken += at < last;
			last = at;
			assert_true(at >= i * 1000 + 40 * MS &&
				    (order || at <= i * 1000 + 60 * MS));
		}
		if (order)
			assert_int_equal(overtaken, 0);
		else
			assert_in_range(overtaken, 4500, 5500);
	}
	/* At a rate packets wait for those before them, jitter or not. */
	im = (struct bo_impair){ .delay_ns = 50 * MS, .jitter_ns = 10 * MS, .rate_bps = 80000000 };
	struct bo_wire_line line = line_with(&im);

	last = 0;
	for (int64_t i = 0; i < 10000; i++) {
		int64_t at = due(&line, i * 1000, 100);

		assert_true(at >= last + 10000);
		last = at;
	}
}

/* --- rate ------------------------------------------------------------------------------------- */

static void rate_charges_overhead_and_cells(void **state)
{
	/* clang-format off */
	static const struct {
		int64_t overhead, cell, cell_overhead;
		size_t len;
		uint64_t bytes;
	} cases[] = {
		{ 0, 0, 0, 1500, 1500 },
		{ 38, 0, 0, 1500, 1538 },         /* Ethernet with preamble and gap */
		{ -14, 0, 0, 1500, 1486 },
		{ -100, 0, 0, 40, 0 },
		{ 0, 48, 5, 48, 53 },             /* ATM */
		{ 0, 48, 5, 49, 106 },
		{ 8, 48, 5, 40, 53 },             /* AAL5 trailer */
		{ 0, 48, 5, 1500, 32 * 53 },
		{ 0, 48, 0, 49, 96 },
		{ 0, 100, -100, 1500, 0 },
		{ 0, 1, -32767, 1500, 0 },
		{ 32767, 1, 32767, 65575, UINT64_C(1) << 30 }, /* no more than fits */
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bo_impair im = { .rate_bps = 8000,
					      .rate_overhead = cases[i].overhead,
					      .rate_cell_bytes = cases[i].cell,
					      .rate_cell_overhead = cases[i].cell_overhead };
		struct bo_wire_line line = line_with(&im);

		assert_int_equal(bo_wire_charge(&im, cases[i].len), cases[i].bytes);
		assert_int_equal(due(&line, 0, cases[i].len), (int64_t)cases[i].bytes * MS);
	}
}

static void rate_loses_nothing_to_rounding(void **state)
{
	/* 64 bytes take 5.12 ns at 100 Gbit/s. */
	struct bo_impair im = { .rate_bps = INT64_C(100000000000) };
	struct bo_wire_line line = line_with(&im);
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		at = due(&line, 1, 64);
	assert_int_equal(at, 1 + 512000);
	/* Three at 7 bit/s: 24 bits. */
	im.rate_bps = 7;
	line = line_with(&im);
	for (int i = 0; i < 3; i++)
		at = due(&line, 0, 1);
	assert_int_equal(at, INT64_C(24) * BO_NSEC_PER_SEC / 7);
}

/* --- trace ------------------------------------------------------------------------------------ */

/** struct mahimahi - link_queue.cc anew, one chance after the other: what the skipping is checked
 * against */
struct mahimahi {
	const struct bo_trace *trace;
	int64_t base_ms;
	uint32_t next;
	int64_t chance_ms;
	int64_t left;
};

static int64_t mahimahi_send(struct mahimahi *m, int64_t at_ms, int64_t bytes)
{
	if (at_ms >= m->chance_ms)
		m->left = 0;
	while (bytes > 0) {
		int64_t send;

		while (m->left == 0) {
			m->chance_ms = m->base_ms + m->trace->at_ms[m->next];
			if (m->chance_ms > at_ms)
				m->left = 1504;
			if (++m->next == m->trace->count) {
				m->next = 0;
				m->base_ms += m->trace->at_ms[m->trace->count - 1];
			}
		}
		send = bytes < m->left ? bytes : m->left;
		bytes -= send;
		m->left -= send;
	}
	return m->chance_ms;
}

static void trace_gives_the_chances_of_mahimahi(void **state)
{
	static const uint32_t steady[] = { 1 }, gaps[] = { 0, 0, 3, 3, 3, 10, 200 },
			      zero[] = { 0, 7 }, late[] = { 1000 };
	static const struct bo_trace traces[] = {
		{ "steady", steady, 1 },
		{ "gaps", gaps, 7 },
		{ "zero", zero, 2 },
		{ "late", late, 1 },
	};
	struct bo_rng rng;

	(void)state;
	bo_rng_init(&rng, 1, 1);
	for (size_t t = 0; t < sizeof(traces) / sizeof(traces[0]); t++) {
		const struct bo_impair im = { .trace = &traces[t] };
		struct bo_wire_line line = line_with(&im);
		struct mahimahi m = { .trace = &traces[t], .chance_ms = 0 };
		int64_t now_ms = 0;

		for (int i = 0; i < 3000; i++) {
			size_t len = 1 + bo_rng_u64(&rng) % (i % 10 ? 1500 : 9000);
			int64_t want = mahimahi_send(&m, now_ms, (int64_t)len + 4);

			assert_int_equal(due(&line, now_ms * MS, len), want * MS);
			/* Bursts, pauses, now and then a long one. */
			now_ms += bo_rng_u64(&rng) % 3 ? 0 : (int64_t)(bo_rng_u64(&rng) % 50);
			now_ms += i % 500 == 499 ? 100000 : 0;
		}
	}
}

static void trace_fits_a_full_packet_and_spares_none(void **state)
{
	static const uint32_t at[] = { 10, 20, 30 };
	static const struct bo_trace trace = { "t", at, 3 };
	struct bo_impair im = { .trace = &trace };
	struct bo_wire_line line = line_with(&im);
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };

	(void)state;
	assert_int_equal(due(&line, 0, 1500), 10 * MS);
	assert_int_equal(due(&line, 0, 1501), 30 * MS); /* one byte in the next but one */
	assert_int_equal(due(&line, 0, 1499), 30 * MS); /* the rest of it holds this */
	assert_int_equal(due(&line, 0, 1), 40 * MS);
	assert_int_equal(due(&line, 40 * MS, 1), 50 * MS); /* too late for the one at 40 */
	/* Idle for a year. */
	assert_int_equal(due(&line, INT64_C(365) * 86400000 * MS + 5 * MS, 1500),
			 INT64_C(365) * 86400000 * MS + 10 * MS);
	/* Another delay: the trace goes on; another trace begins. */
	line = line_with(&im);
	assert_int_equal(due(&line, 12 * MS, 100), 20 * MS);
	im.delay_ns = MS;
	assert_int_equal(bo_wire_line_change(&line, &im, 13 * MS, &queue), 0);
	assert_int_equal(due(&line, 20 * MS, 100), 30 * MS);
	im.trace = NULL;
	assert_int_equal(bo_wire_line_change(&line, &im, 33 * MS, &queue), 0);
	im.trace = &trace;
	im.delay_ns = 0;
	assert_int_equal(bo_wire_line_change(&line, &im, 34 * MS, &queue), 0);
	assert_int_equal(due(&line, 35 * MS, 100), 44 * MS);
}

/* A trace that is lent at the same place need not be the one that was there. */
static void trace_may_be_another_one_in_the_same_place(void **state)
{
	static const uint32_t many[] = { 10, 20, 30, 40 }, one[] = { 10 };
	struct bo_trace trace = { "many", many, 4 };
	struct bo_impair im = { .trace = &trace };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	assert_int_equal(due(&line, 25 * MS, 1500), 30 * MS);
	trace = (struct bo_trace){ "one", one, 1 };
	assert_int_equal(bo_wire_line_change(&line, &im, 31 * MS, &queue), 0);
	assert_int_equal(due(&line, 32 * MS, 1500), 40 * MS);
	assert_int_equal(due(&line, 32 * MS, 1500), 50 * MS);
}

/* --- slots ------------------------------------------------------------------------------------ */

static void slots_bundle_what_comes_in_between(void **state)
{
	struct bo_impair im = { .slot = { .min_ns = 10 * MS, .max_ns = 10 * MS, .packets = 4 } };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	/* The first packet opens a slot; what comes before it goes is in it. */
	assert_int_equal(due(&line, 100 * MS, 100), 110 * MS);
	assert_int_equal(due(&line, 105 * MS, 100), 110 * MS);
	assert_int_equal(due(&line, 110 * MS, 100), 110 * MS);
	assert_int_equal(due(&line, 111 * MS, 100), 121 * MS);
	/* Four to a slot; the fifth is in the next. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(due(&line, 112 * MS, 100), 121 * MS);
	for (int i = 0; i < 4; i++)
		assert_int_equal(due(&line, 112 * MS, 100), 131 * MS);
	assert_int_equal(due(&line, 112 * MS, 100), 141 * MS);
	/* Bytes: the packet that goes beyond is still in. */
	im.slot = (struct bo_slot){ .min_ns = 10 * MS, .max_ns = 10 * MS, .bytes = 1000 };
	line = line_with(&im);
	assert_int_equal(due(&line, 100 * MS, 600), 110 * MS);
	assert_int_equal(due(&line, 100 * MS, 600), 110 * MS);
	assert_int_equal(due(&line, 100 * MS, 600), 120 * MS);
}

static void slots_are_min_to_max_apart(void **state)
{
	const struct bo_impair im = {
		.slot = { .min_ns = 10 * MS, .max_ns = 30 * MS, .packets = 1 }
	};
	struct bo_wire_line line = line_with(&im);
	int64_t last = due(&line, MS, 100), least = INT64_MAX, most = 0, sum = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t at = due(&line, MS, 100);

		least = at - last < least ? at - last : least;
		most = at - last > most ? at - last : most;
		sum += at - last;
		last = at;
	}
	assert_in_range(least, 10 * MS, 10 * MS + MS / 10);
	assert_in_range(most, 30 * MS - MS / 10, 30 * MS);
	assert_in_range(sum / 10000, 19800000, 20200000);
}

/* --- extremes --------------------------------------------------------------------------------- */

static void extremes_are_sane(void **state)
{
	static const size_t lens[] = { 1, 19, 1500, 9000, 65535, 65575 };
	struct bo_impair im = { .delay_ns = 600000 * MS };
	const int64_t now = INT64_C(1) << 55; /* a year and more of uptime */
	struct bo_wire_line line = line_with(&im);
	int64_t at, last = 0;

	(void)state;
	assert_int_equal(due(&line, now, 1500), now + 600000 * MS);
	im = (struct bo_impair){ .rate_bps = 1, .limit_packets = INT64_MAX };
	line = line_with(&im);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		at = due(&line, now, lens[i]);
		assert_int_equal(at - (last ? last : now), (int64_t)lens[i] * 8 * BO_NSEC_PER_SEC);
		last = at;
	}
	/* A million jumbo packets at 1 bit/s are never sent; no time overflows. */
	for (int i = 0; i < 1000000; i++) {
		at = due(&line, now, 65535);
		assert_true(at >= last && at <= BO_WIRE_NEVER_NS);
		last = at;
	}
	im.rate_overhead = im.rate_cell_overhead = 32767;
	im.rate_cell_bytes = 1;
	im.slot.max_ns = 3600000 * MS;
	im.slot.packets = 1;
	line = line_with(&im);
	for (int i = 0; i < 1000; i++)
		assert_true(due(&line, now, 65535) >= now);
	im = (struct bo_impair){ .delay_ns = 86400000 * MS,
				 .jitter_ns = 86400000 * MS,
				 .dist = BO_DIST_PARETO };
	line = line_with(&im);
	for (int i = 0; i < 1000; i++) {
		at = due(&line, now, 100);
		assert_true(at >= now && at <= now + 5 * im.delay_ns);
	}
	/* Nor with a trace that has a chance a day: the limit of a link is a million packets. */
	im = (struct bo_impair){
		.trace = &(const struct bo_trace){ "day", (const uint32_t[]){ 86400000 }, 1 },
		.limit_packets = 1000000
	};
	line = line_with(&im);
	last = 0;
	for (int i = 0; i < 1000000; i++) {
		at = due(&line, now, 65535);
		assert_true(at >= last && at > now && at <= BO_WIRE_NEVER_NS);
		last = at;
	}
	/* and it goes on when that is over */
	assert_int_equal(bo_wire_line_change(&line, &(const struct bo_impair){ 0 }, now,
					     &(struct bo_wire_queue){ 0 }),
			 0);
	assert_int_equal(due(&line, now, 1500), now);
	assert_int_equal(bo_wire_line_change(&line, &im, now, &(struct bo_wire_queue){ 0 }), 0);
	assert_int_equal(due(&line, now, 1500), now + 86400000 * MS);
}

/* --- seeds ------------------------------------------------------------------------------------ */

static uint64_t fates(uint64_t seed, uint64_t stream, enum bo_dir dir, int64_t step_ns)
{
	const struct bo_impair im = {
		.delay_ns = 10 * MS,
		.jitter_ns = 2 * MS,
		.dist = BO_DIST_NORMAL,
		.delay_corr_ppm = 300000,
		.loss = { .model = BO_LOSS_GE,
			  .p_ppm = 50000,
			  .r_ppm = 300000,
			  .bad_loss_ppm = 800000 },
		.duplicate = { 30000, 200000 },
		.corrupt = { 20000, 100000 },
		.reorder = { 100000, 500000 },
	};
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line;
	uint64_t hash = 0;

	bo_wire_line_init(&line, seed, stream, dir);
	assert_int_equal(bo_wire_line_change(&line, &im, 0, &queue), 0);
	for (int i = 0; i < 20000; i++) {
		struct bo_wire_outcome out = next(&line, i * step_ns, 500, 0);

		hash = bo_mix64(hash ^ out.fate ^ (uint64_t)out.copied << 8 ^
				(uint64_t)out.ahead << 9 ^ (uint64_t)out.corrupted << 10 ^
				(uint64_t)out.bit << 16);
		if (out.fate == BO_WIRE_PASS)
			hash = bo_mix64(hash ^ (uint64_t)(out.due_ns - i * step_ns));
		if (out.copied)
			hash = bo_mix64(hash ^ line.copy.fate ^
					(uint64_t)(line.copy.fate == BO_WIRE_PASS
							   ? line.copy.due_ns - i * step_ns
							   : 0));
	}
	return hash;
}

static void same_seed_same_fates(void **state)
{
	uint64_t hash = fates(1, 2, BO_DIR_A_TO_B, MS);

	(void)state;
	assert_true(fates(1, 2, BO_DIR_A_TO_B, MS) == hash);
	assert_true(fates(1, 2, BO_DIR_A_TO_B, 12345) == hash); /* the clock is no part of it */
	assert_true(fates(2, 2, BO_DIR_A_TO_B, MS) != hash);
	assert_true(fates(1, 3, BO_DIR_A_TO_B, MS) != hash);
	assert_true(fates(1, 2, BO_DIR_B_TO_A, MS) != hash);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void put(struct bo_wire_queue *queue, int64_t due_ns, size_t len)
{
	struct bo_wire_frame *frame = bo_wire_queue_reserve(queue);

	assert_non_null(frame);
	frame->due_ns = due_ns;
	frame->len = (uint32_t)(len + BO_WIRE_HDR_LEN);
	frame->packets = 1;
	frame->data[0] = (uint8_t)queue->frames;
	bo_wire_queue_commit(queue, frame);
}

static void pops(struct bo_wire_queue *queue, int64_t due_ns, uint8_t name)
{
	const struct bo_wire_frame *frame = bo_wire_queue_head(queue);

	assert_non_null(frame);
	assert_int_equal(frame->due_ns, due_ns);
	assert_int_equal(frame->data[0], name);
	bo_wire_queue_pop(queue);
}

static void change_keeps_the_order_of_a_jitter(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair was = { .delay_ns = 100 * MS, .jitter_ns = 50 * MS };
	const struct bo_impair is = { .delay_ns = 60 * MS, .jitter_ns = 20 * MS };
	struct bo_wire_line line = line_with(&was);

	(void)state;
	put(&queue, 140 * MS, 100); /* 0 */
	put(&queue, 55 * MS, 100);  /* 1 */
	put(&queue, 120 * MS, 100); /* 2 */
	put(&queue, 70 * MS, 100);  /* 3 */
	assert_int_equal(bo_wire_line_change(&line, &is, 5 * MS, &queue), 0);
	/* At most what the new delay takes; among those that are held back that far, the order in
	 * which they would have left. */
	pops(&queue, 55 * MS, 1);
	pops(&queue, 65 * MS, 3);
	pops(&queue, 65 * MS, 2);
	pops(&queue, 65 * MS, 0);
	bo_wire_queue_done(&queue);
}

static void change_to_a_slower_rate_follows_what_is_queued(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair fast = { .rate_bps = 8000000 }, slow = { .rate_bps = 80000 };
	struct bo_wire_line line = line_with(&fast);

	(void)state;
	for (int i = 0; i < 10; i++)
		put(&queue, due(&line, 0, 1000), 1000);
	assert_int_equal(bo_wire_line_change(&line, &slow, 0, &queue), 0);
	/* They keep their time, and the next does not wait as if they had been slow. */
	assert_int_equal(due(&line, 0, 1000), 10 * MS + 100 * MS);
	for (int i = 0; i < 10; i++)
		pops(&queue, (i + 1) * MS, (uint8_t)i);
	bo_wire_queue_done(&queue);
}

/* A jitter of three deviations is no queue. */
static void change_tells_what_is_late_from_what_waits(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair was = {
		.delay_ns = 10 * MS, .jitter_ns = MS, .dist = BO_DIST_NORMAL, .rate_bps = 8000000
	};
	const struct bo_impair is = { .rate_bps = 8000 };
	struct bo_wire_line line = line_with(&was);

	(void)state;
	put(&queue, 13 * MS, 1000);
	put(&queue, 15 * MS, 1000);
	assert_int_equal(bo_wire_line_change(&line, &is, 0, &queue), 0);
	pops(&queue, 0, 0);
	pops(&queue, 15 * MS, 1);
	bo_wire_queue_done(&queue);
}

static void change_to_a_trace_and_to_slots(void **state)
{
	static const uint32_t at[] = { 10 };
	static const struct bo_trace trace = { "t", at, 1 };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair slow = { .rate_bps = 8000 }, traced = { .trace = &trace };
	const struct bo_impair bursts = {
		.slot = { .min_ns = 5 * MS, .max_ns = 5 * MS, .packets = 2 }
	};
	struct bo_wire_line line = line_with(&slow);

	(void)state;
	for (int i = 0; i < 5; i++)
		put(&queue, due(&line, 0, 1000), 1000); /* 1 s each */
	assert_int_equal(bo_wire_line_change(&line, &traced, 0, &queue), 0);
	/* 1004 bytes each of the 1504 every 10 ms */
	pops(&queue, 10 * MS, 0);
	pops(&queue, 20 * MS, 1);
	assert_int_equal(bo_wire_line_change(&line, &bursts, 20 * MS, &queue), 0);
	pops(&queue, 20 * MS, 2); /* two in the slot that goes at once, as with netem */
	pops(&queue, 20 * MS, 3);
	pops(&queue, 25 * MS, 4);
	bo_wire_queue_done(&queue);
}

static void change_leaves_a_trace_alone(void **state)
{
	static const uint32_t at[] = { 10, 20, 25 };
	static const struct bo_trace trace = { "t", at, 3 };
	struct bo_impair im = { .delay_ns = MS, .trace = &trace };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	for (int i = 0; i < 3; i++)
		put(&queue, due(&line, 0, 1500), 1500); /* 10, 20, 25 */
	im.loss.random.ppm = 1;
	for (int i = 1; i < 5; i++)
		assert_int_equal(bo_wire_line_change(&line, &im, i * MS, &queue), 0);
	assert_int_equal(due(&line, 5 * MS, 1500), 35 * MS);
	pops(&queue, 10 * MS, 0);
	pops(&queue, 20 * MS, 1);
	pops(&queue, 25 * MS, 2);
	/* It does not stay where a long delay had taken it. */
	im.delay_ns = 3600000 * MS;
	assert_int_equal(bo_wire_line_change(&line, &im, 40 * MS, &queue), 0);
	assert_int_equal(due(&line, 50 * MS, 1500), 3600060 * MS);
	put(&queue, 3600060 * MS, 1500);
	im.delay_ns = 0;
	assert_int_equal(bo_wire_line_change(&line, &im, 51 * MS, &queue), 0);
	pops(&queue, 60 * MS, 0);
	assert_int_equal(due(&line, 52 * MS, 1500), 70 * MS);
	/* A slower one: what is queued keeps its time, the next come after it. */
	put(&queue, 75 * MS, 1500);
	put(&queue, 85 * MS, 1500);
	im.trace = &(const struct bo_trace){ "slow", (const uint32_t[]){ 1000 }, 1 };
	assert_int_equal(bo_wire_line_change(&line, &im, 70 * MS, &queue), 0);
	assert_int_equal(due(&line, 70 * MS, 1500), 1070 * MS);
	pops(&queue, 75 * MS, 0);
	pops(&queue, 85 * MS, 1);
	/* The first would need the chances at 78 and 86 ms: it goes before, and nothing before it. */
	put(&queue, 80 * MS, 3000);
	put(&queue, 85 * MS, 1500);
	im.trace = &(const struct bo_trace){ "eight", (const uint32_t[]){ 8 }, 1 };
	assert_int_equal(bo_wire_line_change(&line, &im, 70 * MS, &queue), 0);
	assert_int_equal(due(&line, 70 * MS, 100), 86 * MS);
	pops(&queue, 80 * MS, 0);
	pops(&queue, 85 * MS, 1);
	/* What is left of a chance is not forgotten either. */
	im.trace = &trace;
	assert_int_equal(bo_wire_line_change(&line, &im, 90 * MS, &queue), 0);
	for (int i = 0; i < 2; i++)
		put(&queue, due(&line, 90 * MS, 500), 500);
	im.loss.random.ppm = 2;
	assert_int_equal(bo_wire_line_change(&line, &im, 91 * MS, &queue), 0);
	assert_int_equal(due(&line, 91 * MS, 100), 100 * MS);
	bo_wire_queue_done(&queue);
}

static void change_leaves_slots_alone(void **state)
{
	struct bo_impair im = { .delay_ns = 20 * MS,
				.slot = { .min_ns = 50 * MS, .max_ns = 50 * MS, .packets = 2 } };
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	for (int i = 0; i < 3; i++) /* the first two at 51 ms, the third at 101 ms */
		put(&queue, due(&line, MS, 100), 100);
	im.delay_ns = 19 * MS; /* as a ramp does, step by step */
	assert_int_equal(bo_wire_line_change(&line, &im, 10 * MS, &queue), 0);
	assert_int_equal(bo_wire_queue_head(&queue)->due_ns, 51 * MS);
	assert_int_equal(due(&line, 10 * MS, 100), 101 * MS);
	assert_int_equal(due(&line, 10 * MS, 100), 151 * MS);
	/* Far off, because of a delay that is lifted. */
	im.delay_ns = 3600000 * MS;
	assert_int_equal(bo_wire_line_change(&line, &im, 11 * MS, &queue), 0);
	assert_int_equal(due(&line, 200 * MS, 100), 3600250 * MS);
	im.delay_ns = 0;
	assert_int_equal(bo_wire_line_change(&line, &im, 300 * MS, &queue), 0);
	assert_int_equal(due(&line, 301 * MS, 100), 351 * MS);
	bo_wire_queue_done(&queue);
}

static void change_restarts_chains_that_change(void **state)
{
	struct bo_impair im = {
		.loss = { .model = BO_LOSS_GE, .p_ppm = BO_PPM_ALL, .bad_loss_ppm = BO_PPM_ALL }
	};
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	struct bo_wire_line line = line_with(&im);

	(void)state;
	/* Good for one packet, then bad for ever. */
	assert_int_equal(next(&line, 0, 100, 0).fate, BO_WIRE_PASS);
	for (int i = 0; i < 5; i++)
		assert_int_equal(next(&line, 0, 100, 0).fate, BO_WIRE_LOST);
	im.delay_ns = MS; /* has no memory */
	assert_int_equal(bo_wire_line_change(&line, &im, 0, &queue), 0);
	assert_int_equal(next(&line, 0, 100, 0).fate, BO_WIRE_LOST);
	im.loss.bad_loss_ppm = 999999;
	assert_int_equal(bo_wire_line_change(&line, &im, 0, &queue), 0);
	assert_int_equal(next(&line, 0, 100, 0).fate, BO_WIRE_PASS);
	assert_int_equal(next(&line, 0, 100, 0).fate, BO_WIRE_LOST);
	/* And the packets go on being counted. */
	assert_int_equal(next(&line, 0, 100, 0).number, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_goes_first_and_on_its_own),
		cmocka_unit_test(what_is_lost_and_duplicated_goes_once),
		cmocka_unit_test(the_limit_holds_for_copies_too),
		cmocka_unit_test(every_nth_goes_ahead),
		cmocka_unit_test(what_is_ahead_skips_the_rate),
		cmocka_unit_test(jitter_overtakes_unless_in_order),
		cmocka_unit_test(rate_charges_overhead_and_cells),
		cmocka_unit_test(rate_loses_nothing_to_rounding),
		cmocka_unit_test(trace_gives_the_chances_of_mahimahi),
		cmocka_unit_test(trace_fits_a_full_packet_and_spares_none),
		cmocka_unit_test(trace_may_be_another_one_in_the_same_place),
		cmocka_unit_test(slots_bundle_what_comes_in_between),
		cmocka_unit_test(slots_are_min_to_max_apart),
		cmocka_unit_test(extremes_are_sane),
		cmocka_unit_test(same_seed_same_fates),
		cmocka_unit_test(change_keeps_the_order_of_a_jitter),
		cmocka_unit_test(change_to_a_slower_rate_follows_what_is_queued),
		cmocka_unit_test(change_tells_what_is_late_from_what_waits),
		cmocka_unit_test(change_to_a_trace_and_to_slots),
		cmocka_unit_test(change_leaves_a_trace_alone),
		cmocka_unit_test(change_leaves_slots_alone),
		cmocka_unit_test(change_restarts_chains_that_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
