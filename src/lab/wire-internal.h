/* SPDX-License-Identifier: Apache-2.0 */
/* lab/wire-internal.h — the parts of the userspace wire that stand on their own, so that each is
 * tested on its own: the due-time queue, the fate of packets, and the segmentation of
 * super-packets.
 * Owns: see each part.  Threads: none of its own (each belongs to one wire's thread).  Privilege:
 * none. */
#pragma once
#include <linux/virtio_net.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"
#include "wire_fate.h"
#include "wire_stamp.h"

/* Every read and write of the device carries the virtio header and one IP packet: at most 65535
 * bytes of IPv4, or 40 + 65535 of IPv6 (BIG TCP is off unless somebody raises gso_max_size). */
#define BO_WIRE_HDR_LEN sizeof(struct virtio_net_hdr)
#define BO_WIRE_FRAME_MAX (BO_WIRE_HDR_LEN + 40 + 65535)

/* --- queue ------------------------------------------------------------------------------------ */

#define BO_WIRE_CHUNK_BYTES ((size_t)1 << 20)
#define BO_WIRE_QUEUE_BYTES ((size_t)256 << 20)

/**
 * struct bo_wire_frame - one queued frame: virtio header and packet, as read from the device
 * @due_ns: CLOCK_MONOTONIC when it leaves, in any order
 * @seq, @chunk, @place: the queue's own
 * @len: bytes of @data;  @packets: how many packets it is worth (segments of a super-packet)
 */
struct bo_wire_frame {
	int64_t due_ns;
	uint64_t seq;
	struct bo_wire_chunk *chunk;
	uint32_t len;
	uint32_t packets;
	uint8_t place;
	/* The IP header begins on a 4-byte boundary behind the 10 bytes of the virtio header. */
	uint8_t pad[5];
	uint8_t data[];
};

struct bo_wire_chunk;
struct bo_wire_ref;

/**
 * struct bo_wire_queue - frames by due time, those of one time in the order in which they came;
 * zero-initialise and set @max_bytes
 * A frame is written in place (reserve, fill, commit) and read in place (head, pop).  Emptied
 * chunks are kept for reuse, so that a steady state allocates nothing; when the queue runs empty
 * all but a few go back.
 * @max_bytes: bound of the chunks, beyond which bo_wire_queue_reserve() says NULL; references to
 * frames take at most a quarter more
 * @frames, @packets: that wait;  the rest is the queue's own
 */
struct bo_wire_queue {
	struct bo_wire_chunk *head;
	struct bo_wire_chunk *tail;
	struct bo_wire_chunk *spare;
	size_t nchunks;
	size_t nspare;
	size_t max_bytes;
	size_t live_bytes;
	uint64_t frames;
	uint64_t packets;
	uint64_t seq;
	struct bo_wire_frame *fifo; /* the first of those that came in order of time */
	uint64_t nfifo;
	int64_t fifo_last_ns;
	uint64_t fifo_last_seq;
	struct bo_wire_ref *heap; /* the others */
	size_t nheap;
	size_t heap_room;
};

/** bo_wire_queue_reserve() - room for one frame of BO_WIRE_FRAME_MAX bytes, not yet queued; void
 * after the next pop, reserve, each or clear;  NULL when full */
struct bo_wire_frame *bo_wire_queue_reserve(struct bo_wire_queue *queue);
/** bo_wire_queue_commit() - queue the frame last reserved; its due_ns, len and packets are set */
void bo_wire_queue_commit(struct bo_wire_queue *queue, struct bo_wire_frame *frame);
/** bo_wire_queue_head() - the frame that is due first, or NULL */
struct bo_wire_frame *bo_wire_queue_head(const struct bo_wire_queue *queue);
/** bo_wire_queue_after() - the frame that leaves after @frame, if that is easily told, else NULL;
 * @frame: the head, or what this said about the one before it, and nothing was committed or popped
 * since */
struct bo_wire_frame *bo_wire_queue_after(const struct bo_wire_queue *queue,
					  struct bo_wire_frame *frame);
/** bo_wire_queue_pop() - away with the head */
void bo_wire_queue_pop(struct bo_wire_queue *queue);
/** bo_wire_queue_each() - call @fn on every frame, in the order in which they would leave; it may
 * change due_ns, and frames that thereby get the same time keep their order */
void bo_wire_queue_each(struct bo_wire_queue *queue,
			void (*fn)(struct bo_wire_frame *frame, void *arg), void *arg);
void bo_wire_queue_clear(struct bo_wire_queue *queue);
void bo_wire_queue_done(struct bo_wire_queue *queue);

/* --- packet ----------------------------------------------------------------------------------- */

