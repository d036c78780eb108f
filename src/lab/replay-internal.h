/* SPDX-License-Identifier: Apache-2.0 */
/* lab/replay-internal.h — what the wire asks of a record.
 * Owns: nothing.  Threads: the wire's.  Privilege: none. */
#pragma once
#include "brownout/lab/replay.h"
#include "wire-internal.h"

/** bo_replay_parse() - @data: a whole file, [borrowed: until return] */
BO_NODISCARD int bo_replay_parse(struct bo_replay **ret, const uint8_t *data, size_t len,
				 const char *name, struct bo_err *err);
/**
 * bo_replay_fate() - put the recorded fate in place of the one that was drawn
 * @out: which packet it is, and what was drawn;  @copy: of its duplicate
 * Only where a draw was made: a line that is not impaired now, or a blackhole, is left alone.
 */
void bo_replay_fate(struct bo_replay *replay, const struct bo_impair *im, enum bo_dir dir,
		    int64_t now_ns, struct bo_wire_outcome *out, struct bo_wire_outcome *copy);
/** bo_replay_read_comment() - what bo_record_text() wrote; due_ns is then the delay.  False when it is something else
 * @ret_copy: of its duplicate, when ret->copied;  @ret_last: number of the last packet that it speaks of */
bool bo_replay_read_comment(const char *text, struct bo_wire_outcome *ret,
			    struct bo_wire_outcome *ret_copy, uint64_t *ret_last);
