/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/record.h — what became of each packet of a wire, as a capture file: pcapng, a packet per block, its fate
 * in the block's comment.
 * Owns: the file, a ring, the thread that empties it.  Threads: one; the wire puts packets into the ring and never waits.
 * Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/impair.h"

#define BO_RECORD_SNAPLEN 256               /* default */
#define BO_RECORD_LIMIT (INT64_C(64) << 20) /* default */

struct bo_record;

/**
 * struct bo_record_conf - what to record and where to
 * @fd: [consumed] the file
 * @a, @b: names of the link's ends, [borrowed: until return]
 * @seed: of the run, for the file's comment
 * @snaplen: bytes kept of each packet, 40 … 65575;  @limit_bytes: of the file; nothing more is written beyond it
 */
struct bo_record_conf {
	int fd;
	const char *a;
	const char *b;
	uint64_t seed;
	uint32_t snaplen;
	int64_t limit_bytes;
};

/**
 * struct bo_record_stats - @seen: packets that the wire judged;  @written: of those, in the file
 * @missed: not in it because the disk could not keep up;  @beyond: not in it because it was full, or writing failed
 * @full: the limit was reached;  @write_errno: why writing ended, or 0
 */
struct bo_record_stats {
	uint64_t seen, written, missed, beyond;
	int64_t bytes;
	bool full;
	int write_errno;
};

/** bo_record_new() - write the file's head and start the thread */
BO_NODISCARD int bo_record_new(struct bo_record **ret, const struct bo_record_conf *conf,
			       struct bo_err *err);
/** bo_record_finish() - write what is still in the ring and close the file; the wire must have ended.  Idempotent */
void bo_record_finish(struct bo_record *record);
/** bo_record_stats() - exact once it is finished */
void bo_record_stats(struct bo_record *record, struct bo_record_stats *ret);
void bo_record_free(struct bo_record *record);
