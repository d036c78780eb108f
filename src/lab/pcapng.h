/* SPDX-License-Identifier: Apache-2.0 */
/* lab/pcapng.h — write and read captures with a comment per packet, as draft-ietf-opsawg-pcapng has them.
 * Ours, because no library of Debian 12 writes comments: libpcap writes pcap, which has none, and libwiretap has no
 * stable interface.
 * Owns: nothing.  Threads: one per file.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_LINKTYPE_RAW 101 /* IP without a link layer; its version tells which */
#define PCAPNG_COMMENT_MAX 256

/** struct pcapng_out - @bytes: written so far;  a failing write sticks in @file (ferror) */
struct pcapng_out {
	FILE *file; /* [borrowed] */
	uint64_t bytes;
};

/** enum pcapng_way - epb_flags: seen from the first end of the link */
enum pcapng_way { PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

/**
 * struct pcapng_packet - one Enhanced Packet Block
 * @unix_ns: when it was seen;  @missed: packets of this interface before it that are not in the file
 * @data, @cap_len: what was kept of @len bytes
 * @comment: NUL-terminated UTF-8, or NULL
 */
struct pcapng_packet {
	uint32_t interface;
	int64_t unix_ns;
	enum pcapng_way way;
	uint64_t missed;
	const uint8_t *data;
	uint32_t cap_len;
	uint32_t len;
	const char *comment;
};

/** pcapng_put_section() - first;  then one interface after the other, counted from 0 */
void pcapng_put_section(struct pcapng_out *out, const char *application, const char *comment);
void pcapng_put_interface(struct pcapng_out *out, const char *name, const char *description,
			  uint32_t snaplen);
void pcapng_put_packet(struct pcapng_out *out, const struct pcapng_packet *packet);
/** pcapng_put_statistics() - @received: packets seen;  @missed: of those, not in the file */
void pcapng_put_statistics(struct pcapng_out *out, uint32_t interface, int64_t unix_ns,
			   uint64_t received, uint64_t missed);

/** pcapng_packet_fn - a packet with a comment;  @comment: NUL-terminated, at most PCAPNG_COMMENT_MAX bytes */
typedef void (*pcapng_packet_fn)(void *arg, uint32_t interface, const char *comment);
/**
 * pcapng_read() - every packet of a file in this machine's byte order, oldest first
 * @ret_cut: the file ends within a block
 * @ret_why: what is wrong with it
 * Return: false when it is no such file, or damaged
 */
bool pcapng_read(const uint8_t *data, size_t len, pcapng_packet_fn fn, void *arg, bool *ret_cut,
		 const char **ret_why);
