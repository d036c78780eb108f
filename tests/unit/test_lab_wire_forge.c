/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_forge.c — ICMP errors that the wire makes: every octet, what they quote, what they are not
 * made for, and what Wireshark says of them; and prefixes of addresses.  Privilege: none. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pcapng.h"
#include "wire_build.h"
#include "wire_rules.h"

#define HDR BO_WIRE_HDR_LEN

static const struct {
	enum bo_conn_refusal why;
	uint8_t v4, v6;
} refusals[] = {
	{ BO_CONN_NO_ROUTE, 0, 0 },
	{ BO_CONN_HOST_UNREACHABLE, 1, 3 },
	{ BO_CONN_PORT_UNREACHABLE, 3, 4 },
	{ BO_CONN_PROHIBITED, 13, 1 },
};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static uint8_t frame[HDR + 9000], error[BO_UNREACHABLE_MAX];

/** forge() - the error about @f;  Return: bytes of it */
static size_t forge(const struct wire_frame *f, enum bo_conn_refusal why)
{
	struct bo_wire_packet packet;

	bo_wire_packet_parse(frame, wire_frame_build(f, frame), &packet);
	memset(error, 0xa5, sizeof(error));
	return bo_forge_unreachable(&packet, why, error);
}

/** is_icmp_sound() - checksums as its receiver computes them */
static bool is_icmp_sound(bool v6, size_t len)
{
	struct wire_frame as = { .v6 = v6, .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP };

	return wire_frame_sum(&as, error, len) == 0xffff &&
	       (v6 || bo_wire_checksum_fold(bo_wire_checksum(0, error + HDR, 20)) == 0);
}

static struct wire_frame datagram(bool v6, size_t payload)
{
	return (struct wire_frame){ .v6 = v6,
				    .protocol = IPPROTO_UDP,
				    .from = 1,
				    .to = 2,
				    .from_port = 40000,
				    .to_port = 9999,
				    .payload = payload };
}

static void an_error_quotes_what_it_is_about(void **state)
{
	(void)state;
	for (size_t i = 0; i < REFUSALS * 2; i++) {
		bool v6 = i % 2;
		size_t header = v6 ? 40 : 20, whole = header + 8 + 100;
		struct wire_frame f = datagram(v6, 100);
		size_t len = forge(&f, refusals[i / 2].why);
		const uint8_t *ip = error + HDR, *icmp = ip + header;

		assert_int_equal(len, HDR + header + 8 + whole);
		assert_true(is_icmp_sound(v6, len));
		for (size_t k = 0; k < HDR; k++)
			assert_int_equal(error[k], 0); /* no offload is asked for */
		assert_int_equal(icmp[0], v6 ? 1 : 3);
		assert_int_equal(icmp[1], v6 ? refusals[i / 2].v6 : refusals[i / 2].v4);
		assert_memory_equal(icmp + 4, "\0\0\0\0", 4);
		assert_memory_equal(icmp + 8, frame + HDR, whole);
		/* From the target back to the source. */
		assert_memory_equal(ip + (v6 ? 8 : 12), frame + HDR + (v6 ? 24 : 16), v6 ? 16 : 4);
		assert_memory_equal(ip + (v6 ? 24 : 16), frame + HDR + (v6 ? 8 : 12), v6 ? 16 : 4);
		if (!v6)
			assert_memory_equal(
				ip, ((uint8_t[]){ 0x45, 0xc0, 0, 156, 0, 0, 0x40, 0, 64, 1 }), 10);
		else
			assert_memory_equal(ip, ((uint8_t[]){ 0x60, 0, 0, 0, 0, 156, 58, 64 }), 8);
	}
}

static void no_more_than_may_be_is_quoted(void **state)
{
	(void)state;
	for (size_t payload = 500; payload < 1300; payload++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct wire_frame f = datagram(v6, payload);
			size_t whole = (v6 ? 40u : 20u) * 2 + 16 + payload;
			size_t most = v6 ? 1280 : 576;
			size_t len = forge(&f, BO_CONN_PORT_UNREACHABLE);

			assert_int_equal(len, HDR + (whole < most ? whole : most));
			assert_true(is_icmp_sound(v6, len));
		}
}

