/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire.c — the wire's parts on their own (but the queue and segmentation), and the whole wire between two socket
 * pairs in place of TUN devices (both take and give one whole frame per call).  Privilege: none. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/lab/wire.h"
#include "wire-internal.h"
#include "wire_super.h"

#define MS BO_NSEC_PER_MSEC

/* --- fate ------------------------------------------------------------------------------------- */

/* next() - the fate of @packets packets of @bytes together */
static enum bo_wire_fate next(struct bo_wire_line *line, int64_t now_ns, uint32_t packets,
			      size_t bytes, uint64_t queued, int64_t *ret_due_ns)
{
	struct bo_wire_packet packet = { .len = bytes };
	struct bo_wire_outcome out;

	bo_wire_line_next(line, now_ns, &packet, packets, queued, &out);
	*ret_due_ns = out.due_ns;
	return out.fate;
}

static uint64_t losses(uint64_t seed, uint64_t stream, enum bo_dir dir, int64_t loss_ppm, int n,
		       uint8_t *ret_lost)
{
	struct bo_wire_line line;
	uint64_t lost = 0;
	int64_t due;

	bo_wire_line_init(&line, seed, stream, dir);
	line.im.loss.random.ppm = loss_ppm;
	for (int i = 0; i < n; i++) {
		/* The clock is no part of it. */
		bool gone = next(&line, i * (int64_t)(seed + 3), 1, 100, 0, &due) == BO_WIRE_LOST;

		lost += gone;
		if (ret_lost)
			ret_lost[i] = gone;
	}
	return lost;
}

static void loss_is_seeded_and_as_asked(void **state)
{
	enum { N = 200000 };
	uint8_t *a = calloc(N, 1), *b = calloc(N, 1);
	int same[3] = { 0 };

	(void)state;
	assert_true(a && b);
	/* 2 % of 200,000 is 4000, sigma 62.6; 99.9 % is ± 3.29 sigma. */
	assert_in_range(losses(1, 2, BO_DIR_A_TO_B, 20000, N, a), 4000 - 206, 4000 + 206);
	(void)losses(1, 2, BO_DIR_A_TO_B, 20000, N, b);
	assert_memory_equal(a, b, N);
	for (int k = 0; k < 3; k++) {
		(void)losses(k == 0 ? 2 : 1, k == 1 ? 3 : 2, k == 2 ? BO_DIR_B_TO_A : BO_DIR_A_TO_B,
			     20000, N, b);
		for (int i = 0; i < N; i++)
			same[k] += a[i] && b[i];
		/* Independent: 4 of 10,000 by chance, 80 in all. */
		assert_in_range(same[k], 40, 130);
	}
	/* A higher loss takes the same packets and more. */
	(void)losses(1, 2, BO_DIR_A_TO_B, 100000, N, b);
	for (int i = 0; i < N; i++)
		assert_true(!a[i] || b[i]);
	assert_int_equal(losses(1, 2, BO_DIR_A_TO_B, BO_PPM_ALL, 1000, NULL), 1000);
	assert_int_equal(losses(1, 2, BO_DIR_A_TO_B, 0, 1000, NULL), 0);
	free(a);
	free(b);
}

static void fate_counts_segments(void **state)
{
	struct bo_wire_line whole, cut;
	int64_t due;

	(void)state;
	bo_wire_line_init(&whole, 5, 5, BO_DIR_A_TO_B);
	cut = whole;
	/* A super-packet of 44 that passed whole moves the numbering on as 44 packets would. */
	assert_int_equal(next(&whole, 0, 44, 65000, 0, &due), BO_WIRE_PASS);
	for (int i = 0; i < 44; i++)
		assert_int_equal(next(&cut, 0, 1, 1500, 0, &due), BO_WIRE_PASS);
	whole.im.loss.random.ppm = cut.im.loss.random.ppm = 500000;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(next(&whole, 0, 1, 100, 0, &due), next(&cut, 0, 1, 100, 0, &due));
}

