/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_super.c — see the header. */
#include "wire_super.h"

#include <linux/virtio_net.h>
#include <string.h>

size_t wire_super_tcp(uint8_t *frame, bool v6, size_t payload, uint8_t flags)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6
						      : VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = WIRE_SUPER_MSS,
				       .csum_start = v6 ? 40 : 24,
				       .csum_offset = 16 };
	size_t l4 = vnet.csum_start, header = l4 + 20 + WIRE_TCP_OPTIONS, total = header + payload;
	uint8_t *ip = frame + sizeof(vnet), *tcp = ip + l4;

	vnet.hdr_len = (uint16_t)header;
	memset(frame, 0, sizeof(vnet) + header);
	memcpy(frame, &vnet, sizeof(vnet));
	if (v6) {
		ip[0] = 0x60;
		ip[4] = (uint8_t)((total - 40) >> 8);
		ip[5] = (uint8_t)(total - 40);
		ip[6] = 6;
		ip[7] = 64;
		for (int i = 8; i < 40; i++)
			ip[i] = (uint8_t)(i * 7);
	} else {
		ip[0] = 0x46; /* 24 bytes of header: 4 of options (no-operation) */
		ip[2] = (uint8_t)(total >> 8);
		ip[3] = (uint8_t)total;
		ip[4] = 0xff; /* identification 0xfffe: it wraps at the third segment */
		ip[5] = 0xfe;
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = 6;
		memcpy(ip + 12, "\x0a\x63\x00\x01\x0a\x63\x00\x02", 8);
		memset(ip + 20, 1, 4);
	}
	memcpy(tcp, "\x30\x39\xd4\x31", 4);
	memcpy(tcp + 4, "\xff\xff\xfe\x00", 4); /* the sequence number wraps as well */
	memcpy(tcp + 8, "\x01\x02\x03\x04", 4);
	tcp[12] = (uint8_t)((20 + WIRE_TCP_OPTIONS) / 4 << 4);
	tcp[13] = flags;
	tcp[14] = 0x20;
	memcpy(tcp + 20, "\x01\x01\x08\x0a\xde\xad\xbe\xef\xca\xfe\xba\xbe", WIRE_TCP_OPTIONS);
	for (size_t i = 0; i < payload; i++)
		ip[header + i] = (uint8_t)(i * 31 + i / 256);
	return sizeof(vnet) + total;
}

size_t wire_super_udp(uint8_t *frame, bool v6, size_t payload)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = 5, /* VIRTIO_NET_HDR_GSO_UDP_L4 */
				       .gso_size = WIRE_SUPER_MSS,
				       .csum_start = v6 ? 40 : 24,
				       .csum_offset = 6 };
	size_t l4 = vnet.csum_start, header = l4 + 8, total = header + payload;
	size_t n = wire_super_tcp(frame, v6, payload, 0);
	uint8_t *ip = frame + sizeof(vnet);

	/* The same IP header, with another transport header behind it. */
	memmove(ip + header, ip + n - sizeof(vnet) - payload, payload);
	vnet.hdr_len = (uint16_t)header;
	memcpy(frame, &vnet, sizeof(vnet));
	ip[v6 ? 6 : 9] = 17;
	ip[v6 ? 4 : 2] = (uint8_t)((v6 ? total - 40 : total) >> 8);
	ip[v6 ? 5 : 3] = (uint8_t)(v6 ? total - 40 : total);
	memcpy(ip + l4, "\x30\x39\xd4\x31", 4);
	ip[l4 + 4] = (uint8_t)((total - l4) >> 8);
	ip[l4 + 5] = (uint8_t)(total - l4);
	memset(ip + l4 + 6, 0, 2);
	return sizeof(vnet) + total;
}
