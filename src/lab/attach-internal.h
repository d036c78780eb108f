/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach-internal.h — the parts of an attachment.
 * Owns: see each part.  Threads: single-threaded.  Privilege: CAP_NET_ADMIN in the service's namespace. */
#pragma once
#include "brownout/lab/attach.h"
#include "brownout/sys/nfqueue.h"
#include "brownout/sys/nftables.h"
#include "wire-internal.h"

#define BO_ATTACH_LANES_MAX (BO_ATTACH_PEERS_MAX * BO_DIR_COUNT)
#define BO_ATTACH_RECORDS (1u << 16)

/* --- journal ---------------------------------------------------------------------------------- */

/**
 * struct bo_attach_journal - what is to be taken back, as a file that is locked for as long as its owner lives
 * @table: of nftables, "" none;  @ifindex: with our qdisc, 0 none;  @stopped: the main process is stopped by us
 */
struct bo_attach_journal {
	int fd;
	char path[128];
	uint64_t netns_dev, netns_ino;
	char netns[256];
	struct bo_process_id process;
	char table[BO_NFT_TABLE_MAX + 1];
	int32_t ifindex;
	int32_t stopped;
};

/** bo_attach_journal_open() - make the file (and its folder), locked;  @journal: identity of the service is filled in */
BO_NODISCARD int bo_attach_journal_open(struct bo_attach_journal *journal, struct bo_err *err);
/** bo_attach_journal_write() - what is to be undone from now on; before it is done */
BO_NODISCARD int bo_attach_journal_write(const struct bo_attach_journal *journal,
					 struct bo_err *err);
/** bo_attach_journal_close() - everything has been taken back: the file goes; a journal that is not open is fine */
void bo_attach_journal_close(struct bo_attach_journal *journal);
/** bo_attach_journal_read() - false when it is none of ours, or was cut short before anything was done */
bool bo_attach_journal_read(int fd, struct bo_attach_journal *ret);

/* --- records: what became of packets ----------------------------------------------------------- */

enum { BO_ATTACH_PENDING = -1, BO_ATTACH_LOST = -2 };

/** struct bo_attach_record - @held_ns: or one of the above;  @copies: beyond the first;  @damaged: how many of all had a
 * bit flipped */
struct bo_attach_record {
	int64_t at_ns;
	int64_t held_ns;
	uint32_t bytes;
	uint32_t id;
	uint16_t copies;
	uint16_t damaged;
};
/** struct bo_attach_records - the last BO_ATTACH_RECORDS of a lane; @count: ever made */
struct bo_attach_records {
	struct bo_attach_record *ring; /* [owned], NULL until the first */
	uint64_t count;
};
BO_NODISCARD int bo_attach_record_add(struct bo_attach_records *records, int64_t at_ns, uint32_t id,
				      uint32_t bytes, uint32_t *ret_index);
void bo_attach_record_end(struct bo_attach_records *records, uint32_t index, uint32_t id,
			  int64_t held_ns);
/** bo_attach_record_damage(), bo_attach_record_copy() - of one that was, or will be, let go */
void bo_attach_record_damage(struct bo_attach_records *records, uint32_t index, uint32_t id);
void bo_attach_record_copy(struct bo_attach_records *records, uint32_t index, uint32_t id);
/** bo_attach_records_samples() - those that came in [@from_ns, @to_ns) as if they were probes;  @ret: [out, owned]
 * Return: 0; -ENODATA: the oldest of them are gone */
BO_NODISCARD int bo_attach_records_samples(const struct bo_attach_records *records, int64_t from_ns,
					   int64_t to_ns, struct bo_link_samples *ret,
					   struct bo_err *err);
void bo_attach_records_done(struct bo_attach_records *records);

/* --- the queue driver --------------------------------------------------------------------------- */

/**
 * struct bo_attach_lane - one direction of a peer
 * @flow: its rule, there while @on
 * @next_id: of the next packet, to see those that the kernel let by;  0 before the first
 */
struct bo_attach_lane {
	struct bo_nft_flow flow;
	bool on;
	uint32_t next_id;
	uint64_t bypassed;
	struct bo_wire_line line;
	struct bo_wire_queue held;
	struct bo_attach_records records;
	struct bo_attach_queue *of;
};

struct bo_attach_queue {
	struct nl_sock *nft;
	struct bo_nfq *nfq;
	char table[BO_NFT_TABLE_MAX + 1];
	uint16_t first; /* number of lane 0's queue */
	bool up;
	size_t nlanes;
	struct bo_attach_lane lanes[BO_ATTACH_LANES_MAX];
};

/** bo_attach_queue_init() - sockets of the *current* namespace; changes nothing in it */
BO_NODISCARD int bo_attach_queue_init(struct bo_attach_queue *q, const struct bo_attach_conf *conf,
				      const char *table, struct bo_err *err);
/** bo_attach_queue_done() - bo_attach_queue_down(), and free */
void bo_attach_queue_done(struct bo_attach_queue *q);
/** bo_attach_queue_impair() - replace the impairment of one lane; the table comes with the first and goes with the last */
BO_NODISCARD int bo_attach_queue_impair(struct bo_attach_queue *q, size_t lane,
					const struct bo_impair *im, struct bo_err *err);
/** bo_attach_queue_down() - every lane unimpaired, every packet let go, table removed; harmless when it is so already */
BO_NODISCARD int bo_attach_queue_down(struct bo_attach_queue *q, struct bo_err *err);
/** bo_attach_queue_work() - judge what has come, let go what is due;  Return: 0, or -errno when the queue is lost */
BO_NODISCARD int bo_attach_queue_work(struct bo_attach_queue *q, struct bo_err *err);
/** bo_attach_queue_due() - when the next packet is due (CLOCK_MONOTONIC), INT64_MAX when none is held */
int64_t bo_attach_queue_due(const struct bo_attach_queue *q);
