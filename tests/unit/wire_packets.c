/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_packets.c — see the header. */
#include "wire_packets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static size_t put_ip(const struct spec *s, uint8_t *ip, size_t l4_len)
{
	bool v6 = s->version == 6;
	size_t header = v6 ? 40 : 20;

	memset(ip, 0, header);
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, (uint16_t)l4_len);
		ip[6] = (uint8_t)s->protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[8 + 14] = ip[24 + 14] = (uint8_t)s->host;
		ip[8 + 15] = (uint8_t)(1 + s->from);
		ip[24 + 15] = (uint8_t)(2 - s->from);
		return header;
	}
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(header + l4_len));
	put16(ip + 6, s->fragment);
	ip[8] = 64;
	ip[9] = (uint8_t)s->protocol;
	ip[12] = ip[16] = 10;
	ip[14] = ip[18] = (uint8_t)s->host;
	ip[15] = (uint8_t)(1 + s->from);
	ip[19] = (uint8_t)(2 - s->from);
	return header;
}

void make_packet(const struct spec *s, struct made *ret)
{
	uint8_t *ip = ret->data + BO_WIRE_HDR_LEN;
	size_t header = s->protocol == IPPROTO_TCP ? 20 + s->tcp_options : 8;
	uint8_t *l4;

	if (s->fragment & 0x1fff)
		header = 0;
	memset(ret->data, 0, BO_WIRE_HDR_LEN);
	l4 = ip + put_ip(s, ip, header + s->payload_len);
	memset(l4, 0, header);
	if (header && (s->protocol == IPPROTO_TCP || s->protocol == IPPROTO_UDP)) {
		put16(l4, s->source);
		put16(l4 + 2, s->target);
	}
	if (header && s->protocol == IPPROTO_TCP) {
		put32(l4 + 4, s->seq);
		put32(l4 + 8, s->ack);
		l4[12] = (uint8_t)(header / 4 << 4);
		l4[13] = s->flags;
		memset(l4 + 20, 1, s->tcp_options); /* NOP */
	} else if (header && s->protocol == IPPROTO_UDP) {
		put16(l4 + 4, (uint16_t)(8 + s->payload_len));
	} else if (header) {
		l4[0] = s->icmp_type;
		put16(l4 + 4, s->source);
	}
	if (s->payload_len)
		memcpy(l4 + header, s->payload, s->payload_len);
	ret->len = (size_t)(l4 - ret->data) + header + s->payload_len;
}

bool checksums_are_right(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + BO_WIRE_HDR_LEN;
	bool v6 = ip[0] >> 4 == 6;
	size_t l4 = v6 ? 40 : 20, bytes = len - BO_WIRE_HDR_LEN - l4;
	uint32_t tail[2] = { htonl((uint32_t)bytes), htonl(IPPROTO_TCP) };
	uint64_t sum = bo_wire_checksum(0, ip + (v6 ? 8 : 12), v6 ? 32 : 8);

	sum = bo_wire_checksum(sum, tail, sizeof(tail));
	sum = bo_wire_checksum(sum, ip + l4, bytes);
	return bo_wire_checksum_fold(sum) == 0 &&
	       (v6 || bo_wire_checksum_fold(bo_wire_checksum(0, ip, 20)) == 0);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

uint32_t tcp_seq(const struct bo_wire_packet *p)
{
	return get32(p->ip + p->l4 + 4);
}

uint32_t tcp_ack(const struct bo_wire_packet *p)
{
	return get32(p->ip + p->l4 + 8);
}
