/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_forge.c — packets that no end has sent: TCP segments, ICMP errors; and TCP segments that are shorter than what
 * was sent.
 *
 * An ICMP error quotes the packet that it is about from its IP header on: as much as fits in 576 bytes (RFC 1812
 * § 4.3.2.3) or in the least MTU of IPv6 (RFC 4443 § 2.4).  A checksum that the sender left to the device is completed in
 * the quote, as it would have been on a cable.  It comes from the packet's target, for the link has no address.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <netinet/in.h>
#include <string.h>

#include "wire_bytes.h"
#include "wire_rules.h"

enum {
	HOPS = 64,
	TOS_CONTROL = 0xc0, /* RFC 1812 § 4.3.2.5 */
	ICMP4_ERROR_MAX = 576,
	ICMP6_ERROR_MAX = 1280,
	ICMP6_INFORMATION = 128, /* types below are errors: RFC 4443 § 2.1 */
	IP4_MULTICAST = 224,     /* from here to the broadcast address */
	IP6_MULTICAST = 0xff,
};

/** finish() - lengths and checksums of @bytes of IP with the transport header at @l4; @field: of its checksum */
static void finish(uint8_t *ip, bool v6, size_t l4, size_t bytes, uint8_t protocol, size_t field)
{
	uint64_t sum = protocol == IPPROTO_ICMP ? 0
						: bo_wire_pseudo_sum(ip, v6, protocol, bytes - l4);
	uint16_t folded;

	bo_wire_ip_length(ip, v6, l4, bytes);
	bo_put16(ip + l4 + field, 0);
	folded = bo_wire_checksum_fold(bo_wire_checksum(sum, ip + l4, bytes - l4));
	memcpy(ip + l4 + field, &folded, sizeof(folded));
}

/** put_ip() - a header without lengths and checksum into zeroes;  Return: its bytes */
static size_t put_ip(uint8_t *ip, bool v6, uint8_t protocol, const uint8_t *source,
		     const uint8_t *target)
{
	size_t addr_len = v6 ? 16 : 4;
	uint8_t *addresses = ip + (v6 ? IP6_ADDRESSES : IP4_ADDRESSES);

	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		ip[IP6_NEXT] = protocol;
		ip[IP6_HOPS] = HOPS;
	} else {
		ip[IP4_FRAGMENT] = 0x40;
		ip[IP4_TTL] = HOPS;
		ip[IP4_PROTOCOL] = protocol;
	}
	memcpy(addresses, source, addr_len);
	memcpy(addresses + addr_len, target, addr_len);
	return v6 ? IP6_HEADER : IP4_HEADER_MIN;
}

size_t bo_forge_tcp(const struct bo_conn_flow *flow, enum bo_dir dir, uint8_t flags, uint32_t seq,
		    uint32_t ack, uint8_t out[BO_FORGED_MAX])
{
	bool v6 = flow->version == 6;
	uint8_t *ip = out + BO_WIRE_HDR_LEN, *tcp;
	size_t l4;

	memset(out, 0, BO_FORGED_MAX); /* VIRTIO_NET_HDR_GSO_NONE, checksum complete */
	l4 = put_ip(ip, v6, IPPROTO_TCP, flow->addr[dir], flow->addr[!dir]);
	tcp = ip + l4;
	bo_put16(tcp, flow->port[dir]);
	bo_put16(tcp + 2, flow->port[!dir]);
	bo_put32(tcp + TCP_SEQ, seq);
	bo_put32(tcp + TCP_ACK_NUMBER, ack);
	tcp[TCP_OFFSET] = TCP_HEADER_MIN / 4 << 4;
	tcp[TCP_FLAGS] = flags;
	bo_put16(tcp + TCP_WINDOW, UINT16_MAX); /* with FIN: who gets it may go on sending */
	finish(ip, v6, l4, l4 + TCP_HEADER_MIN, IPPROTO_TCP, TCP_CHECKSUM);
	return BO_WIRE_HDR_LEN + l4 + TCP_HEADER_MIN;
}