/**
 * struct bo_wire_packet - an IP packet taken apart; points into its frame
 * @len: bytes of IP, without what a device may have padded
 * @version: 4, 6, or 0 when it is neither;  @source, @target: addresses of @addr_len bytes
 * @has_l4: what follows is valid: a first (or only) fragment whose transport header is whole
 * @l4, @payload: offsets from @ip;  @source_port, @target_port: host byte order, 0 unless TCP or UDP
 * @tcp_flags: the eight of RFC 9293 § 3.1
 * @more: other fragments of it follow, so that its payload goes on in them
 * @flow: [borrowed] where it is in the table, once somebody has looked (bo_wire_flows_meet()); NULL before
 */
struct bo_wire_packet {
	const uint8_t *ip;
	size_t len;
	uint8_t version;
	uint8_t protocol;
	uint8_t addr_len;
	const uint8_t *source;
	const uint8_t *target;
	bool has_l4;
	size_t l4;
	size_t payload;
	uint16_t source_port;
	uint16_t target_port;
	uint8_t tcp_flags;
	bool more;
	struct bo_wire_flow *flow;
};

/** bo_wire_packet_parse() - @frame: with its virtio header */
void bo_wire_packet_parse(const uint8_t *frame, size_t len, struct bo_wire_packet *ret);
/** bo_wire_packet_echo() - is it an ICMP echo, asked or answered?  @ret_id: its identifier */
bool bo_wire_packet_echo(const struct bo_wire_packet *packet, uint16_t *ret_id);

/* --- fate ------------------------------------------------------------------------------------- */

/* RULED: dropped by a rule on connections (wire_rules.h), before the line has numbered it */
enum bo_wire_fate {
	BO_WIRE_PASS,
	BO_WIRE_LOST,
	BO_WIRE_BLACKHOLED,
	BO_WIRE_OVERFLOWED,
	BO_WIRE_RULED,
};

/**
 * struct bo_wire_outcome - what becomes of a frame
 * @due_ns: when it leaves;  this and @corrupted, @ahead only for BO_WIRE_PASS
 * @corrupted: bit @bit of the packet is to be flipped (bo_wire_damage())
 * @ahead: sent at once, ahead of what is delayed
 * @copied: it goes twice; what becomes of the copy is in bo_wire_line.copy
 * @flow, @number: which packet of which flow this was (bo_wire_flow.id; from 0)
 */
struct bo_wire_outcome {
	enum bo_wire_fate fate;
	int64_t due_ns;
	bool corrupted;
	bool ahead;
	bool copied;
	uint32_t bit;
	uint64_t flow;
	uint64_t number;
};

/**
 * struct bo_wire_line - one direction as a piece of cable: its impairment and what it remembers
 * @key: of seed, link and direction
 * @flows: [borrowed] shared by both directions; NULL: all packets are of one flow, @alone
 * @epoch: counts changes of what has a memory
 * @table: [borrowed] of the distribution in force
 * @last_due_ns: of what keeps order
 * @copy: the outcome of the last copy
 */
struct bo_wire_line {
	struct bo_impair im;
	enum bo_dir dir;
	uint64_t key;
	struct bo_wire_flows *flows;
	struct bo_wire_memory alone;
	uint32_t epoch;
	const struct bo_dist_table *table;
	struct bo_wire_pace pace;
	uint64_t limit_packets;
	int64_t last_due_ns;
	struct bo_wire_outcome copy;
};

void bo_wire_line_init(struct bo_wire_line *line, uint64_t seed, uint64_t stream, enum bo_dir dir);
/**
 * bo_wire_line_next() - decide what becomes of the next @packets packets, which travel as one frame
 * @packet: the frame, or the packet that it is; a super-packet is its first
 * @queued_packets: how many wait or are under way already
 */
void bo_wire_line_next(struct bo_wire_line *line, int64_t now_ns,
		       const struct bo_wire_packet *packet, uint32_t packets,
		       uint64_t queued_packets, struct bo_wire_outcome *ret);
/** bo_wire_line_change() - put another impairment in force and re-time (or, on blackhole, drop)
 * what is queued: a frame keeps its time unless one sent now would be there sooner
 * @im: has passed bo_impair_check();  Return: packets dropped */
uint64_t bo_wire_line_change(struct bo_wire_line *line, const struct bo_impair *im, int64_t now_ns,
			     struct bo_wire_queue *queue);

/* --- segmentation ----------------------------------------------------------------------------- */

/* linux/virtio_net.h of Linux 6.2; older headers lack it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/**
 * struct bo_wire_super - a super-packet of TCP or UDP taken apart; points into the frame it was
 * parsed from
 * @l4: offset of the transport header;  @header_len: IP and transport headers with options;
 * @count: segments it becomes;  @mss: payload of each but the last
 */
struct bo_wire_super {
	const uint8_t *ip;
	size_t len;
	size_t l4;
	size_t header_len;
	uint16_t mss;
	uint32_t count;
	bool v6;
	bool udp;
};

/** bo_wire_packets() - how many packets a frame is worth on a real link; 1 unless it is a
 * super-packet */
uint32_t bo_wire_packets(const uint8_t *frame, size_t len);
/**
 * bo_wire_super_parse() - is the frame a well-formed super-packet?
 * Return: true and @ret; false when it is to be passed as it is
 */
