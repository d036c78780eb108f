/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_merge.c — make consecutive segments one super-packet again on the way out, as a network
 * card's receive offload does (GRO).
 *
 * Cut packets that have all survived, are in order and are due together cost one write, and one walk
 * through the receiving kernel, instead of dozens.  What may join is what cutting the whole would
 * give back bit for bit: the headers are the same but for what cutting changes (length,
 * identification, sequence number, checksums), each continues the one before it, all but the last
 * have the same size, and only the last has PSH or FIN.  A checksum that is complete is never
 * touched: it may be wrong on purpose, so only those that are still to be made are merged
 * (VIRTIO_NET_HDR_F_NEEDS_CSUM).
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <netinet/in.h>
#include <string.h>

#include "wire-internal.h"
#include "wire_bytes.h"

enum { IP_LEN_MAX = 65535 };
#define IP4_MORE_OR_OFFSET 0x3fff

/** struct segment - a frame that may be part of a super-packet */
struct segment {
	const uint8_t *ip;
	size_t len;
	size_t l4;
	size_t header_len;
	size_t payload;
	uint8_t flags;
	bool v6;
	bool udp;
};

static bool parse_ip(struct segment *s)
{
	if (s->ip[0] >> 4 == 4) {
		s->udp = s->ip[IP4_PROTOCOL] == IPPROTO_UDP;
		return s->l4 == (s->ip[0] & 0xfu) * 4u && s->l4 >= IP4_HEADER_MIN &&
		       bo_get16(s->ip + IP4_TOTAL_LEN) == s->len &&
		       !(bo_get16(s->ip + IP4_FRAGMENT) & IP4_MORE_OR_OFFSET) &&
		       (s->udp || s->ip[IP4_PROTOCOL] == IPPROTO_TCP);
	}
	/* With extension headers it is left alone. */
	s->v6 = true;
	s->udp = s->ip[IP6_NEXT] == IPPROTO_UDP;
	return s->ip[0] >> 4 == 6 && s->l4 == IP6_HEADER && s->len >= IP6_HEADER &&
	       bo_get16(s->ip + IP6_PAYLOAD_LEN) == s->len - IP6_HEADER &&
	       (s->udp || s->ip[IP6_NEXT] == IPPROTO_TCP);
}