/** is_answerable() - no error is sent about an error, nor to or about a group, nor to nobody (RFC 1122 § 3.2.2, RFC 4443
 * § 2.4 (e)) */
static bool is_answerable(const struct bo_wire_packet *p)
{
	static const uint8_t nobody[16];
	uint8_t type;

	if (!p->has_l4 || memcmp(p->source, nobody, p->addr_len) == 0)
		return false;
	type = p->ip[p->l4];
	if (p->version == 6)
		return p->source[0] != IP6_MULTICAST && p->target[0] != IP6_MULTICAST &&
		       (p->protocol != IPPROTO_ICMPV6 || type >= ICMP6_INFORMATION);
	/* Unreachable, source quench, redirect; time exceeded, parameter problem. */
	return p->source[0] < IP4_MULTICAST && p->target[0] < IP4_MULTICAST &&
	       (p->protocol != IPPROTO_ICMP ||
		!((type >= 3 && type <= 5) || type == 11 || type == 12));
}

/** codes - of destination unreachable: RFC 792, RFC 1812 § 5.2.7.1; RFC 4443 § 3.1 */
static const struct {
	uint8_t v4, v6;
} codes[BO_CONN_REFUSAL_COUNT] = {
	[BO_CONN_PORT_UNREACHABLE] = { 3, 4 },
	[BO_CONN_HOST_UNREACHABLE] = { 1, 3 },
	[BO_CONN_NO_ROUTE] = { 0, 0 },
	[BO_CONN_PROHIBITED] = { 13, 1 },
};

size_t bo_forge_unreachable(const struct bo_wire_packet *packet, enum bo_conn_refusal why,
			    uint8_t out[BO_UNREACHABLE_MAX])
{
	bool v6 = packet->version == 6;
	size_t most = v6 ? ICMP6_ERROR_MAX : ICMP4_ERROR_MAX, field, quoted, l4;
	uint8_t protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint8_t *ip = out + BO_WIRE_HDR_LEN;
	uint16_t sum;

	if (!is_answerable(packet))
		return 0;
	memset(out, 0, BO_WIRE_HDR_LEN + IP6_HEADER + ICMP_HEADER);
	l4 = put_ip(ip, v6, protocol, packet->target, packet->source);
	if (!v6)
		ip[IP4_TOS] = TOS_CONTROL;
	quoted = most - l4 - ICMP_HEADER;
	if (quoted > packet->len)
		quoted = packet->len;
	ip[l4] = v6 ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE;
	ip[l4 + ICMP_CODE] = v6 ? codes[why].v6 : codes[why].v4;
	memcpy(ip + l4 + ICMP_HEADER, packet->ip, quoted);
	if (bo_wire_checksum_owed(packet->ip - BO_WIRE_HDR_LEN, packet->len + BO_WIRE_HDR_LEN,
				  &field, &sum) &&
	    field + sizeof(sum) <= quoted)
		memcpy(ip + l4 + ICMP_HEADER + field, &sum, sizeof(sum));
	finish(ip, v6, l4, l4 + ICMP_HEADER + quoted, protocol, ICMP_CHECKSUM);
	return BO_WIRE_HDR_LEN + l4 + ICMP_HEADER + quoted;
}

size_t bo_forge_shorten(uint8_t *frame, struct bo_wire_packet *packet, size_t payload)
{
	uint8_t *ip = frame + BO_WIRE_HDR_LEN;

	memset(frame, 0, BO_WIRE_HDR_LEN);
	ip[packet->l4 + TCP_FLAGS] &= (uint8_t)~TCP_FIN;
	packet->tcp_flags &= (uint8_t)~TCP_FIN;
	packet->len = packet->payload + payload;
	finish(ip, packet->version == 6, packet->l4, packet->len, IPPROTO_TCP, TCP_CHECKSUM);
	return BO_WIRE_HDR_LEN + packet->len;
}
