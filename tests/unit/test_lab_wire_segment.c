/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_segment.c — super-packets cut into packets, and packets merged into
 * super-packets.  Privilege: none. */
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire-internal.h"
#include "wire_super.h"

/** plain_checksum() - the textbook sum, byte by byte, to check the fast one against */
static uint32_t plain_sum(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void checksum_is_rfc1071(void **state)
{
	/* The example of RFC 1071 § 3. */
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	struct bo_rng rng;
	uint8_t data[1501];
	uint16_t sum = bo_wire_checksum_fold(bo_wire_checksum(0, example, sizeof(example)));
	uint8_t wire[2];

	(void)state;
	memcpy(wire, &sum, 2);
	assert_int_equal(wire[0], 0x22);
	assert_int_equal(wire[1], 0x0d);

	bo_rng_init(&rng, 1, 1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)bo_rng_u64(&rng);
	for (size_t len = 0; len <= sizeof(data); len++) {
		sum = bo_wire_checksum_fold(bo_wire_checksum(0, data, len));
		memcpy(wire, &sum, 2);
		assert_int_equal(wire[0] << 8 | wire[1], (uint16_t)~plain_sum(0, data, len));
	}
	/* All ones: the most carries there can be. */
	memset(data, 0xff, sizeof(data));
	sum = bo_wire_checksum_fold(bo_wire_checksum(0, data, 1500));
	assert_int_equal(sum, (uint16_t)~plain_sum(0, data, 1500));
}

/** check_sums() - the receiver's view: both sums come to all ones */
static void check_sums(const uint8_t *ip, size_t len, bool v6, size_t l4, uint8_t protocol)
{
	uint8_t pseudo[4] = { 0, protocol, (uint8_t)((len - l4) >> 8), (uint8_t)(len - l4) };
	uint32_t sum = plain_sum(0, ip + (v6 ? 8 : 12), v6 ? 32 : 8);

	assert_int_equal(plain_sum(plain_sum(sum, pseudo, 4), ip + l4, len - l4), 0xffff);
	if (!v6)
		assert_int_equal(plain_sum(0, ip, l4), 0xffff);
}

/** complete() - what the receiving kernel would do, or a card */
static void complete(uint8_t *frame, size_t len)
{
	struct virtio_net_hdr vnet;
	uint8_t *l4;
	uint16_t sum;

	memcpy(&vnet, frame, sizeof(vnet));
	assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(vnet.gso_size, 0);
	l4 = frame + sizeof(vnet) + vnet.csum_start;
	sum = bo_wire_checksum_fold(bo_wire_checksum(0, l4, len - sizeof(vnet) - vnet.csum_start));
	memcpy(l4 + vnet.csum_offset, &sum, sizeof(sum));
}

static void check_segments(bool v6, size_t payload)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX], out[BO_WIRE_FRAME_MAX];
	const uint8_t flags = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	size_t len = wire_super_tcp(frame, v6, payload, flags), at = 0;
	size_t l4 = v6 ? 40 : 24, header = l4 + 20 + WIRE_TCP_OPTIONS;
	struct bo_wire_super super;

	assert_true(bo_wire_super_parse(frame, len, &super));
	assert_int_equal(super.count, (payload + WIRE_SUPER_MSS - 1) / WIRE_SUPER_MSS);
	assert_int_equal(bo_wire_packets(frame, len), super.count);
	for (uint32_t i = 0; i < super.count; i++) {
		size_t n = bo_wire_super_segment(&super, i, out), bytes = n - BO_WIRE_HDR_LEN;
		const uint8_t *ip = out + BO_WIRE_HDR_LEN, *tcp = ip + l4;
		uint32_t seq = 0xfffffe00u + (uint32_t)at;
		uint8_t want = 0x10;

		complete(out, n);
		assert_int_equal(bytes - header, i + 1 < super.count
							 ? WIRE_SUPER_MSS
							 : payload - (size_t)i * WIRE_SUPER_MSS);
		if (v6) {
			assert_int_equal(ip[4] << 8 | ip[5], bytes - 40);
		} else {
			assert_int_equal(ip[2] << 8 | ip[3], bytes);
			assert_int_equal(ip[4] << 8 | ip[5], (uint16_t)(0xfffe + i));
			assert_int_equal(ip[6], 0x40);
		}
		assert_int_equal((uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 |
					 (uint32_t)tcp[6] << 8 | tcp[7],
				 seq);
		want |= i == 0 ? 0x80 : 0;
		want |= i + 1 == super.count ? 0x08 | 0x01 : 0;
		assert_int_equal(tcp[13], want);
		assert_memory_equal(tcp + 20, frame + BO_WIRE_HDR_LEN + l4 + 20, WIRE_TCP_OPTIONS);
		assert_memory_equal(ip + header, frame + BO_WIRE_HDR_LEN + header + at,
				    bytes - header);
		check_sums(ip, bytes, v6, l4, 6);
		at += bytes - header;
	}
	assert_int_equal(at, payload);
}

