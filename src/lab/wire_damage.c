/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_damage.c — flip one bit of a packet so that its receiver notices.
 *
 * What a bad cable does happens behind the sender's checksum.  Here the sender may not have computed
 * one yet: with checksum offload it leaves that to the device (virtio 1.2 § 5.1.6.2,
 * VIRTIO_NET_HDR_F_NEEDS_CSUM), and a receiver that is handed such a packet trusts it.  So the
 * checksum is completed first and the virtio header says nothing any more: the receiving kernel
 * looks for itself, drops the packet and counts it (InCsumErrors of Tcp, Udp, Icmp).
 *
 * Which bit: any behind the IP header, which has (IPv4) a checksum of its own that routers look at,
 * but not
 *   TCP   the octet of the data offset: a wrong one is refused before the checksum is;
 *   UDP   length, for the same reason, and checksum: 0 would mean that there is none.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <netinet/in.h>
#include <string.h>

#include "wire-internal.h"
#include "wire_bytes.h"

enum { UDP_SPARED = 4, IP6_FRAGMENT = 8 };

/** damage_start() - of what a transport checksum covers; the whole packet where nothing is known */
static size_t damage_start(const struct bo_wire_packet *packet)
{
	size_t start = packet->l4;

	/* A later fragment: its offset is that of the fragment header. */
	if (packet->version == 6 && !packet->has_l4)
		start += IP6_FRAGMENT;
	return packet->version && start < packet->len ? start : 0;
}

uint32_t bo_wire_damage_bit(const struct bo_wire_packet *packet, uint32_t draw)
{
	size_t start = damage_start(packet);
	size_t spared_at = packet->len, spared = 0;
	uint64_t bit;

	if (packet->has_l4 && start && packet->protocol == IPPROTO_TCP) {
		spared_at = start + TCP_OFFSET;
		spared = 1;
	} else if (packet->has_l4 && start && packet->protocol == IPPROTO_UDP) {
		spared_at = start + UDP_LEN;
		spared = UDP_SPARED;
	}
	bit = start * 8 + ((uint64_t)draw * ((packet->len - start - spared) * 8) >> 32);
	return (uint32_t)(bit < spared_at * 8 ? bit : bit + spared * 8);
}

bool bo_wire_checksum_owed(const uint8_t *frame, size_t len, size_t *ret_field, uint16_t *ret_sum)
{
	const uint8_t *ip = frame + BO_WIRE_HDR_LEN;
	struct virtio_net_hdr vnet;
	size_t field;

	memcpy(&vnet, frame, sizeof(vnet));
	len -= BO_WIRE_HDR_LEN;
	field = (size_t)vnet.csum_start + vnet.csum_offset;
	if (!(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || vnet.csum_start >= len ||
	    field + sizeof(*ret_sum) > len)
		return false;
	*ret_field = field;
	/* The field holds the sum of the pseudo-header. */
	*ret_sum = bo_wire_checksum_fold(
		bo_wire_checksum(0, ip + vnet.csum_start, len - vnet.csum_start));
	/* RFC 768: a sum of 0 is sent as all ones. TCP's 0 is 0, and no receiver minds ones. */
	if (!*ret_sum)
		*ret_sum = UINT16_MAX;
	return true;
}

bool bo_wire_damage(uint8_t *frame, size_t len, uint32_t bit)
{
	uint8_t *ip = frame + BO_WIRE_HDR_LEN;
	struct virtio_net_hdr vnet;
	uint16_t sum;
	size_t field;

	if (len <= BO_WIRE_HDR_LEN || bit / 8 >= len - BO_WIRE_HDR_LEN)
		return false;
	memcpy(&vnet, frame, sizeof(vnet));
	/* The receiver would compute a checksum per segment, which then covers the damage. */
	if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	if (bo_wire_checksum_owed(frame, len, &field, &sum))
		memcpy(ip + field, &sum, sizeof(sum));
	memset(frame, 0, BO_WIRE_HDR_LEN);
	ip[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}