bool bo_wire_super_parse(const uint8_t *frame, size_t len, struct bo_wire_super *ret);
/**
 * bo_wire_super_segment() - build segment @index (0 … count - 1) as a frame of its own
 * As the kernel hands over any small packet of its own, the transport checksum is that of the
 * pseudo-header and VIRTIO_NET_HDR_F_NEEDS_CSUM says so: whoever changes a byte must complete it
 * first.
 * @out: room for BO_WIRE_HDR_LEN + header_len + mss bytes
 * Return: bytes written
 */
size_t bo_wire_super_segment(const struct bo_wire_super *super, uint32_t index, uint8_t *out);

/* Segments in one super-packet: 64 KiB of the usual 1448 bytes, and some more. */
#define BO_WIRE_MERGE_MAX 64

/**
 * struct bo_wire_merge - consecutive segments on their way to become one super-packet again
 * @iov: headers of the super-packet, then the payload of each segment, in place
 * @frames, @bytes: segments taken so far, and their bytes as packets of their own
 * The rest is its own.
 */
struct bo_wire_merge {
	struct iovec iov[BO_WIRE_MERGE_MAX + 1];
	size_t frames;
	size_t bytes;
	const uint8_t *ip; /* of the first */
	size_t l4;
	size_t header_len;
	size_t mss;
	size_t payload;
	bool v6;
	bool udp;
	bool full;
	uint8_t header[BO_WIRE_HDR_LEN + 256];
};

/** bo_wire_merge_first() - begin with @frame; false when nothing may ever join it */
bool bo_wire_merge_first(struct bo_wire_merge *merge, const uint8_t *frame, size_t len);
/** bo_wire_merge_next() - join the frame that follows; false when it does not continue what is there
 */
bool bo_wire_merge_next(struct bo_wire_merge *merge, const uint8_t *frame, size_t len);
/** bo_wire_merge_finish() - make the headers those of the whole, which is at least two */
void bo_wire_merge_finish(struct bo_wire_merge *merge);

/** bo_wire_checksum() - Internet checksum (RFC 1071) over @len bytes, on top of @sum; not folded,
 * not inverted */
uint64_t bo_wire_checksum(uint64_t sum, const void *data, size_t len);
/** bo_wire_pseudo_sum() - of the pseudo-header (RFC 9293 § 3.1, RFC 8200 § 8.1), to go on from */
uint64_t bo_wire_pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol, size_t l4_bytes);
/** bo_wire_ip_length() - the packet at @ip is @bytes long from now on, its transport header at @l4; with IPv4 its header's
 * checksum is made anew */
void bo_wire_ip_length(uint8_t *ip, bool v6, size_t l4, size_t bytes);
/** bo_wire_checksum_fold() - as it goes into a header, network byte order */
uint16_t bo_wire_checksum_fold(uint64_t sum);

/* --- the way of a packet ---------------------------------------------------------------------- */

/** struct bo_wire_counters - written by the wire's thread alone, read by any */
struct bo_wire_counters {
	_Atomic uint64_t packets_in, bytes_in, packets_out, bytes_out, lost, blackholed, overflowed,
		refused, queued, duplicated, corrupted, reordered, ruled, injected, stamped;
};

/* One writer, so no read-modify-write is needed; relaxed is enough for statistics. */
static inline uint64_t bo_wire_counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void bo_wire_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, bo_wire_counted(counter) + n, memory_order_relaxed);
}

struct bo_record;
struct bo_replay;

/**
 * struct bo_wire_half - one direction; all but @counters, @record and @replay belongs to the thread
 * @record: who is told of each packet, or NULL;  @replay: where its fate is looked up, or NULL
 * @merges_udp: the receiving device takes super-packets of UDP
 * @hold: queue even what could be written at once, for a flush is near and may merge it
 * @stamper: of the sending device
 * @blocked: the receiving device takes no more for now;  @dead: one of the devices is gone
 * @rules: on connections, of both directions; NULL until there are some to come
 */
struct bo_wire_rules;
struct bo_wire_half {
	int in;
	int out;
	struct bo_wire_line line;
	struct bo_wire_queue queue;
	struct bo_wire_rules *rules;
	struct bo_wire_stamper stamper;
	bool merges_udp;
	bool hold;
	bool blocked;
	bool dead;
	struct bo_wire_counters counters;
	_Atomic(struct bo_record *) record;
	_Atomic(struct bo_replay *) replay;
};

/** bo_wire_pass() - a frame that has been read into @room of the queue, or into a scratch buffer
 * when @room is NULL */
void bo_wire_pass(struct bo_wire_half *half, struct bo_wire_frame *room, uint8_t *data, size_t len);
/** bo_wire_split() - the same for a frame whose packets have fates of their own */
void bo_wire_split(struct bo_wire_half *half, const uint8_t *data, size_t len);
/** bo_wire_flush() - write what is due, at most a batch */
void bo_wire_flush(struct bo_wire_half *half, int64_t now_ns);