static void segments_carry_the_same_payload_v4(void **state)
{
	(void)state;
	check_segments(false, 10007);
	check_segments(false, WIRE_SUPER_MSS);
	check_segments(false, WIRE_SUPER_MSS + 1);
	check_segments(false, 65000);
}

static void segments_carry_the_same_payload_v6(void **state)
{
	(void)state;
	check_segments(true, 10007);
	check_segments(true, 1);
	check_segments(true, 65400);
}

static void malformed_frames_are_left_alone(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX], out[BO_WIRE_FRAME_MAX];
	size_t len = wire_super_tcp(frame, false, 3000, 0x10);
	struct bo_wire_super super;
	struct bo_rng rng;
	uint64_t parsed = 0;

	(void)state;
	for (size_t cut = 0; cut <= BO_WIRE_HDR_LEN + 24 + 20 + WIRE_TCP_OPTIONS; cut++) {
		/* Exactly as long as it says, so that a sanitizer sees a read behind the end. */
		uint8_t *copy = malloc(cut ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, frame, cut);
		assert_false(bo_wire_super_parse(copy, cut, &super));
		free(copy);
	}
	bo_rng_init(&rng, 7, 7);
	for (int i = 0; i < 20000; i++) {
		size_t n = len - bo_rng_u64(&rng) % 200;
		uint8_t *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, frame, n);
		for (int k = 0; k < 3; k++)
			copy[bo_rng_u64(&rng) % 60] = (uint8_t)bo_rng_u64(&rng);
		if (bo_wire_super_parse(copy, n, &super)) {
			parsed++;
			for (uint32_t s = 0; s < super.count && s < 5; s++)
				assert_true(bo_wire_super_segment(&super, s, out) <=
					    BO_WIRE_FRAME_MAX);
		}
		free(copy);
	}
	assert_true(parsed > 100 && parsed < 19900);
}

/* Datagrams have no sequence: each is the next mss bytes under a header of its own. */
static void segments_of_udp(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX], out[BO_WIRE_FRAME_MAX];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t len = wire_super_udp(frame, v6, 10007), l4 = v6 ? 40 : 24, at = 0;
		struct bo_wire_super super;

		assert_true(bo_wire_super_parse(frame, len, &super));
		assert_int_equal(super.count, 11);
		for (uint32_t i = 0; i < 11; i++) {
			size_t bytes = bo_wire_super_segment(&super, i, out) - BO_WIRE_HDR_LEN;
			const uint8_t *ip = out + BO_WIRE_HDR_LEN;

			complete(out, bytes + BO_WIRE_HDR_LEN);
			assert_int_equal(bytes - l4 - 8, i < 10 ? WIRE_SUPER_MSS : 7);
			assert_int_equal(ip[l4 + 4] << 8 | ip[l4 + 5], bytes - l4);
			assert_memory_equal(ip + l4 + 8, frame + BO_WIRE_HDR_LEN + l4 + 8 + at,
					    bytes - l4 - 8);
			check_sums(ip, bytes, v6, l4, 17);
			at += bytes - l4 - 8;
		}
		/* A TCP super-packet that says that it is one of UDP is neither. */
		frame[BO_WIRE_HDR_LEN + (v6 ? 0 : 9)] = v6 ? 0x40 : 6;
		assert_false(bo_wire_super_parse(frame, len, &super));
	}
}

