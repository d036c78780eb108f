/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_packet.c — where things are in an IP packet.
 * Nothing in it is trusted: what is cut short, or not understood, has no transport header, and
 * whoever asks treats it as a packet without ports.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <netinet/in.h>
#include <string.h>

#include "wire-internal.h"
#include "wire_bytes.h"

enum { EXTENSIONS_MAX = 8 }; /* more in a row than anybody sends */
#define IP4_FRAGMENT_OFFSET 0x1fff
#define IP4_MORE_FRAGMENTS 0x2000
#define IP6_MORE_FRAGMENTS 0x0001

/** skip_extensions() - RFC 8200 § 4.1; false when the transport header is not in this packet */
static bool skip_extensions(struct bo_wire_packet *p, uint8_t next)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *at = p->ip + p->l4;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT) {
			p->protocol = next;
			return true;
		}
		if (p->l4 + 8u > p->len)
			return false;
		if (next == IPPROTO_FRAGMENT && bo_get16(at + 2) & 0xfff8) {
			p->protocol = at[0];
			return false;
		}
		if (next == IPPROTO_FRAGMENT)
			p->more = bo_get16(at + 2) & IP6_MORE_FRAGMENTS;
		p->l4 += next == IPPROTO_FRAGMENT ? 8u : (size_t)(at[1] + 1) * 8;
		next = at[0];
	}
	return false;
}

static bool parse_ip(struct bo_wire_packet *p)
{
	if (p->len && p->ip[0] >> 4 == 4 && p->len >= IP4_HEADER_MIN) {
		p->version = 4;
		p->l4 = (p->ip[0] & 0xfu) * 4u;
		p->protocol = p->ip[IP4_PROTOCOL];
		p->addr_len = 4;
		p->source = p->ip + IP4_ADDRESSES;
		if (bo_get16(p->ip + IP4_TOTAL_LEN) < p->len && bo_get16(p->ip + IP4_TOTAL_LEN))
			p->len = bo_get16(p->ip + IP4_TOTAL_LEN);
		p->target = p->source + 4;
		p->more = bo_get16(p->ip + IP4_FRAGMENT) & IP4_MORE_FRAGMENTS;
		return p->l4 >= IP4_HEADER_MIN &&
		       !(bo_get16(p->ip + IP4_FRAGMENT) & IP4_FRAGMENT_OFFSET);
	}
	if (p->len >= IP6_HEADER && p->ip[0] >> 4 == 6) {
		size_t len = (size_t)IP6_HEADER + bo_get16(p->ip + IP6_PAYLOAD_LEN);

		p->version = 6;
		p->l4 = IP6_HEADER;
		p->addr_len = 16;
		p->source = p->ip + IP6_ADDRESSES;
		p->target = p->source + 16;
		if (len < p->len && len > IP6_HEADER)
			p->len = len;
		return skip_extensions(p, p->ip[IP6_NEXT]);
	}
	return false;
}

static bool parse_l4(struct bo_wire_packet *p)
{
	const uint8_t *at = p->ip + p->l4;
	size_t left;

	if (p->l4 >= p->len)
		return false;
	left = p->len - p->l4;
	switch (p->protocol) {
	case IPPROTO_TCP: {
		size_t header;

		if (left < TCP_HEADER_MIN)
			return false;
		header = (size_t)(at[TCP_OFFSET] >> 4) * 4;
		if (header < TCP_HEADER_MIN || header > left)
			return false;
		p->tcp_flags = at[TCP_FLAGS];
		p->payload = p->l4 + header;
		break;
	}
	case IPPROTO_UDP:
		if (left < UDP_HEADER)
			return false;
		p->payload = p->l4 + UDP_HEADER;
		break;
	default:
		p->payload = p->l4;
		return true;
	}
	p->source_port = bo_get16(at);
	p->target_port = bo_get16(at + 2);
	return true;
}

void bo_wire_packet_parse(const uint8_t *frame, size_t len, struct bo_wire_packet *ret)
{
	*ret = (struct bo_wire_packet){ 0 };
	if (len <= BO_WIRE_HDR_LEN)
		return;
	ret->ip = frame + BO_WIRE_HDR_LEN;
	ret->len = len - BO_WIRE_HDR_LEN;
	ret->has_l4 = parse_ip(ret) && parse_l4(ret);
}

bool bo_wire_packet_echo(const struct bo_wire_packet *packet, uint16_t *ret_id)
{
	bool v6 = packet->protocol == IPPROTO_ICMPV6;
	const uint8_t *at;

	if (!packet->has_l4 || (packet->protocol != IPPROTO_ICMP && !v6) ||
	    packet->len < packet->l4 + ICMP_ID + 2)
		return false;
	at = packet->ip + packet->l4;
	if (v6 ? at[0] != ICMP6_ECHO && at[0] != ICMP6_ECHO_REPLY
	       : at[0] != ICMP4_ECHO && at[0] != ICMP4_ECHO_REPLY)
		return false;
	*ret_id = bo_get16(at + ICMP_ID);
	return true;
}