static void rate_serialises_then_delays(void **state)
{
	struct bo_wire_line line;
	int64_t due;

	(void)state;
	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	line.im = (struct bo_impair){ .rate_bps = 8000000, .delay_ns = 5 * MS }; /* 1 byte per µs */
	for (int i = 1; i <= 10; i++) {
		assert_int_equal(next(&line, 1000 * MS, 1, 1000, 0, &due), BO_WIRE_PASS);
		assert_int_equal(due, 1005 * MS + i * MS);
	}
	/* Idle in between: the transmitter does not save up. */
	assert_int_equal(next(&line, 2000 * MS, 1, 1000, 0, &due), BO_WIRE_PASS);
	assert_int_equal(due, 2006 * MS);
}

static void jitter_is_uniform_and_keeps_order(void **state)
{
	struct bo_wire_line line;
	int64_t due, last = 0, low = INT64_MAX, high = 0, sum = 0;

	(void)state;
	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	line.im = (struct bo_impair){ .delay_ns = 50 * MS, .jitter_ns = 10 * MS, .in_order = true };
	for (int64_t i = 0; i < 20000; i++) {
		int64_t now = i * 100 * MS; /* far enough apart not to push each other */

		assert_int_equal(next(&line, now, 1, 100, 0, &due), BO_WIRE_PASS);
		low = due - now < low ? due - now : low;
		high = due - now > high ? due - now : high;
		sum += due - now;
	}
	assert_in_range(low, 40 * MS, 40 * MS + MS / 10);
	assert_in_range(high, 60 * MS - MS / 10, 60 * MS);
	assert_in_range(sum / 20000, 49800000, 50200000); /* sigma of the mean is 41 µs */
	for (int64_t i = 0; i < 20000; i++) {
		assert_int_equal(next(&line, INT64_C(3600000) * MS + i * 1000, 1, 100, 0, &due),
				 BO_WIRE_PASS);
		assert_true(due >= last);
		last = due;
	}
}

static void limit_drops_the_tail(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair im = { .delay_ns = MS, .limit_packets = 10 };
	struct bo_wire_line line;
	int64_t due;

	(void)state;
	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	assert_int_equal(bo_wire_line_change(&line, &im, 0, &queue), 0);
	assert_int_equal(next(&line, 0, 1, 100, 9, &due), BO_WIRE_PASS);
	assert_int_equal(next(&line, 0, 1, 100, 10, &due), BO_WIRE_OVERFLOWED);
}

static void change_retimes_what_is_queued(void **state)
{
	struct bo_wire_queue queue = { .max_bytes = BO_WIRE_QUEUE_BYTES };
	const struct bo_impair slow = { .rate_bps = 8000, .delay_ns = 10 * MS }; /* 1 byte per ms */
	const struct bo_impair fast = { .rate_bps = 8000000 };
	const struct bo_impair late = { .delay_ns = 60000 * MS };
	const struct bo_impair none = { 0 };
	const struct bo_impair hole = { .blackhole = true };
	struct bo_wire_line line;
	struct bo_wire_frame *frame;
	int64_t due, last = 0;

	(void)state;
	bo_wire_line_init(&line, 1, 1, BO_DIR_A_TO_B);
	assert_int_equal(bo_wire_line_change(&line, &slow, 0, &queue), 0);
	for (int i = 0; i < 10; i++) {
		frame = bo_wire_queue_reserve(&queue);
		assert_int_equal(next(&line, 0, 1, 1000, 0, &due), BO_WIRE_PASS);
		assert_int_equal(due, (i + 1) * 1000 * MS + 10 * MS);
		*frame = (struct bo_wire_frame){ .due_ns = due,
						 .len = 1000 + BO_WIRE_HDR_LEN,
						 .packets = 1 };
		bo_wire_queue_commit(&queue, frame);
	}
	/* At 1000 ms the first has been sent and is on the cable; the others wait and go at 1 ms
	 * each now. */
	assert_int_equal(bo_wire_line_change(&line, &fast, 1000 * MS, &queue), 0);
	assert_int_equal(bo_wire_queue_head(&queue)->due_ns, 1000 * MS);
	bo_wire_queue_pop(&queue);
	for (int i = 1; i < 10; i++) {
		assert_int_equal(bo_wire_queue_head(&queue)->due_ns, (1000 + i) * MS);
		if (i < 5)
			bo_wire_queue_pop(&queue);
		else
			break;
	}
	/* Slower: what is under way keeps its time, what comes keeps its place behind it. */
	assert_int_equal(bo_wire_line_change(&line, &late, 1001 * MS, &queue), 0);
	assert_int_equal(bo_wire_queue_head(&queue)->due_ns, 1005 * MS);
	assert_int_equal(next(&line, 1001 * MS, 1, 100, 5, &due), BO_WIRE_PASS);
	assert_int_equal(due, 61001 * MS);
	frame = bo_wire_queue_reserve(&queue);
	*frame = (struct bo_wire_frame){ .due_ns = due, .len = 100, .packets = 1 };
	bo_wire_queue_commit(&queue, frame);
	/* Lifted: a link that has healed delivers at once, in order. */
	assert_int_equal(bo_wire_line_change(&line, &none, 1002 * MS, &queue), 0);
	while ((frame = bo_wire_queue_head(&queue)) && queue.frames > 1) {
		assert_true(frame->due_ns >= last && frame->due_ns <= 1002 * MS);
		last = frame->due_ns;
		bo_wire_queue_pop(&queue);
	}
	assert_int_equal(frame->due_ns, 1002 * MS);
	assert_int_equal(next(&line, 1003 * MS, 1, 100, 0, &due), BO_WIRE_PASS);
	assert_int_equal(due, 1003 * MS);

	assert_int_equal(bo_wire_line_change(&line, &hole, 1004 * MS, &queue), 1);
	assert_null(bo_wire_queue_head(&queue));
	assert_int_equal(next(&line, 1005 * MS, 1, 100, 0, &due), BO_WIRE_BLACKHOLED);
	bo_wire_queue_done(&queue);
}