/* --- merging ---------------------------------------------------------------------------------- */

#define SEGMENTS_MAX 80
static uint8_t segments[SEGMENTS_MAX][BO_WIRE_HDR_LEN + 1200];
static size_t segment_len[SEGMENTS_MAX];

static uint32_t cut_all(const uint8_t *frame, size_t len)
{
	struct bo_wire_super super;

	assert_true(bo_wire_super_parse(frame, len, &super));
	assert_in_range(super.count, 1, SEGMENTS_MAX);
	for (uint32_t i = 0; i < super.count; i++)
		segment_len[i] = bo_wire_super_segment(&super, i, segments[i]);
	return super.count;
}

/** merge_from() - as many as will, from segment @i on;  Return: bytes at @out */
static size_t merge_from(struct bo_wire_merge *merge, uint32_t i, uint32_t count, uint8_t *out)
{
	size_t len = 0;

	assert_true(bo_wire_merge_first(merge, segments[i], segment_len[i]));
	while (++i < count && bo_wire_merge_next(merge, segments[i], segment_len[i]))
		;
	assert_true(merge->frames > 1);
	bo_wire_merge_finish(merge);
	for (size_t v = 0; v <= merge->frames; v++) {
		memcpy(out + len, merge->iov[v].iov_base, merge->iov[v].iov_len);
		len += merge->iov[v].iov_len;
	}
	return len;
}

/** strip_sums() - the frames that the tests build have none */
static void strip_sums(uint8_t *frame, size_t len, bool v6, bool udp)
{
	size_t l4 = v6 ? 40 : 24;
	uint8_t *ip = frame + BO_WIRE_HDR_LEN, *sum = ip + l4 + (udp ? 6 : 16);
	uint8_t pseudo[4] = { 0, udp ? 17 : 6, (uint8_t)((len - BO_WIRE_HDR_LEN - l4) >> 8),
			      (uint8_t)(len - BO_WIRE_HDR_LEN - l4) };

	assert_int_equal(sum[0] << 8 | sum[1],
			 plain_sum(plain_sum(0, ip + (v6 ? 8 : 12), v6 ? 32 : 8), pseudo, 4));
	if (!v6)
		assert_int_equal(plain_sum(0, ip, l4), 0xffff);
	memset(sum, 0, 2);
	if (!v6)
		memset(ip + 10, 0, 2);
}

static void what_was_cut_is_made_whole(void **state)
{
	static const size_t sizes[] = { 1001, 2000, 10007, 60000 };
	static uint8_t frame[BO_WIRE_FRAME_MAX], out[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;

	(void)state;
	for (size_t c = 0; c < 16; c++) {
		bool v6 = c & 1, udp = c & 2;
		size_t size = sizes[c / 4];
		size_t len = udp ? wire_super_udp(frame, v6, size)
				 : wire_super_tcp(frame, v6, size, c & 4 ? 0x19 : 0x10);
		uint32_t count = cut_all(frame, len);
		size_t bytes = 0;

		assert_int_equal(merge_from(&merge, 0, count, out), len);
		assert_int_equal(merge.frames, count);
		for (uint32_t i = 0; i < count; i++)
			bytes += segment_len[i] - BO_WIRE_HDR_LEN;
		assert_int_equal(merge.bytes, bytes);
		strip_sums(out, len, v6, udp);
		assert_memory_equal(out, frame, len);
	}
}

static void a_gap_parts_what_is_around_it(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX], out[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;
	uint32_t count;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		count = cut_all(frame, wire_super_tcp(frame, v6, 9500, 0x10));
		assert_true(bo_wire_merge_first(&merge, segments[2], segment_len[2]));
		assert_false(bo_wire_merge_next(&merge, segments[4], segment_len[4]));
		assert_false(bo_wire_merge_next(&merge, segments[2], segment_len[2]));
		assert_false(bo_wire_merge_next(&merge, segments[1], segment_len[1]));
		assert_true(bo_wire_merge_next(&merge, segments[3], segment_len[3]));
		(void)merge_from(&merge, 5, count, out);
		assert_int_equal(merge.frames, 5);
		/* The last is short: nothing may follow it, and it begins nothing that is longer. */
		assert_false(bo_wire_merge_next(&merge, segments[9], segment_len[9]));
	}
}

