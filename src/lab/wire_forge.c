/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_forge.c — TCP segments that no end has sent, and such as are shorter than what was sent.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <netinet/in.h>
#include <string.h>

#include "wire_bytes.h"
#include "wire_rules.h"

enum { HOPS = 64 };

/** finish() - lengths and checksums of @bytes of IP with the TCP header at @l4 */
static void finish(uint8_t *ip, bool v6, size_t l4, size_t bytes)
{
	uint64_t pseudo = bo_wire_pseudo_sum(ip, v6, IPPROTO_TCP, bytes - l4);
	uint16_t sum;

	bo_wire_ip_length(ip, v6, l4, bytes);
	bo_put16(ip + l4 + TCP_CHECKSUM, 0);
	sum = bo_wire_checksum_fold(bo_wire_checksum(pseudo, ip + l4, bytes - l4));
	memcpy(ip + l4 + TCP_CHECKSUM, &sum, sizeof(sum));
}

size_t bo_forge_tcp(const struct bo_conn_flow *flow, enum bo_dir dir, uint8_t flags, uint32_t seq,
		    uint32_t ack, uint8_t out[BO_FORGED_MAX])
{
	bool v6 = flow->version == 6;
	size_t l4 = v6 ? IP6_HEADER : IP4_HEADER_MIN, addr_len = v6 ? 16 : 4;
	uint8_t *ip = out + BO_WIRE_HDR_LEN, *tcp = ip + l4;
	uint8_t *addresses = ip + (v6 ? IP6_ADDRESSES : IP4_ADDRESSES);

	memset(out, 0, BO_FORGED_MAX); /* VIRTIO_NET_HDR_GSO_NONE, checksum complete */
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		ip[IP6_NEXT] = IPPROTO_TCP;
		ip[IP6_HOPS] = HOPS;
	} else {
		ip[IP4_FRAGMENT] = 0x40;
		ip[IP4_TTL] = HOPS;
		ip[IP4_PROTOCOL] = IPPROTO_TCP;
	}
	memcpy(addresses, flow->addr[dir], addr_len);
	memcpy(addresses + addr_len, flow->addr[!dir], addr_len);
	bo_put16(tcp, flow->port[dir]);
	bo_put16(tcp + 2, flow->port[!dir]);
	bo_put32(tcp + TCP_SEQ, seq);
	bo_put32(tcp + TCP_ACK_NUMBER, ack);
	tcp[TCP_OFFSET] = TCP_HEADER_MIN / 4 << 4;
	tcp[TCP_FLAGS] = flags;
	bo_put16(tcp + TCP_WINDOW, UINT16_MAX); /* with FIN: who gets it may go on sending */
	finish(ip, v6, l4, l4 + TCP_HEADER_MIN);
	return BO_WIRE_HDR_LEN + l4 + TCP_HEADER_MIN;
}

size_t bo_forge_shorten(uint8_t *frame, struct bo_wire_packet *packet, size_t payload)
{
	uint8_t *ip = frame + BO_WIRE_HDR_LEN;

	memset(frame, 0, BO_WIRE_HDR_LEN);
	ip[packet->l4 + TCP_FLAGS] &= (uint8_t)~TCP_FIN;
	packet->tcp_flags &= (uint8_t)~TCP_FIN;
	packet->len = packet->payload + payload;
	finish(ip, packet->version == 6, packet->l4, packet->len);
	return BO_WIRE_HDR_LEN + packet->len;
}
