/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_packet.c — where things are in an IP packet, and that nothing in it is trusted.
 * Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/base/rng.h"
#include "wire_packets.h"

static struct made made;

static struct bo_wire_packet parsed(void)
{
	struct bo_wire_packet p;

	bo_wire_packet_parse(made.data, made.len, &p);
	return p;
}

static void tcp_of_both_families(void **state)
{
	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		struct spec spec = { .version = version,
				     .protocol = IPPROTO_TCP,
				     .source = 40000,
				     .target = 5432,
				     .seq = 77,
				     .flags = PSH | ACK,
				     .tcp_options = 12,
				     .payload = "hello",
				     .payload_len = 5 };
		size_t ip = version == 6 ? 40 : 20;
		struct bo_wire_packet p;

		make_packet(&spec, &made);
		p = parsed();
		assert_int_equal(p.version, version);
		assert_int_equal(p.protocol, IPPROTO_TCP);
		assert_int_equal(p.addr_len, version == 6 ? 16 : 4);
		assert_int_equal(p.source[p.addr_len - 1], 1);
		assert_int_equal(p.target[p.addr_len - 1], 2);
		assert_true(p.has_l4);
		assert_int_equal(p.l4, ip);
		assert_int_equal(p.payload, ip + 32);
		assert_int_equal(p.len, ip + 37);
		assert_int_equal(p.source_port, 40000);
		assert_int_equal(p.target_port, 5432);
		assert_int_equal(p.tcp_flags, PSH | ACK);
		assert_memory_equal(p.ip + p.payload, "hello", 5);
	}
}

static void udp_and_icmp(void **state)
{
	struct spec spec = { .protocol = IPPROTO_UDP,
			     .source = 5353,
			     .target = 53,
			     .payload = "x",
			     .payload_len = 1 };
	struct bo_wire_packet p;

	(void)state;
	make_packet(&spec, &made);
	p = parsed();
	assert_true(p.has_l4);
	assert_int_equal(p.payload, 28);
	assert_int_equal(p.target_port, 53);
	assert_int_equal(p.tcp_flags, 0);
	spec.protocol = IPPROTO_ICMP;
	make_packet(&spec, &made);
	p = parsed();
	assert_true(p.has_l4);
	assert_int_equal(p.payload, p.l4);
	assert_int_equal(p.source_port, 0);
}

static void fragments(void **state)
{
	struct spec spec = { .protocol = IPPROTO_UDP,
			     .source = 1000,
			     .target = 53,
			     .payload = "0123456789",
			     .payload_len = 10,
			     .fragment = 0x2000 };
	struct bo_wire_packet p;

	(void)state;
	make_packet(&spec, &made); /* the first has the ports */
	p = parsed();
	assert_true(p.has_l4 && p.more);
	assert_int_equal(p.target_port, 53);
	spec.fragment = 0x2001; /* later ones do not, whatever stands there */
	make_packet(&spec, &made);
	p = parsed();
	assert_false(p.has_l4);
	assert_int_equal(p.protocol, IPPROTO_UDP);
	assert_int_equal(p.version, 4);
	assert_int_equal(p.target_port, 0);
}

static void padding_is_not_payload(void **state)
{
	struct spec spec = { .protocol = IPPROTO_TCP, .source = 1, .target = 2, .flags = ACK };
	struct bo_wire_packet p;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		spec.version = version;
		make_packet(&spec, &made);
		made.len += 6;
		p = parsed();
		assert_true(p.has_l4);
		/* An IPv6 length of 20 and an IPv4 one of 40: both end where the TCP header does. */
		assert_int_equal(p.len, p.payload);
	}
}

/** with_extension() - put @bytes of an extension header between IPv6 and what follows */
static void with_extension(uint8_t type, size_t bytes, const uint8_t *ext)
{
	uint8_t *ip = made.data + BO_WIRE_HDR_LEN;
	uint16_t len = (uint16_t)((ip[4] << 8 | ip[5]) + bytes);

	memmove(ip + 40 + bytes, ip + 40, made.len - BO_WIRE_HDR_LEN - 40);
	memcpy(ip + 40, ext, bytes);
	ip[40] = ip[6];
	ip[6] = type;
	ip[4] = (uint8_t)(len >> 8);
	ip[5] = (uint8_t)len;
	made.len += bytes;
}

