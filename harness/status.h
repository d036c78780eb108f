/* SPDX-License-Identifier: Apache-2.0 */
/* harness/status.h — progress while a run goes on: one line that redraws itself in a terminal, plain lines otherwise.
 * Owns: the terminal's current line.  Threads: the conductor's main thread.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "brownout/base/err.h"

enum bo_status_mode { BO_STATUS_QUIET, BO_STATUS_LINES, BO_STATUS_TTY };

/** struct bo_status_view - what the status line shows; NAN for what is not known */
struct bo_status_view {
	const char *phase;
	int64_t phase_elapsed_ns;
	int64_t phase_length_ns;
	int64_t elapsed_ns;
	int64_t total_ns;
	double offered_per_s;
	double done_per_s;
	double errors_per_s;
	double p99_ms;
	double inflight;
	double goroutines;
	double memory_bytes;
	const char *faults; /* "delay orders-db, memory orders" or "" */
};

/** bo_status_init() - @mode BO_STATUS_TTY falls back to LINES when stderr is no terminal
 * @label: [borrowed: as long as lines are printed] in front of every line, in brackets; NULL for none */
void bo_status_init(enum bo_status_mode mode, const char *label);
/** bo_status_note() - one line that stays, stamped with the run's time; @t_ns INT64_MIN: not yet running */
void bo_status_note(int64_t t_ns, const char *fmt, ...) BO_PRINTF(2, 3);
/** bo_status_show() - redraw (terminal), or print a line every 2 s (else) */
void bo_status_show(const struct bo_status_view *view);
/** bo_status_clear() - wipe the status line, before something else prints */
void bo_status_clear(void);
