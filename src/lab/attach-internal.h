/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach-internal.h — the parts of an attachment.
 * Owns: see each part.  Threads: single-threaded.  Privilege: CAP_NET_ADMIN in the service's namespace. */
#pragma once
#include "brownout/lab/attach.h"
#include "brownout/sys/divert.h"
#include "brownout/sys/nfqueue.h"
#include "brownout/sys/nftables.h"
#include "wire-internal.h"

#define BO_ATTACH_LANES_MAX (BO_ATTACH_PEERS_MAX * BO_DIR_COUNT)
#define BO_ATTACH_HOLDS 2
#define BO_ATTACH_RECORDS (1u << 16)

/* --- journal ---------------------------------------------------------------------------------- */

/**
 * struct bo_attach_journal - what is to be taken back, as a file that is locked for as long as its owner lives
 * @table: of nftables, "" none;  @ifb: name of our device, "" none;  @device: with our clsact, 0 none
 * @stopped: the main process is stopped by us
 */
struct bo_attach_journal {
	int fd;
	char path[128];
	uint64_t netns_dev, netns_ino;
	char netns[256];
	struct bo_process_id process;
	char table[BO_NFT_TABLE_MAX + 1];
	char ifb[BO_DIVERT_NAME_MAX + 1];
	int32_t device;
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
/** bo_attach_journal_undo() - take back what the journal at @path says, of a dead owner, from within the service's
 * namespace, and remove it;  no journal, or one whose owner lives, is fine */
void bo_attach_journal_undo(const char *path);
/** bo_attach_journal_path() - of the journal that names @table */
void bo_attach_journal_path(const char *table, char *ret, size_t size);

/* --- the warden ---------------------------------------------------------------------------------- */

/**
 * struct bo_attach_warden - a process that takes everything back when the attachment cannot: it was killed, or stopped
 * for longer than its faults may last.  A child of the attachment's in the service's namespace; it owns nothing that is
 * in force, and is asleep.
 */
struct bo_attach_warden {
	int pidfd; /* [owned] */
	int pipe;  /* [owned] its end tells the warden that the attachment is dead */
};
/** bo_attach_warden_start() - @table: names the journal;  all descriptors but its own are closed in the child */
BO_NODISCARD int bo_attach_warden_start(struct bo_attach_warden *ret, const char *table,
					struct bo_err *err);
/** bo_attach_warden_tell() - faults in force end at @expires_ns at the latest;  INT64_MAX: none is in force */
void bo_attach_warden_tell(const struct bo_attach_warden *warden, int64_t expires_ns);
/** bo_attach_warden_end() - and wait for it; it takes back what is in the journal still */
void bo_attach_warden_end(struct bo_attach_warden *warden);

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
/** struct bo_attach_records - the last BO_ATTACH_RECORDS of a lane; @count: ever made;  @expired: of those, seen by
 * bo_attach_records_expire() */
struct bo_attach_records {
	struct bo_attach_record *ring; /* [owned], NULL until the first */
	uint64_t count;
	uint64_t expired;
};
BO_NODISCARD int bo_attach_record_add(struct bo_attach_records *records, int64_t at_ns, uint32_t id,
				      uint32_t bytes, uint32_t *ret_index);
/** bo_attach_record_end() - Return: false when that was known before, or is too long ago */
bool bo_attach_record_end(struct bo_attach_records *records, uint32_t index, uint32_t id,
			  int64_t held_ns);
/** bo_attach_records_expire() - what came before @before_ns and has no end is lost */
void bo_attach_records_expire(struct bo_attach_records *records, int64_t before_ns);
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

/** struct bo_attach_queue - @lanes: those of peers, then two (IPv4, IPv6) that hold whatever leaves by a device */
struct bo_attach_queue {
	struct nl_sock *nft;
	struct bo_nfq *nfq;
	char table[BO_NFT_TABLE_MAX + 1];
	uint16_t first; /* number of lane 0's queue */
	bool up;
	size_t nlanes;
	struct bo_attach_lane lanes[BO_ATTACH_LANES_MAX + BO_ATTACH_HOLDS];
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
/** bo_attach_queue_hold() - all that the namespace sends by @device from now on waits, until bo_attach_queue_release(),
 * which lets it go in order.  What was sent before is on its way already.  Packets that are forwarded, and others than
 * IP, do not wait;  -ENOTSUP: the kernel has no such queue */
BO_NODISCARD int bo_attach_queue_hold(struct bo_attach_queue *q, const char *device,
				      struct bo_err *err);
BO_NODISCARD int bo_attach_queue_release(struct bo_attach_queue *q, struct bo_err *err);
/** bo_attach_queue_due() - when the next packet is due (CLOCK_MONOTONIC), INT64_MAX when none is held */
int64_t bo_attach_queue_due(const struct bo_attach_queue *q);

/* --- probes through netem ------------------------------------------------------------------------ */

/** struct bo_attach_probe - @id: of the last one sent */
struct bo_attach_probe {
	int tx, rx; /* [owned] */
	int ifb;
	uint32_t id;
};
/** bo_attach_probe_fn - the records of lane @lane, NULL: there is no such lane */
typedef struct bo_attach_records *(*bo_attach_probe_fn)(void *arg, int lane);
BO_NODISCARD int bo_attach_probe_open(struct bo_attach_probe *p, struct bo_err *err);
void bo_attach_probe_close(struct bo_attach_probe *p);
BO_NODISCARD int bo_attach_probe_listen(struct bo_attach_probe *p, int ifb, struct bo_err *err);
/** bo_attach_probe_send() - one into @band;  what becomes of it is in @records, those of @lane */
BO_NODISCARD int bo_attach_probe_send(struct bo_attach_probe *p, int lane, int band,
				      struct bo_attach_records *records);
/** bo_attach_probe_work() - note the ends of those that have come through */
void bo_attach_probe_work(struct bo_attach_probe *p, bo_attach_probe_fn records_of, void *arg);

/* --- the netem driver ----------------------------------------------------------------------------- */

/**
 * struct bo_attach_netem_lane - one direction of a peer
 * @band: of the ifb's prio, -1 none;  @on: packets are sent there;  off, with a band: what is held leaves
 * @held_at_most_ns: a packet that goes there now;  @held_until_ns: by when a lane that is off has let go of all
 * @probes: sent through this band;  @service: other packets that went through
 */
struct bo_attach_netem_lane {
	int band;
	bool on;
	int64_t held_at_most_ns, held_until_ns;
	int64_t probe_ns; /* when the next probe is due */
	uint64_t probes, service;
	struct bo_attach_records records;
};

struct bo_attach_netem {
	const struct bo_attach_conf *conf;
	struct bo_attach_queue *queue; /* [borrowed] to hold packets back for a moment */
	struct nl_sock *rtnl;
	struct bo_attach_probe probe;
	char name[BO_DIVERT_NAME_MAX + 1];
	int ifb;
	int device; /* what the peers are behind, once it is known */
	int mtu;
	bool up;
	size_t nlanes;
	struct bo_attach_netem_lane lanes[BO_ATTACH_LANES_MAX];
};

/** bo_attach_netem_cannot() - why no netem of a running service does @im, or NULL */
const char *bo_attach_netem_cannot(const struct bo_impair *im);
/** bo_attach_netem_init() - sockets of the *current* namespace; changes nothing in it;  @name: of the ifb
 * It lasts as long as its process: there is nothing to free before that ends */
BO_NODISCARD int bo_attach_netem_init(struct bo_attach_netem *n, const struct bo_attach_conf *conf,
				      struct bo_attach_queue *queue, const char *name,
				      struct bo_err *err);
/** bo_attach_netem_prepare() - which device, and can it be done there?  @n->device is known then, for the journal
 * -EBUSY, -ENOENT, -ENODEV: with the reason */
BO_NODISCARD int bo_attach_netem_prepare(struct bo_attach_netem *n, size_t lane,
					 struct bo_err *err);
/** bo_attach_netem_impair() - replace the impairment of one lane, after bo_attach_netem_prepare() */
BO_NODISCARD int bo_attach_netem_impair(struct bo_attach_netem *n, size_t lane,
					const struct bo_impair *im, struct bo_err *err);
/** bo_attach_netem_down() - every lane off, wait for what is held (5.5 s at most), and take all away */
BO_NODISCARD int bo_attach_netem_down(struct bo_attach_netem *n, struct bo_err *err);
/** bo_attach_netem_work() - probes; lanes that have let go of all go, and with the last one everything */
BO_NODISCARD int bo_attach_netem_work(struct bo_attach_netem *n, struct bo_err *err);
/** bo_attach_netem_due() - when there is work again (CLOCK_MONOTONIC), INT64_MAX never */
int64_t bo_attach_netem_due(const struct bo_attach_netem *n);
/** bo_attach_netem_samples() - of probes that were sent in [@from_ns, @to_ns)
 * -ENODATA: hardly any packet of the service went there */
BO_NODISCARD int bo_attach_netem_samples(struct bo_attach_netem *n, size_t lane, int64_t from_ns,
					 int64_t to_ns, struct bo_link_samples *ret,
					 struct bo_err *err);