/* --- the whole, between socket pairs ---------------------------------------------------------- */

/** struct rig - near[] are the kernels' sides; the wire has the far sides */
struct rig {
	int near[2];
	struct bo_wire *wire;
};

static void rig_up(struct rig *rig, uint64_t seed)
{
	struct bo_err err = { 0 };
	int far[2];

	for (int i = 0; i < 2; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
					    0, pair),
				 0);
		rig->near[i] = pair[0];
		far[i] = pair[1];
	}
	assert_int_equal(bo_wire_new(&rig->wire, far[0], far[1], seed, 1, &err), 0);
}

static void rig_down(struct rig *rig)
{
	bo_wire_free(rig->wire);
	for (int i = 0; i < 2; i++)
		if (rig->near[i] >= 0)
			close(rig->near[i]);
}

static bool rig_send(const struct rig *rig, int end, uint32_t number, size_t payload)
{
	uint8_t frame[2000] = { 0 };

	frame[BO_WIRE_HDR_LEN] = 0x45;
	memcpy(frame + BO_WIRE_HDR_LEN + 20, &number, sizeof(number));
	return send(rig->near[end], frame, BO_WIRE_HDR_LEN + 20 + payload, MSG_NOSIGNAL) > 0;
}

/** rig_receive() - the number of the next frame, or -1 when none comes in time */
static int64_t rig_receive(const struct rig *rig, int end, int timeout_ms)
{
	struct pollfd p = { .fd = rig->near[end], .events = POLLIN };
	uint8_t frame[2000];
	uint32_t number;

	if (poll(&p, 1, timeout_ms) != 1 || recv(rig->near[end], frame, sizeof(frame), 0) < 34)
		return -1;
	memcpy(&number, frame + BO_WIRE_HDR_LEN + 20, sizeof(number));
	return number;
}

static void impair(const struct rig *rig, enum bo_dir dir, struct bo_impair im)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, dir, &im, &err), 0);
}

static void wire_moves_frames_both_ways(void **state)
{
	struct bo_wire_stats stats;
	struct rig rig;

	(void)state;
	rig_up(&rig, 1);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(rig_send(&rig, 0, i, 100));
		assert_int_equal(rig_receive(&rig, 1, 5000), i);
		assert_true(rig_send(&rig, 1, 1000 + i, 100));
		assert_int_equal(rig_receive(&rig, 0, 5000), 1000 + i);
	}
	/* An impairment passes through the thread, so after it the counters are those of all that
	 * was sent. */
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
	bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
	assert_int_equal(stats.packets_in, 100);
	assert_int_equal(stats.packets_out, 100);
	assert_int_equal(stats.bytes_in, 100 * 120);
	assert_int_equal(stats.bytes_out, 100 * 120);
	rig_down(&rig);
}