/* The kernel hands over what it sends with the checksum left to the device; on a cable it would have been right. */
static void a_checksum_that_was_owed_is_paid_in_the_quote(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct wire_frame f = datagram(i & 1, i & 4 ? 3000 : 99), whole;
		size_t header = i & 1 ? 40 : 20, field;
		uint8_t quoted[2];

		if (i & 2)
			f.protocol = IPPROTO_TCP;
		field = HDR + header + (i & 2 ? 16 : 6);
		whole = f;
		whole.partial = true;
		assert_true(forge(&whole, BO_CONN_HOST_UNREACHABLE) > 0);
		memcpy(quoted, error + field + header + 8, 2);
		wire_frame_build(&f, frame);
		assert_memory_equal(quoted, frame + field, 2);
	}
}

/* A UDP checksum of 0 would say that there is none: it goes as all ones (RFC 768). */
static void a_sum_of_zero_is_all_ones(void **state)
{
	struct wire_frame f = datagram(false, 99);

	(void)state;
	for (f.from_port = 1; f.from_port; f.from_port++) {
		f.partial = false;
		wire_frame_build(&f, frame);
		if (frame[HDR + 26] || frame[HDR + 27])
			continue;
		f.partial = true;
		assert_true(forge(&f, BO_CONN_PORT_UNREACHABLE) > 0);
		assert_memory_equal(error + HDR + 28 + 26, "\xff\xff", 2);
		return;
	}
	fail();
}

static void some_packets_have_no_error(void **state)
{
	struct wire_frame echo = { .protocol = IPPROTO_ICMP, .from = 1, .to = 2, .payload = 56 };
	struct bo_wire_packet packet;
	struct wire_frame f;
	size_t len;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t header = v6 ? 40 : 20, source = HDR + (v6 ? 8 : 12);
		size_t target = source + (v6 ? 16 : 4);

		/* About another error, but about an echo. */
		echo.v6 = v6;
		echo.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		for (int type = 0; type < 256; type++) {
			bool is_error = v6 ? type < 128
					   : (type >= 3 && type <= 5) || type == 11 || type == 12;

			len = wire_frame_build(&echo, frame);
			frame[HDR + header] = (uint8_t)type;
			bo_wire_packet_parse(frame, len, &packet);
			assert_int_equal(bo_forge_unreachable(&packet, BO_CONN_NO_ROUTE, error) ==
						 0,
					 is_error);
		}
		/* To a group, from a group, from nobody. */
		for (int what = 0; what < 4; what++) {
			f = datagram(v6, 10);
			len = wire_frame_build(&f, frame);
			if (what < 2)
				frame[what ? target : source] = v6 ? 0xff : 239;
			else if (what == 2)
				memset(frame + source, 0, v6 ? 16 : 4);
			bo_wire_packet_parse(frame, len, &packet);
			assert_int_equal(bo_forge_unreachable(&packet, BO_CONN_NO_ROUTE, error) ==
						 0,
					 what < 3);
		}
		/* A later fragment. */
		f = datagram(v6, 100);
		f.fragment = 10;
		assert_int_equal(forge(&f, BO_CONN_NO_ROUTE), 0);
	}
}

/** save() - one of each kind about UDP, TCP and something else, short and long;  Return: how many */
static int save(const char *path)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP, 253 /* RFC 3692 */ };
	struct pcapng_out out = { .file = fopen(path, "we") };
	uint32_t n = 0;

	assert_non_null(out.file);
	pcapng_put_section(&out, "test", NULL);
	pcapng_put_interface(&out, "wire", "forged", 65535);
	for (size_t i = 0; i < REFUSALS * 2 * 3 * 2; i++) {
		bool v6 = i % 2;
		struct wire_frame f = datagram(v6, i / 24 ? 1400 : 60);
		size_t len;

		f.protocol = protocols[i / 2 % 3];
		f.flags = 2;
		f.partial = f.protocol == IPPROTO_UDP || f.protocol == IPPROTO_TCP;
		len = forge(&f, refusals[i / 6 % REFUSALS].why);
		pcapng_put_packet(&out, &(struct pcapng_packet){ .unix_ns = ++n,
								 .way = PCAPNG_INBOUND,
								 .data = error + HDR,
								 .cap_len = (uint32_t)(len - HDR),
								 .len = (uint32_t)(len - HDR) });
	}
	assert_int_equal(fclose(out.file), 0);
	return (int)n;
}

