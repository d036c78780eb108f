/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire_bytes.h — where fields are in IP, TCP and UDP headers, and their numbers in network byte order.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Offsets and sizes in bytes: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792. */
enum {
	IP4_TOS = 1,
	IP4_TOTAL_LEN = 2,
	IP4_ID = 4,
	IP4_FRAGMENT = 6, /* flags and offset */
	IP4_TTL = 8,
	IP4_PROTOCOL = 9,
	IP4_CHECKSUM = 10,
	IP4_ADDRESSES = 12, /* source, target */
	IP4_HEADER_MIN = 20,
	IP6_PAYLOAD_LEN = 4,
	IP6_NEXT = 6,
	IP6_HOPS = 7,
	IP6_ADDRESSES = 8,
	IP6_HEADER = 40,
	TCP_SEQ = 4,
	TCP_ACK_NUMBER = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_CHECKSUM = 16,
	TCP_URGENT = 18,
	TCP_HEADER_MIN = 20,
	UDP_LEN = 4,
	UDP_CHECKSUM = 6,
	UDP_HEADER = 8,
	ICMP_CODE = 1,
	ICMP_CHECKSUM = 2,
	ICMP_ID = 4,
	ICMP_HEADER = 8,
};

/* Types of RFC 792 and RFC 4443. */
enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO = 8,
	ICMP6_UNREACHABLE = 1,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
};

/* The octet at TCP_FLAGS: RFC 9293 § 3.1. */
enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_CWR = 0x80,
};

static inline uint16_t bo_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t bo_get32(const uint8_t *at)
{
	return (uint32_t)bo_get16(at) << 16 | bo_get16(at + 2);
}

static inline void bo_put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void bo_put32(uint8_t *at, uint32_t value)
{
	bo_put16(at, value >> 16);
	bo_put16(at + 2, value);
}