/* The largest packets that there are, of a device with a large MTU: whole, late, and among the cut. */
static void wire_carries_the_largest_packets(void **state)
{
	static const struct bo_impair cases[] = { { 0 },
						  { .delay_ns = MS },
						  { .loss.random.ppm = 1 } };
	static const size_t sizes[] = { 9000, 65535, BO_WIRE_FRAME_MAX - BO_WIRE_HDR_LEN };
	static uint8_t out[BO_WIRE_FRAME_MAX], in[BO_WIRE_FRAME_MAX];

	(void)state;
	for (size_t c = 0; c < 9; c++) {
		size_t len = BO_WIRE_HDR_LEN + sizes[c % 3];
		struct pollfd p = { .events = POLLIN };
		struct rig rig;

		rig_up(&rig, 1);
		p.fd = rig.near[1];
		impair(&rig, BO_DIR_A_TO_B, cases[c / 3]);
		for (size_t i = BO_WIRE_HDR_LEN; i < len; i++)
			out[i] = (uint8_t)(i * 13 + c);
		out[BO_WIRE_HDR_LEN] = 0x45;
		assert_int_equal(send(rig.near[0], out, len, 0), len);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(recv(rig.near[1], in, sizeof(in), 0), len);
		assert_memory_equal(in, out, len);
		rig_down(&rig);
	}
}

static void wire_delays_one_direction(void **state)
{
	struct rig rig;
	int64_t start;

	(void)state;
	rig_up(&rig, 1);
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = 50 * MS });
	for (uint32_t i = 0; i < 3; i++) {
		start = bo_now_ns();
		assert_true(rig_send(&rig, 0, i, 100));
		assert_int_equal(rig_receive(&rig, 1, 5000), i);
		assert_true(bo_now_ns() - start >= 50 * MS);
	}
	/* The other way is not held up by frames that are: it answers while one is still under way.
	 */
	assert_true(rig_send(&rig, 0, 77, 100));
	assert_true(rig_send(&rig, 1, 78, 100));
	assert_int_equal(rig_receive(&rig, 0, 5000), 78);
	assert_int_equal(rig_receive(&rig, 1, 5000), 77);
	rig_down(&rig);
}

static void wire_loses_the_same_packets_for_the_same_seed(void **state)
{
	uint32_t seen[2][200];
	size_t n[2] = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct bo_wire_stats stats = { 0 };
		struct rig rig;
		int64_t number;

		rig_up(&rig, 42);
		impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ .loss.random.ppm = 300000 });
		/* No more than the receiving buffer holds: a wire that is blocked reads no further.
		 */
		for (uint32_t i = 0; i < 200; i++)
			while (!rig_send(&rig, 0, i, 100))
				assert_int_equal(errno, EAGAIN);
		while (stats.packets_in < 200)
			bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
		impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
		assert_true(rig_send(&rig, 0, 9999, 100));
		while ((number = rig_receive(&rig, 1, 5000)) >= 0 && number != 9999)
			seen[round][n[round]++] = (uint32_t)number;
		assert_int_equal(number, 9999);
		rig_down(&rig);
	}
	assert_int_equal(n[0], n[1]);
	assert_in_range(n[0], 115, 165); /* 140, sigma 6.5 */
	assert_memory_equal(seen[0], seen[1], n[0] * sizeof(seen[0][0]));
}

static void wire_blackhole_drops_the_queue_too(void **state)
{
	struct bo_wire_stats stats = { 0 };
	struct rig rig;

	(void)state;
	rig_up(&rig, 1);
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ .delay_ns = 3600000 * MS });
	for (uint32_t i = 0; i < 10; i++)
		assert_true(rig_send(&rig, 0, i, 100));
	while (stats.queued < 10)
		bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ .blackhole = true });
	assert_true(rig_send(&rig, 0, 10, 100));
	while (stats.blackholed < 11)
		bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
	assert_true(rig_send(&rig, 0, 11, 100));
	assert_int_equal(rig_receive(&rig, 1, 5000), 11);
	rig_down(&rig);
}

