/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_build.c — see the header. */
#include "wire_build.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#define VNET sizeof(struct virtio_net_hdr)
#define PATTERN 31

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/** sum() - the textbook's, byte by byte */
static uint32_t sum(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t l4_of(const struct wire_frame *f)
{
	return f->v6 ? (f->fragment ? 48 : 40) : 20;
}

/** field_of() - where the checksum is; 0 where there is none */
static size_t field_of(uint8_t protocol)
{
	return protocol == IPPROTO_TCP                                  ? 16
	       : protocol == IPPROTO_UDP                                ? 6
	       : protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? 2
									: 0;
}

static uint32_t pseudo(const struct wire_frame *f, const uint8_t *ip, size_t l4_len)
{
	uint8_t tail[4] = { 0, f->protocol };

	if (f->protocol == IPPROTO_ICMP)
		return 0;
	put16(tail + 2, l4_len);
	return sum(sum(0, ip + (f->v6 ? 8 : 12), f->v6 ? 32 : 8), tail, sizeof(tail));
}

static void build_ip(const struct wire_frame *f, uint8_t *ip, size_t total)
{
	if (f->v6) {
		ip[0] = 0x60;
		put16(ip + 4, total - 40);
		ip[6] = f->fragment ? IPPROTO_FRAGMENT : f->protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = f->from;
		ip[39] = f->to;
		if (f->fragment) {
			ip[40] = f->protocol;
			put16(ip + 42, (size_t)f->fragment << 3);
		}
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, total);
	put16(ip + 6, f->fragment);
	ip[8] = 64;
	ip[9] = f->protocol;
	memcpy(ip + 12, (uint8_t[]){ 10, 77, 0, f->from, 10, 77, 0, f->to }, 8);
	put16(ip + 10, (uint16_t)~sum(0, ip, 20));
}

size_t wire_frame_build(const struct wire_frame *f, uint8_t *out)
{
	size_t l4 = l4_of(f), field = field_of(f->protocol);
	size_t header = f->fragment ? 0 : f->protocol == IPPROTO_TCP ? 20 : 8;
	size_t total = l4 + header + f->payload;
	uint8_t *ip = out + VNET, *at = ip + l4;

	memset(out, 0, VNET + total);
	build_ip(f, ip, total);
	for (size_t i = 0; i < f->payload; i++)
		at[header + i] = (uint8_t)(i * PATTERN + i / 256 + 1);
	if (f->fragment)
		return VNET + total;
	if (f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_UDP) {
		put16(at, f->from_port);
		put16(at + 2, f->to_port);
	}
	if (f->protocol == IPPROTO_TCP) {
		put16(at + 4, f->seq >> 16);
		put16(at + 6, f->seq & 0xffff);
		at[12] = 0x50;
		at[13] = f->flags;
	} else if (f->protocol == IPPROTO_UDP) {
		put16(at + 4, 8 + f->payload);
	}
	if (!field)
		return VNET + total;
	put16(at + field, pseudo(f, ip, total - l4));
	if (f->partial) {
		struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .csum_start = (uint16_t)l4,
					       .csum_offset = (uint16_t)field };

		memcpy(out, &vnet, sizeof(vnet));
	} else {
		put16(at + field, (uint16_t)~sum(0, at, total - l4));
	}
	return VNET + total;
}

uint32_t wire_frame_sum(const struct wire_frame *f, const uint8_t *frame, size_t len)
{
	size_t l4 = l4_of(f);

	return sum(pseudo(f, frame + VNET, len - VNET - l4), frame + VNET + l4, len - VNET - l4);
}
