/* SPDX-License-Identifier: Apache-2.0 */
/* harness/logpump.h — what nodes print: read at once, always, so that a node never blocks on us; kept in
 * nodes/<name>.log up to a bound; searched for the readiness pattern.
 * Owns: one pipe per node, one log file per node, one thread.  Threads: one; the functions are safe from any thread.
 * Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

#define BO_LOG_KEEP_BYTES (INT64_C(64) << 20) /* per node; what comes later is counted, not kept */

struct bo_logpump;

BO_NODISCARD int bo_logpump_new(struct bo_logpump **ret, size_t nnodes, struct bo_err *err);
/**
 * bo_logpump_add() - open the node's pipe and log file before it is started
 * @log_fd: [consumed] the open log file
 * @pattern: POSIX extended regular expression that makes bo_logpump_matched() true, or NULL
 * @ret_write_fd: [borrowed: as long as the pump] give this to the node as stdout and stderr
 */
BO_NODISCARD int bo_logpump_add(struct bo_logpump *pump, int node, int log_fd, const char *pattern,
				int *ret_write_fd, struct bo_err *err);
BO_NODISCARD int bo_logpump_start(struct bo_logpump *pump, struct bo_err *err);
/** bo_logpump_matched() - did a line match the pattern since the last bo_logpump_rearm()? */
bool bo_logpump_matched(struct bo_logpump *pump, int node);
void bo_logpump_rearm(struct bo_logpump *pump, int node);
/** bo_logpump_last_line() - the last non-empty line so far, cut to @size; "" when there is none */
void bo_logpump_last_line(struct bo_logpump *pump, int node, char *buf, size_t size);

struct bo_logpump_stats {
	uint64_t bytes;  /* printed by the node */
	uint64_t kept;   /* written to its log */
	int write_errno; /* first failure to write the log, 0 if none */
};
void bo_logpump_stats(struct bo_logpump *pump, int node, struct bo_logpump_stats *ret);
/** bo_logpump_free() - drain what is there, stop the thread, close everything */
void bo_logpump_free(struct bo_logpump *pump);
