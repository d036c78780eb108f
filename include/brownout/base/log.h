/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/log.h — diagnostics on stderr, one line each.
 * A function either logs an error or returns it, never both: src/ returns, harness/ prints.
 * What src/ may log is what nobody can return: a fact worth knowing while things go on.
 * Owns: a process-wide level and prefix.  Threads: any (one write(2) per line).  Privilege: none. */
#pragma once
#include "brownout/base/err.h"

enum bo_log_level { BO_LOG_ERROR, BO_LOG_WARN, BO_LOG_INFO, BO_LOG_DEBUG };

/** bo_log_setup() - set the lowest level shown (default BO_LOG_WARN) and a prefix ("keeper"), or NULL */
void bo_log_setup(enum bo_log_level max, const char *prefix);

/**
 * bo_log_set_hook() - called before each line, so that a live status line can be wiped first
 * @hook: [borrowed: for the life of the process] or NULL
 */
void bo_log_set_hook(void (*hook)(void));

void bo_log(enum bo_log_level level, const char *fmt, ...) BO_PRINTF(2, 3);
