/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_damage.c — one flipped bit, and a checksum that knows of it.
 * Privilege: none. */
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire-internal.h"
#include "wire_build.h"

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
static const size_t payloads[] = { 0, 1, 7, 100, 1400, 8900 };

static uint32_t bit_of(const uint8_t *frame, size_t len, uint32_t draw)
{
	struct bo_wire_packet packet;

	bo_wire_packet_parse(frame, len, &packet);
	return bo_wire_damage_bit(&packet, draw);
}

static void check(const struct wire_frame *f, uint32_t draw)
{
	static uint8_t whole[10000], frame[10000];
	static const uint8_t zero[BO_WIRE_HDR_LEN];
	struct wire_frame complete = *f;
	size_t len = wire_frame_build(f, frame), l4 = f->v6 ? 40 : 20;
	uint32_t bit = bit_of(frame, len, draw);
	int flipped = 0;

	complete.partial = false;
	assert_int_equal(wire_frame_build(&complete, whole), len);
	assert_int_equal(wire_frame_sum(f, whole, len), 0xffff);
	assert_in_range(bit, l4 * 8, (len - BO_WIRE_HDR_LEN) * 8 - 1);
	if (f->protocol == IPPROTO_TCP)
		assert_true(bit / 8 != l4 + 12);
	if (f->protocol == IPPROTO_UDP)
		assert_true(bit / 8 < l4 + 4 || bit / 8 >= l4 + 8);
	assert_true(bo_wire_damage(frame, len, bit));
	/* Nothing left for the device to do, and one bit away from what a complete one would be. */
	assert_memory_equal(frame, zero, sizeof(zero));
	for (size_t i = BO_WIRE_HDR_LEN; i < len; i++)
		flipped += __builtin_popcount((unsigned int)(frame[i] ^ whole[i]));
	assert_int_equal(flipped, 1);
	assert_true(wire_frame_sum(f, frame, len) != 0xffff);
}

static void damage_breaks_the_checksum(void **state)
{
	struct bo_rng rng;

	(void)state;
	bo_rng_init(&rng, 3, 3);
	for (int i = 0; i < 20000; i++) {
		struct wire_frame f = {
			.v6 = i % 2,
			.protocol = protocols[bo_rng_u64(&rng) % 3],
			.from = 1,
			.to = 2,
			.from_port = (uint16_t)bo_rng_u64(&rng),
			.to_port = (uint16_t)bo_rng_u64(&rng),
			.seq = (uint32_t)bo_rng_u64(&rng),
			.payload = payloads[bo_rng_u64(&rng) % 6],
			.partial = bo_rng_u64(&rng) % 2,
		};

		if (f.v6 && f.protocol == IPPROTO_ICMP)
			f.protocol = IPPROTO_ICMPV6;
		check(&f, i == 0 ? 0 : i == 1 ? UINT32_MAX : (uint32_t)bo_rng_u64(&rng));
	}
}

/* Every bit that may be hit is, as often as the others. */
static void damage_hits_every_bit_alike(void **state)
{
	static const struct wire_frame f = {
		.protocol = IPPROTO_TCP, .from = 1, .to = 2, .payload = 5
	};
	enum { BITS = (20 + 5 - 1) * 8, PER_BIT = 500 };
	int hits[(20 + 25) * 8] = { 0 };
	uint8_t frame[200];
	size_t len = wire_frame_build(&f, frame);
	struct bo_rng rng;

	(void)state;
	bo_rng_init(&rng, 4, 4);
	for (int i = 0; i < BITS * PER_BIT; i++)
		hits[bit_of(frame, len, (uint32_t)(bo_rng_u64(&rng) >> 32))]++;
	for (int bit = 0; bit < (20 + 25) * 8; bit++)
		if (bit < 160 || bit / 8 == 20 + 12)
			assert_int_equal(hits[bit], 0);
		else
			assert_in_range(hits[bit], PER_BIT - 110, PER_BIT + 110); /* 5 sigma */
}

static void what_has_no_transport_header_is_hit_behind_ip(void **state)
{
	struct wire_frame f = {
		.protocol = IPPROTO_UDP, .from = 1, .to = 2, .fragment = 100, .payload = 64
	};
	uint8_t frame[200], tiny[BO_WIRE_HDR_LEN + 1] = { 0 };
	size_t len;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		f.v6 = v6;
		len = wire_frame_build(&f, frame);
		for (uint32_t draw = 0; draw < 0xfff00000u; draw += 0x00100000u)
			assert_in_range(bit_of(frame, len, draw), (v6 ? 48 : 20) * 8,
					(v6 ? 112 : 84) * 8 - 1);
	}
	/* A header alone, an octet alone: anywhere. */
	f = (struct wire_frame){ .protocol = 99, .from = 1, .to = 2 };
	len = wire_frame_build(&f, frame) - 8;
	frame[BO_WIRE_HDR_LEN + 3] = 20;
	assert_in_range(bit_of(frame, len, UINT32_MAX), 152, 159);
	assert_int_equal(bit_of(frame, len, 0), 0);
	assert_int_equal(bit_of(tiny, sizeof(tiny), UINT32_MAX), 7);
	assert_true(bo_wire_damage(tiny, sizeof(tiny), 7));
	assert_int_equal(tiny[BO_WIRE_HDR_LEN], 0x80);
	assert_false(bo_wire_damage(tiny, sizeof(tiny), 8));
	assert_false(bo_wire_damage(tiny, BO_WIRE_HDR_LEN, 0));
}

static void hostile_headers_stay_within_the_frame(void **state)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	const struct wire_frame f = { .protocol = IPPROTO_UDP, .from = 1, .to = 2, .payload = 30 };
	struct bo_rng rng;
	uint8_t frame[200];
	size_t len = wire_frame_build(&f, frame);

	(void)state;
	bo_rng_init(&rng, 5, 5);
	for (int i = 0; i < 50000; i++) {
		size_t n = BO_WIRE_HDR_LEN + 1 + bo_rng_u64(&rng) % (len - BO_WIRE_HDR_LEN);
		uint8_t *copy = malloc(n); /* so that a sanitizer sees every octet too far */
		uint32_t bit;

		assert_non_null(copy);
		memcpy(copy, frame, n);
		vnet.csum_start = (uint16_t)(bo_rng_u64(&rng) >> (bo_rng_u64(&rng) % 16));
		vnet.csum_offset = (uint16_t)(bo_rng_u64(&rng) % 20);
		memcpy(copy, &vnet, sizeof(vnet));
		for (int k = 0; k < 3; k++)
			copy[BO_WIRE_HDR_LEN + bo_rng_u64(&rng) % (n - BO_WIRE_HDR_LEN)] =
				(uint8_t)bo_rng_u64(&rng);
		bit = bit_of(copy, n, (uint32_t)bo_rng_u64(&rng));
		assert_true(bit < (n - BO_WIRE_HDR_LEN) * 8);
		assert_true(bo_wire_damage(copy, n, bit));
		free(copy);
	}
	/* A super-packet would get a right checksum for wrong data. */
	vnet = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 };
	memcpy(frame, &vnet, sizeof(vnet));
	assert_false(bo_wire_damage(frame, len, 200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_breaks_the_checksum),
		cmocka_unit_test(damage_hits_every_bit_alike),
		cmocka_unit_test(what_has_no_transport_header_is_hit_behind_ip),
		cmocka_unit_test(hostile_headers_stay_within_the_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