/** shark() - packets that pass the display filter; -1 when there is an error */
static int shark(const char *path, const char *filter)
{
	char command[700], line[64];
	int n = 0;
	FILE *out;

	snprintf(command, sizeof(command),
		 "tshark -n -r %s -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE "
		 "-o udp.check_checksum:TRUE -Y '%s' -T fields -e frame.number 2>/dev/null",
		 path, filter);
	out = popen(command, "r");
	if (!out)
		return -1;
	while (fgets(line, sizeof(line), out))
		n++;
	return pclose(out) == 0 ? n : -1;
}

static void wireshark_finds_nothing_wrong(void **state)
{
	/* A status of 0 is bad, 1 good.  It knows that a quoted UDP packet was cut, but not that a TCP one was. */
	static const struct {
		const char *filter;
		int one_in; /* of the packets; 0: none */
	} finds[] = {
		{ "icmp.type == 3 or icmpv6.type == 1", 1 },
		{ "icmp.checksum.status == 1 or icmpv6.checksum.status == 1", 1 },
		{ "icmp.type == 3 and ip.checksum.status == 1", 2 },
		{ "udp.checksum.status == 0 or (frame.len < 576 and tcp.checksum.status == 0)", 0 },
		{ "udp.checksum.status == 1 or (frame.len < 576 and tcp.checksum.status == 1)", 3 },
		{ "_ws.malformed or ip.checksum.status == 0", 0 },
		{ "icmp.code == 3 and icmp.type == 3 and udp.dstport == 9999", 24 },
	};
	enum { FINDS = sizeof(finds) / sizeof(finds[0]) };
	char path[] = "/tmp/test_forge_XXXXXX";
	int fd, n, found[FINDS];

	(void)state;
	if (system("tshark --version >/dev/null 2>&1"))
		skip();
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	n = save(path);
	for (size_t i = 0; i < FINDS; i++)
		found[i] = shark(path, finds[i].filter);
	unlink(path);
	for (size_t i = 0; i < FINDS; i++)
		if (found[i] != (finds[i].one_in ? n / finds[i].one_in : 0))
			fail_msg("%s: %d of %d", finds[i].filter, found[i], n);
}

static void prefixes(void **state)
{
	static const struct {
		const char *text, *in, *out;
	} good[] = {
		{ "10.0.0.5", "10.0.0.5", "10.0.0.4" },
		{ "10.0.0.0/8", "10.255.1.2", "11.0.0.0" },
		{ "10.128.0.0/9", "10.128.0.0", "10.127.255.255" },
		{ "10.0.0.4/31", "10.0.0.5", "10.0.0.6" },
		{ "0.0.0.0/0", "1.2.3.4", "::" },
		{ "::/0", "fd00::1", "0.0.0.0" },
		{ "fd00:8000::/17", "fd00:ffff::1", "fd00:7fff::1" },
		{ "fd00::1", "fd00::1", "fd00::2" },
	};
	static const char *const bad[] = {
		"",
		"db",
		"10.0.0",
		"10.0.0.0/33",
		"::/129",
		"::/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/",
		"::/0x10",
		"/8",
		"10.0.0.0/8/8",
		"10.0.0.0/99999999999999999999",
		"1111111111111111111111111111111111111111111111111111111111111111111",
	};
	struct bo_conn_prefix a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(bo_conn_prefix_parse(good[i].text, &a), 0);
		assert_int_equal(bo_conn_prefix_parse(good[i].in, &b), 0);
		assert_true(bo_conn_prefix_has(&a, b.version, b.addr));
		assert_true(bo_conn_prefixes_meet(&a, &b) && bo_conn_prefixes_meet(&b, &a));
		assert_int_equal(bo_conn_prefix_parse(good[i].out, &b), 0);
		assert_false(bo_conn_prefix_has(&a, b.version, b.addr));
		assert_false(bo_conn_prefixes_meet(&a, &b) || bo_conn_prefixes_meet(&b, &a));
		assert_true(bo_conn_prefixes_meet(&a, &(struct bo_conn_prefix){ 0 }));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(bo_conn_prefix_parse(bad[i], &a) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_quotes_what_it_is_about),
		cmocka_unit_test(no_more_than_may_be_is_quoted),
		cmocka_unit_test(a_checksum_that_was_owed_is_paid_in_the_quote),
		cmocka_unit_test(a_sum_of_zero_is_all_ones),
		cmocka_unit_test(some_packets_have_no_error),
		cmocka_unit_test(wireshark_finds_nothing_wrong),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