static void extension_headers(void **state)
{
	static const uint8_t hop[16] = { 0, 1 }, fragment_first[8] = { 0, 0, 0, 1 };
	static const uint8_t fragment_later[8] = { 0, 0, 0, 9 };
	struct spec spec = { .version = 6,
			     .protocol = IPPROTO_UDP,
			     .source = 1000,
			     .target = 53,
			     .payload = "x",
			     .payload_len = 1 };
	struct bo_wire_packet p;

	(void)state;
	make_packet(&spec, &made);
	with_extension(IPPROTO_FRAGMENT, 8, fragment_first);
	with_extension(IPPROTO_HOPOPTS, 16, hop);
	p = parsed();
	assert_true(p.has_l4 && p.more);
	assert_int_equal(p.protocol, IPPROTO_UDP);
	assert_int_equal(p.l4, 40 + 16 + 8);
	assert_int_equal(p.target_port, 53);
	make_packet(&spec, &made);
	with_extension(IPPROTO_FRAGMENT, 8, hop); /* the only one */
	assert_true(parsed().has_l4 && !parsed().more);
	make_packet(&spec, &made);
	with_extension(IPPROTO_FRAGMENT, 8, fragment_later);
	p = parsed();
	assert_false(p.has_l4);
	assert_int_equal(p.protocol, IPPROTO_UDP);
	/* More extensions than anybody sends are not followed for ever. */
	make_packet(&spec, &made);
	for (int i = 0; i < 12; i++)
		with_extension(IPPROTO_HOPOPTS, 16, hop);
	assert_false(parsed().has_l4);
}

static void cut_short_has_no_transport(void **state)
{
	struct spec spec = {
		.protocol = IPPROTO_TCP, .source = 1, .target = 2, .flags = ACK, .tcp_options = 20
	};

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		size_t full;

		spec.version = version;
		make_packet(&spec, &made);
		full = made.len;
		for (size_t len = 0; len < full; len++) {
			/* In room of exactly that size, so that a sanitizer sees what is read. */
			uint8_t *copy = malloc(len + !len);
			struct bo_wire_packet p;

			assert_non_null(copy);
			memcpy(copy, made.data, len);
			bo_wire_packet_parse(copy, len, &p);
			assert_false(p.has_l4);
			free(copy);
		}
	}
	spec.version = 4;
	make_packet(&spec, &made);
	made.data[BO_WIRE_HDR_LEN] = 0x44; /* a header of 16 bytes */
	assert_false(parsed().has_l4);
	make_packet(&spec, &made);
	made.data[BO_WIRE_HDR_LEN + 20 + 12] = 4 << 4; /* of TCP */
	assert_false(parsed().has_l4);
	made.data[BO_WIRE_HDR_LEN + 20 + 12] = 15 << 4; /* longer than the packet */
	assert_false(parsed().has_l4);
	make_packet(&spec, &made);
	made.data[BO_WIRE_HDR_LEN] = 0x75;
	assert_int_equal(parsed().version, 0);
}

static void noise_stays_inside(void **state)
{
	struct bo_rng rng;

	(void)state;
	bo_rng_init(&rng, 1, 1);
	for (int round = 0; round < 200000; round++) {
		size_t len = bo_rng_u64(&rng) % 120;
		uint8_t *noise = malloc(len + !len);
		struct bo_wire_packet p;

		assert_non_null(noise);
		for (size_t i = 0; i < len; i++)
			noise[i] = (uint8_t)bo_rng_u64(&rng);
		if (len > BO_WIRE_HDR_LEN && round % 2)
			noise[BO_WIRE_HDR_LEN] = round % 4 == 1 ? 0x45 : 0x60;
		bo_wire_packet_parse(noise, len, &p);
		if (p.has_l4) {
			assert_true(p.l4 < p.len && p.payload <= p.len);
			assert_true(p.len + BO_WIRE_HDR_LEN <= len);
		}
		free(noise);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_of_both_families),
		cmocka_unit_test(udp_and_icmp),
		cmocka_unit_test(fragments),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(cut_short_has_no_transport),
		cmocka_unit_test(noise_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
