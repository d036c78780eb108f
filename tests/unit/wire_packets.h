/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_packets.h — IP packets as a TUN device gives them, made and checked.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire-internal.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

/** struct made - a frame;  addresses end in the number of their end: 1 for a, 2 for b */
struct made {
	uint8_t data[BO_WIRE_HDR_LEN + 40 + 64 + 9000];
	size_t len;
};

/** struct spec - what is in it; @from: the end that sends it, 0 or 1 */
struct spec {
	int version; /* 4 (also when 0) or 6 */
	int protocol;
	int from;
	int host; /* third byte of both addresses: so many pairs of hosts */
	uint16_t source, target;
	uint32_t seq, ack;
	uint8_t flags;
	const void *payload;
	size_t payload_len;
	size_t tcp_options;
	uint16_t fragment; /* the field of IPv4: MF 0x2000 and offset / 8 */
	uint8_t icmp_type;
};

void make_packet(const struct spec *spec, struct made *ret);
/** checksums_are_right() - of IPv4 and TCP */
bool checksums_are_right(const uint8_t *frame, size_t len);
uint32_t tcp_seq(const struct bo_wire_packet *p);
uint32_t tcp_ack(const struct bo_wire_packet *p);