/** receive_all() - frames that come until @packets packets are out;  @ret_payload: bytes of TCP */
static size_t receive_all(const struct rig *rig, uint64_t packets, size_t *ret_payload)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX];
	struct bo_wire_stats stats;
	size_t frames = 0;

	*ret_payload = 0;
	for (;;) {
		struct pollfd p = { .fd = rig->near[1], .events = POLLIN };
		bool more = poll(&p, 1, 10) == 1;

		bo_wire_stats(rig->wire, BO_DIR_A_TO_B, &stats);
		if (!more && stats.packets_out + stats.lost == packets)
			return frames;
		if (more) {
			ssize_t n = recv(rig->near[1], frame, sizeof(frame), 0);

			assert_true(n > 0);
			*ret_payload += (size_t)n - BO_WIRE_HDR_LEN - 24 - 20 - WIRE_TCP_OPTIONS;
			frames++;
		}
	}
}

/* Loss falls on packets, so super-packets are cut for it; a mere delay carries them whole.  Those
 * that leave together travel together. */
static void wire_cuts_only_when_packets_have_fates(void **state)
{
	static const struct {
		struct bo_impair im;
		size_t min_frames, max_frames;
	} cases[] = {
		{ { 0 }, 1, 1 },
		{ { .delay_ns = MS }, 1, 1 },
		{ { .delay_ns = 100 * MS, .jitter_ns = 100 * MS }, 2, 11 },
		{ { .rate_bps = 800000 }, 2, 11 },
		{ { .loss.random.ppm = 1 }, 1, 1 },
		{ { .loss.random.ppm = 500000 }, 1, 10 },
	};
	static uint8_t super[BO_WIRE_FRAME_MAX];
	size_t len = wire_super_tcp(super, false, 10007, 0x10);

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct bo_wire_stats stats;
		size_t payload, frames;
		struct rig rig;

		rig_up(&rig, 1);
		impair(&rig, BO_DIR_A_TO_B, cases[c].im);
		assert_int_equal(send(rig.near[0], super, len, 0), len);
		frames = receive_all(&rig, 11, &payload);
		bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
		assert_int_equal(stats.packets_in, 11);
		assert_int_equal(stats.lost != 0, c == 5);
		assert_in_range(frames, cases[c].min_frames, cases[c].max_frames);
		if (c < 5)
			assert_int_equal(payload, 10007);
		else
			assert_in_range(payload, 1, 10006);
		rig_down(&rig);
	}
}

/* With cut packets the frames go through the queue, without they are written through: both must
 * stop and wait. */
static void wire_full_receiver_loses_nothing(void **state)
{
	static const struct bo_impair cases[] = {
		{ 0 }, { .rate_bps = INT64_C(100000000000), .limit_packets = 1000000 }
	};

	(void)state;
	for (size_t c = 0; c < 2; c++) {
		struct bo_wire_stats stats;
		struct rig rig;
		uint32_t sent = 0;

		rig_up(&rig, 1);
		impair(&rig, BO_DIR_A_TO_B, cases[c]);
		/* Nobody reads at b: go on until the wire has stopped reading at a and a's own
		 * buffer is full. */
		for (;;) {
			struct pollfd p = { .fd = rig.near[0], .events = POLLOUT };

			if (rig_send(&rig, 0, sent, 1000))
				sent++;
			else if (poll(&p, 1, 200) == 0)
				break;
			assert_true(sent < 1000000);
		}
		assert_true(sent > 10);
		for (uint32_t i = 0; i < sent; i++)
			assert_int_equal(rig_receive(&rig, 1, 5000), i);
		impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
		bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
		assert_int_equal(stats.packets_out, sent);
		assert_int_equal(stats.overflowed + stats.refused + stats.lost, 0);
		rig_down(&rig);
	}
}

/** wait_check() - until bo_wire_check() says something */
static int wait_check(const struct rig *rig, struct bo_err *err)
{
	int64_t deadline = bo_now_ns() + 10 * BO_NSEC_PER_SEC;
	int r;

	do {
		assert_true(bo_now_ns() < deadline);
		r = bo_wire_check(rig->wire, err);
	} while (r == 0);
	return r;
}