/** segment_parse() - false when it is to travel on its own */
static bool segment_parse(const uint8_t *frame, size_t len, struct segment *s)
{
	struct virtio_net_hdr vnet;

	if (len < BO_WIRE_HDR_LEN + IP4_HEADER_MIN + UDP_HEADER)
		return false;
	memcpy(&vnet, frame, sizeof(vnet));
	if (vnet.flags != VIRTIO_NET_HDR_F_NEEDS_CSUM || vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	*s = (struct segment){ .ip = frame + BO_WIRE_HDR_LEN,
			       .len = len - BO_WIRE_HDR_LEN,
			       .l4 = vnet.csum_start };
	if (!parse_ip(s) || vnet.csum_offset != (s->udp ? UDP_CHECKSUM : TCP_CHECKSUM) ||
	    s->l4 + (s->udp ? UDP_HEADER : TCP_HEADER_MIN) > s->len)
		return false;
	if (s->udp) {
		s->header_len = s->l4 + UDP_HEADER;
		if (bo_get16(s->ip + s->l4 + UDP_LEN) != s->len - s->l4)
			return false;
	} else {
		size_t tcp_len = (size_t)(s->ip[s->l4 + TCP_OFFSET] >> 4) * 4;

		s->flags = s->ip[s->l4 + TCP_FLAGS];
		s->header_len = s->l4 + tcp_len;
		if (tcp_len < TCP_HEADER_MIN || (s->flags & ~(TCP_PSH | TCP_FIN)) != TCP_ACK)
			return false;
	}
	if (s->header_len >= s->len ||
	    s->header_len > sizeof(((struct bo_wire_merge *)0)->header) - BO_WIRE_HDR_LEN)
		return false;
	s->payload = s->len - s->header_len;
	return true;
}

static void take(struct bo_wire_merge *merge, const struct segment *s)
{
	/* writev(2) only reads it, but struct iovec knows no const. */
	merge->iov[++merge->frames] = (struct iovec){
		.iov_base = (uint8_t *)(uintptr_t)(s->ip + s->header_len), .iov_len = s->payload
	};
	merge->bytes += s->len;
	merge->payload += s->payload;
	merge->full = s->payload < merge->mss || s->flags & (TCP_PSH | TCP_FIN) ||
		      merge->frames == BO_WIRE_MERGE_MAX;
}

bool bo_wire_merge_first(struct bo_wire_merge *merge, const uint8_t *frame, size_t len)
{
	struct segment s;

	if (!segment_parse(frame, len, &s))
		return false;
	merge->frames = 0;
	merge->bytes = 0;
	merge->payload = 0;
	merge->ip = s.ip;
	merge->l4 = s.l4;
	merge->header_len = s.header_len;
	merge->mss = s.payload;
	merge->v6 = s.v6;
	merge->udp = s.udp;
	take(merge, &s);
	return !merge->full;
}

/** same_ip() - but for length, checksum, and an identification that counts on */
static bool same_ip(const struct bo_wire_merge *merge, const uint8_t *ip)
{
	const uint8_t *first = merge->ip;

	if (merge->v6)
		return !memcmp(ip, first, IP6_PAYLOAD_LEN) &&
		       !memcmp(ip + IP6_NEXT, first + IP6_NEXT, IP6_HEADER - IP6_NEXT);
	return !memcmp(ip, first, IP4_TOTAL_LEN) &&
	       bo_get16(ip + IP4_ID) == (uint16_t)(bo_get16(first + IP4_ID) + merge->frames) &&
	       !memcmp(ip + IP4_FRAGMENT, first + IP4_FRAGMENT, IP4_CHECKSUM - IP4_FRAGMENT) &&
	       !memcmp(ip + IP4_CHECKSUM + 2, first + IP4_CHECKSUM + 2,
		       merge->l4 - IP4_CHECKSUM - 2);
}

static bool same_tcp(const struct bo_wire_merge *merge, const uint8_t *tcp)
{
	const uint8_t *first = merge->ip + merge->l4;

	return !memcmp(tcp, first, TCP_SEQ) &&
	       bo_get32(tcp + TCP_SEQ) == bo_get32(first + TCP_SEQ) + (uint32_t)merge->payload &&
	       !memcmp(tcp + TCP_ACK_NUMBER, first + TCP_ACK_NUMBER, TCP_FLAGS - TCP_ACK_NUMBER) &&
	       !memcmp(tcp + TCP_WINDOW, first + TCP_WINDOW, TCP_CHECKSUM - TCP_WINDOW) &&
	       !memcmp(tcp + TCP_URGENT, first + TCP_URGENT,
		       merge->header_len - merge->l4 - TCP_URGENT);
}

bool bo_wire_merge_next(struct bo_wire_merge *merge, const uint8_t *frame, size_t len)
{
	struct segment s;

	if (merge->full || !segment_parse(frame, len, &s) || s.v6 != merge->v6 ||
	    s.udp != merge->udp || s.l4 != merge->l4 || s.header_len != merge->header_len ||
	    s.payload > merge->mss || merge->header_len + merge->payload + s.payload > IP_LEN_MAX)
		return false;
	if (!same_ip(merge, s.ip))
		return false;
	if (merge->udp ? memcmp(s.ip + s.l4, merge->ip + s.l4, UDP_LEN) != 0
		       : !same_tcp(merge, s.ip + s.l4))
		return false;
	take(merge, &s);
	return true;
}

void bo_wire_merge_finish(struct bo_wire_merge *merge)
{
	struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = merge->udp  ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : merge->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
					: VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)merge->header_len,
		.gso_size = (uint16_t)merge->mss,
		.csum_start = (uint16_t)merge->l4,
		.csum_offset = merge->udp ? UDP_CHECKSUM : TCP_CHECKSUM,
	};
	size_t bytes = merge->header_len + merge->payload;
	const struct iovec *last = &merge->iov[merge->frames];
	uint8_t *ip = merge->header + BO_WIRE_HDR_LEN, *l4 = ip + merge->l4;
	uint16_t sum;

	memcpy(merge->header, &vnet, sizeof(vnet));
	memcpy(ip, merge->ip, merge->header_len);
	bo_wire_ip_length(ip, merge->v6, merge->l4, bytes);
	if (merge->udp)
		bo_put16(l4 + UDP_LEN, bytes - merge->l4);
	else
		l4[TCP_FLAGS] = ((const uint8_t *)last->iov_base -
				 (merge->header_len - merge->l4))[TCP_FLAGS];
	sum = (uint16_t)~bo_wire_checksum_fold(bo_wire_pseudo_sum(
		ip, merge->v6, merge->udp ? IPPROTO_UDP : IPPROTO_TCP, bytes - merge->l4));
	memcpy(l4 + vnet.csum_offset, &sum, sizeof(sum));
	merge->iov[0] = (struct iovec){ merge->header, BO_WIRE_HDR_LEN + merge->header_len };
}