/* Whatever bit of the headers differs, it is another packet: but for those that cutting changes. */
static void only_what_cutting_changes_may_differ(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		bool v6 = c & 1, udp = c & 2;
		size_t l4 = v6 ? 40 : 24, ip = BO_WIRE_HDR_LEN, sum = ip + l4 + (udp ? 6 : 16);
		size_t headers = ip + l4 + (udp ? 8 : 20 + WIRE_TCP_OPTIONS);

		(void)cut_all(frame, udp ? wire_super_udp(frame, v6, 3000)
					 : wire_super_tcp(frame, v6, 3000, 0x10));
		for (size_t bit = 0; bit < headers * 8; bit++) {
			size_t at = bit / 8;
			/* hdr_len and gso_size say nothing here; flags: FIN and PSH. */
			bool may = (at >= 2 && at < 6) || at == sum || at == sum + 1 ||
				   (!v6 && (at == ip + 10 || at == ip + 11)) ||
				   (!udp && at == ip + l4 + 13 && (bit % 8 == 0 || bit % 8 == 3));

			segments[1][at] ^= (uint8_t)(1 << bit % 8);
			assert_true(bo_wire_merge_first(&merge, segments[0], segment_len[0]));
			if (bo_wire_merge_next(&merge, segments[1], segment_len[1]) != may)
				fail_msg("v6 %d udp %d: bit %zu of byte %zu", v6, udp, bit % 8, at);
			segments[1][at] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/** follow() - make segment @i of IPv4 (whose transport header is TCP's) begin where @before ends */
static void follow(uint32_t i, uint32_t before)
{
	uint8_t *ip = segments[i] + BO_WIRE_HDR_LEN;
	const uint8_t *last = segments[before] + BO_WIRE_HDR_LEN;
	size_t payload = segment_len[before] - BO_WIRE_HDR_LEN - 24 - 20 - WIRE_TCP_OPTIONS;
	uint32_t seq = 0;
	uint16_t id = (uint16_t)((last[4] << 8 | last[5]) + 1);

	for (int b = 0; b < 4; b++)
		seq = seq << 8 | last[24 + 4 + b];
	seq += (uint32_t)payload;
	for (int b = 0; b < 4; b++)
		ip[24 + 4 + b] = (uint8_t)(seq >> (24 - 8 * b));
	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
}

static void a_short_or_pushed_segment_is_the_last(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;

	(void)state;
	/* 0, 1 whole; 2 short; then another of that size. */
	(void)cut_all(frame, wire_super_tcp(frame, false, 2500, 0x10));
	memcpy(segments[3], segments[2], segment_len[2]);
	segment_len[3] = segment_len[2];
	follow(3, 2);
	assert_true(bo_wire_merge_first(&merge, segments[2], segment_len[2]));
	assert_true(bo_wire_merge_next(&merge, segments[3], segment_len[3]));
	assert_true(bo_wire_merge_first(&merge, segments[1], segment_len[1]));
	assert_true(bo_wire_merge_next(&merge, segments[2], segment_len[2]));
	assert_false(bo_wire_merge_next(&merge, segments[3], segment_len[3]));
	/* What is longer than the first does not join it. */
	follow(0, 2);
	assert_true(bo_wire_merge_first(&merge, segments[2], segment_len[2]));
	assert_false(bo_wire_merge_next(&merge, segments[0], segment_len[0]));
	/* PSH and FIN say that this is the end. */
	for (int bit = 0; bit < 4; bit += 3) {
		(void)cut_all(frame, wire_super_tcp(frame, false, 3000, 0x10));
		segments[1][BO_WIRE_HDR_LEN + 24 + 13] |= (uint8_t)(1 << bit);
		assert_true(bo_wire_merge_first(&merge, segments[0], segment_len[0]));
		assert_true(bo_wire_merge_next(&merge, segments[1], segment_len[1]));
		assert_false(bo_wire_merge_next(&merge, segments[2], segment_len[2]));
		assert_false(bo_wire_merge_first(&merge, segments[1], segment_len[1]));
	}
	/* Fragments have no place in it, all alike or not. */
	segments[0][BO_WIRE_HDR_LEN + 6] |= 0x20;
	assert_false(bo_wire_merge_first(&merge, segments[0], segment_len[0]));
	/* A size of nothing cuts nothing. */
	memset(frame + offsetof(struct virtio_net_hdr, gso_size), 0, 2);
	assert_int_equal(bo_wire_packets(frame, 3000), 1);
}

static void merging_is_bounded(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;
	uint32_t i = 0;

	(void)state;
	/* The same segment again and again, counting on, so that only the bounds end it. */
	(void)cut_all(frame, wire_super_tcp(frame, true, 3000, 0x10));
	assert_true(bo_wire_merge_first(&merge, segments[0], segment_len[0]));
	do {
		uint32_t seq = 0xfffffe00u + ++i * WIRE_SUPER_MSS;
		uint8_t *tcp = segments[1] + BO_WIRE_HDR_LEN + 40;

		for (int b = 0; b < 4; b++)
			tcp[4 + b] = (uint8_t)(seq >> (24 - 8 * b));
	} while (bo_wire_merge_next(&merge, segments[1], segment_len[1]));
	assert_int_equal(merge.frames, BO_WIRE_MERGE_MAX);
	assert_true(merge.header_len + merge.payload <= 65535);
}

static void malformed_segments_travel_alone(void **state)
{
	static uint8_t frame[BO_WIRE_FRAME_MAX];
	struct bo_wire_merge merge;
	struct bo_rng rng;
	uint64_t first = 0;

	(void)state;
	bo_rng_init(&rng, 3, 3);
	for (int i = 0; i < 40000; i++) {
		bool udp = i & 1, v6 = i & 2;
		size_t n;
		uint8_t *copy;

		if (i % 1000 < 4)
			(void)cut_all(frame, udp ? wire_super_udp(frame, v6, 2000)
						 : wire_super_tcp(frame, v6, 2000, 0x10));
		n = bo_rng_u64(&rng) % 3 ? segment_len[0] : bo_rng_u64(&rng) % 130;
		/* Exactly as long as it says, so that a sanitizer sees a read behind the end. */
		copy = malloc(n ? n : 1);
		assert_non_null(copy);
		memcpy(copy, segments[0], n);
		for (int k = 0; k < 3 && n; k++)
			copy[bo_rng_u64(&rng) % (n < 80 ? n : 80)] = (uint8_t)bo_rng_u64(&rng);
		if (bo_wire_merge_first(&merge, copy, n)) {
			first++;
			(void)bo_wire_merge_next(&merge, segments[1], segment_len[1]);
			bo_wire_merge_finish(&merge);
		}
		(void)bo_wire_merge_first(&merge, segments[0], segment_len[0]);
		(void)bo_wire_merge_next(&merge, copy, n);
		free(copy);
	}
	assert_true(first > 100 && first < 39000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_is_rfc1071),
		cmocka_unit_test(segments_carry_the_same_payload_v4),
		cmocka_unit_test(segments_carry_the_same_payload_v6),
		cmocka_unit_test(malformed_frames_are_left_alone),
		cmocka_unit_test(segments_of_udp),
		cmocka_unit_test(what_was_cut_is_made_whole),
		cmocka_unit_test(a_gap_parts_what_is_around_it),
		cmocka_unit_test(only_what_cutting_changes_may_differ),
		cmocka_unit_test(a_short_or_pushed_segment_is_the_last),
		cmocka_unit_test(merging_is_bounded),
		cmocka_unit_test(malformed_segments_travel_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