static void wire_reports_a_device_that_goes(void **state)
{
	const struct bo_impair loss = { .loss.random.ppm = 1 }, hole = { .blackhole = true };

	(void)state;
	for (int end = 0; end < 2; end++) {
		struct bo_err err = { 0 };
		struct rig rig;

		rig_up(&rig, 1);
		assert_int_equal(bo_wire_check(rig.wire, &err), 0);
		close(rig.near[end]);
		rig.near[end] = -1;
		(void)rig_send(&rig, 1 - end, 1, 100);
		assert_int_equal(wait_check(&rig, &err), -ENODEV);
		assert_non_null(strstr(err.msg, "gone"));
		/* Still takes orders, and ends when told. */
		assert_int_equal(bo_wire_impair(rig.wire, BO_DIR_A_TO_B, &loss, &err), -ENODEV);
		assert_int_equal(bo_wire_impair(rig.wire, BO_DIR_B_TO_A, &hole, &err), -ENODEV);
		rig_down(&rig);
	}
}

/** close_epoll() - behind the back of the one thread that has it */
static void close_epoll(void)
{
	char path[64], target[64];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0 && (target[n] = '\0', strstr(target, "eventpoll")))
			syscall(SYS_close, fd); /* which a sanitizer takes for what it is not */
	}
}

static void wire_reports_a_thread_that_ends(void **state)
{
	const struct bo_impair loss = { .loss.random.ppm = 1 };
	struct bo_err err = { 0 };
	struct rig rig;

	(void)state;
	rig_up(&rig, 1);
	close_epoll();
	/* The order finds nobody, or ends the wait that was still under way. */
	while (bo_wire_impair(rig.wire, BO_DIR_A_TO_B, &loss, &err) == 0)
		;
	assert_int_equal(bo_wire_check(rig.wire, &err), -EBADF);
	assert_non_null(strstr(err.msg, "thread has ended"));
	rig_down(&rig);
}

/* With much queued and all of it due, the end is not put off until it is written. */
static void wire_ends_with_a_full_queue(void **state)
{
	struct bo_wire_stats stats = { 0 };
	struct rig rig;
	uint32_t n = 0;

	(void)state;
	rig_up(&rig, 1);
	impair(&rig, BO_DIR_A_TO_B,
	       (struct bo_impair){ .delay_ns = 3600000 * MS, .limit_packets = 1000000 });
	while (n < 100000)
		n += rig_send(&rig, 0, n, 1500);
	while (stats.packets_in < n)
		bo_wire_stats(rig.wire, BO_DIR_A_TO_B, &stats);
	assert_int_equal(stats.overflowed, 0);
	/* Nobody reads at b, so what would be written stays.  (A wire that hung would time the test
	 * out.) */
	impair(&rig, BO_DIR_A_TO_B, (struct bo_impair){ 0 });
	rig_down(&rig);
}

static void wire_refuses_nonsense(void **state)
{
	static const struct bo_impair bad[] = {
		{ .delay_ns = -1 },
		{ .delay_ns = 1, .jitter_ns = 2 },
		{ .loss.random.ppm = BO_PPM_ALL + 1 },
		{ .rate_bps = -1 },
	};
	struct bo_err err = { 0 };
	struct rig rig;

	(void)state;
	rig_up(&rig, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bo_wire_impair(rig.wire, BO_DIR_A_TO_B, &bad[i], &err), -EINVAL);
	rig_down(&rig);
	bo_wire_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_is_seeded_and_as_asked),
		cmocka_unit_test(fate_counts_segments),
		cmocka_unit_test(rate_serialises_then_delays),
		cmocka_unit_test(jitter_is_uniform_and_keeps_order),
		cmocka_unit_test(limit_drops_the_tail),
		cmocka_unit_test(change_retimes_what_is_queued),
		cmocka_unit_test(wire_moves_frames_both_ways),
		cmocka_unit_test(wire_carries_the_largest_packets),
		cmocka_unit_test(wire_delays_one_direction),
		cmocka_unit_test(wire_loses_the_same_packets_for_the_same_seed),
		cmocka_unit_test(wire_blackhole_drops_the_queue_too),
		cmocka_unit_test(wire_cuts_only_when_packets_have_fates),
		cmocka_unit_test(wire_full_receiver_loses_nothing),
		cmocka_unit_test(wire_reports_a_device_that_goes),
		cmocka_unit_test(wire_reports_a_thread_that_ends),
		cmocka_unit_test(wire_ends_with_a_full_queue),
		cmocka_unit_test(wire_refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
