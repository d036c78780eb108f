/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_segment.c — cut a super-packet into the packets that would travel on a real link.
 *
 * With segmentation offload the kernel hands a TUN device up to 64 KiB of TCP or UDP payload under
 * one header, and asks (struct virtio_net_hdr, virtio 1.2 § 5.1.6) that it be cut into pieces of
 * gso_size and that the checksums be filled in.  A loss of 1 % must hit one packet in a hundred and
 * not one super-packet in a hundred, so when packets have fates of their own the cutting happens
 * here, as net/ipv4/tcp_offload.c and udp_offload.c do it:
 *   TCP: sequence number += mss per segment;  FIN and PSH only on the last, CWR only on the first;
 *   UDP: length;
 *   IPv4: identification + 1 per segment, total length, header checksum;  IPv6: payload length.
 * The sum over the payload is left to whoever needs it (VIRTIO_NET_HDR_F_NEEDS_CSUM): on the same
 * machine nobody does, which saves reading every byte once more.
 * Nothing in a frame is trusted: whatever does not parse is passed on as it came, and the receiving
 * kernel judges it.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <arpa/inet.h>
#include <string.h>

#include "wire-internal.h"
#include "wire_bytes.h"

/* The sum is taken over words in host order: one's complement addition does not care, as long as
 * the result is stored the same way (RFC 1071 § 2B). */
uint64_t bo_wire_checksum(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t word;
	uint16_t rest = 0;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word; /* 64 bits hold the carries of 2^32 such words */
	}
	if (len >= 2) {
		memcpy(&rest, at, 2);
		sum += rest;
		at += 2;
		len -= 2;
	}
	if (len) {
		rest = 0;
		memcpy(&rest, at, 1);
		sum += rest;
	}
	return sum;
}

uint16_t bo_wire_checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/** super_type() - what the virtio header says it is; false when it is nothing to be cut */
static bool super_type(const struct virtio_net_hdr *vnet, uint8_t version,
		       struct bo_wire_super *super)
{
	if (!vnet->gso_size || !(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return false;
	super->v6 = version == 6;
	switch (vnet->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return version == 4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return version == 6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		super->udp = true;
		return version == 4 || version == 6;
	}
	return false;
}

bool bo_wire_super_parse(const uint8_t *frame, size_t len, struct bo_wire_super *ret)
{
	struct bo_wire_super super = { 0 };
	struct virtio_net_hdr vnet;
	size_t l4_len = UDP_HEADER, payload;

	if (len < BO_WIRE_HDR_LEN + IP4_HEADER_MIN)
		return false;
	memcpy(&vnet, frame, sizeof(vnet));
	super.ip = frame + BO_WIRE_HDR_LEN;
	super.len = len - BO_WIRE_HDR_LEN;
	super.l4 = vnet.csum_start; /* behind IPv4 options and IPv6 extension headers alike */
	super.mss = vnet.gso_size;
	if (!super_type(&vnet, super.ip[0] >> 4, &super))
		return false;
	if (super.v6 ? super.l4 < IP6_HEADER
		     : (super.l4 != (super.ip[0] & 0xfu) * 4 || super.l4 < IP4_HEADER_MIN ||
			super.ip[IP4_PROTOCOL] != (super.udp ? IPPROTO_UDP : IPPROTO_TCP)))
		return false;
	if (super.l4 + (super.udp ? UDP_HEADER : TCP_HEADER_MIN) > super.len)
		return false;
	if (!super.udp)
		l4_len = (size_t)(super.ip[super.l4 + TCP_OFFSET] >> 4) * 4;
	super.header_len = super.l4 + l4_len;
	if ((!super.udp && l4_len < TCP_HEADER_MIN) || super.header_len >= super.len)
		return false;
	/* A segment must fit where the caller makes room for one, and into IPv4's 16 bits of
	 * length. */
	if (super.header_len + super.mss > 65535)
		return false;
	payload = super.len - super.header_len;
	super.count = (uint32_t)((payload + super.mss - 1) / super.mss);
	*ret = super;
	return true;
}

uint32_t bo_wire_packets(const uint8_t *frame, size_t len)
{
	struct bo_wire_super super;

	return bo_wire_super_parse(frame, len, &super) ? super.count : 1;
}

uint64_t bo_wire_pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol, size_t l4_bytes)
{
	uint32_t tail[2] = { htonl((uint32_t)l4_bytes), htonl(protocol) };

	return bo_wire_checksum(bo_wire_checksum(0, ip + (v6 ? IP6_ADDRESSES : IP4_ADDRESSES),
						 v6 ? 32 : 8),
				tail, sizeof(tail));
}

void bo_wire_ip_length(uint8_t *ip, bool v6, size_t l4, size_t bytes)
{
	uint16_t sum;

	if (v6) {
		bo_put16(ip + IP6_PAYLOAD_LEN, bytes - IP6_HEADER);
		return;
	}
	bo_put16(ip + IP4_TOTAL_LEN, bytes);
	bo_put16(ip + IP4_CHECKSUM, 0);
	sum = bo_wire_checksum_fold(bo_wire_checksum(0, ip, l4));
	memcpy(ip + IP4_CHECKSUM, &sum, sizeof(sum));
}

static void fix_ip(const struct bo_wire_super *super, uint32_t index, uint8_t *ip, size_t bytes)
{
	if (!super->v6)
		bo_put16(ip + IP4_ID, bo_get16(super->ip + IP4_ID) + index);
	bo_wire_ip_length(ip, super->v6, super->l4, bytes);
}

static void fix_tcp(const struct bo_wire_super *super, uint32_t index, uint8_t *tcp)
{
	bo_put32(tcp + TCP_SEQ, bo_get32(super->ip + super->l4 + TCP_SEQ) + index * super->mss);
	if (index > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (index + 1 < super->count)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

size_t bo_wire_super_segment(const struct bo_wire_super *super, uint32_t index, uint8_t *out)
{
	size_t offset = (size_t)index * super->mss;
	size_t left = super->len - super->header_len - offset;
	size_t payload = left < super->mss ? left : super->mss;
	size_t bytes = super->header_len + payload;
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .hdr_len = (uint16_t)super->header_len,
				       .csum_start = (uint16_t)super->l4,
				       .csum_offset = super->udp ? UDP_CHECKSUM : TCP_CHECKSUM };
	uint8_t *ip = out + BO_WIRE_HDR_LEN;
	uint8_t *l4 = ip + super->l4;
	uint16_t sum;

	memcpy(out, &vnet, sizeof(vnet));
	memcpy(ip, super->ip, super->header_len);
	memcpy(ip + super->header_len, super->ip + super->header_len + offset, payload);
	fix_ip(super, index, ip, bytes);
	if (super->udp)
		bo_put16(l4 + UDP_LEN, (uint16_t)(bytes - super->l4));
	else
		fix_tcp(super, index, l4);
	sum = (uint16_t)~bo_wire_checksum_fold(bo_wire_pseudo_sum(
		ip, super->v6, super->udp ? IPPROTO_UDP : IPPROTO_TCP, bytes - super->l4));
	memcpy(l4 + vnet.csum_offset, &sum, sizeof(sum));
	return BO_WIRE_HDR_LEN + bytes;
}
