/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/replay.h — the fates of an earlier run's packets, read back from its recording of a link.
 * Owns: the table.  Threads: read-only once loaded, but for its counters, which are the wire's.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"

struct bo_replay;

/** struct bo_replay_stats - @hits: packets that had the fate of the record;  @misses: that would have, and are not in it
 * @packets: in the record;  @cut: the record ends in the middle of a block, as when a run was killed */
struct bo_replay_stats {
	uint64_t hits, misses, packets;
	bool cut;
};

/**
 * bo_replay_load() - @fd: [borrowed: until return] a file as bo_record_new() wrote it;  @name: for messages
 * Return: 0; -EINVAL "NAME is no recording of a link: …", -EFBIG, -ENOMEM, -errno of read(2)
 */
BO_NODISCARD int bo_replay_load(struct bo_replay **ret, int fd, const char *name,
				struct bo_err *err);
/** bo_replay_stats() - so far (any thread) */
void bo_replay_stats(const struct bo_replay *replay, struct bo_replay_stats *ret);
void bo_replay_free(struct bo_replay *replay);
