/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_build.h — frames as a TUN device would hand them over, byte by byte.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct wire_frame - what to build
 * @protocol: IPPROTO_TCP, _UDP, _ICMP, _ICMPV6 or any other;  @from, @to: last octet of the address
 * @flags, @seq: of TCP;  @payload: bytes behind the transport header
 * @partial: leave the transport checksum to the device, as a kernel with checksum offload does
 * @fragment: offset of this fragment in units of 8 octets, 0: whole
 */
struct wire_frame {
	bool v6;
	uint8_t protocol;
	uint8_t from, to;
	uint16_t from_port, to_port;
	uint8_t flags;
	uint32_t seq;
	size_t payload;
	bool partial;
	uint16_t fragment;
};

/** wire_frame_build() - with virtio header; @out: room for 10 + 48 + 20 + payload;  Return: bytes */
size_t wire_frame_build(const struct wire_frame *f, uint8_t *out);
/** wire_frame_sum() - the receiver's view of the transport checksum: 0xffff when it is right */
uint32_t wire_frame_sum(const struct wire_frame *f, const uint8_t *frame, size_t len);
