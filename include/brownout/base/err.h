/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/err.h — the error object that every fallible function fills.
 * Owns: nothing (lives on the caller's stack).  Threads: any.  Privilege: none. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define BO_NODISCARD __attribute__((warn_unused_result))
#define BO_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/** enum bo_subsys - which part of brownout reports an error; keep in step with bo_subsys_name() */
enum bo_subsys {
	BO_SUBSYS_NONE,
	BO_SUBSYS_BASE,
	BO_SUBSYS_PLAN,
	BO_SUBSYS_SYS,
	BO_SUBSYS_LAB,
	BO_SUBSYS_FAULT,
	BO_SUBSYS_LOAD,
	BO_SUBSYS_PROBE,
	BO_SUBSYS_SLO,
	BO_SUBSYS_REPORT,
	BO_SUBSYS_SCRIPT,
	BO_SUBSYS_HARNESS,
	BO_SUBSYS_COUNT,
};

/**
 * struct bo_err - one error: a positive errno value, who says it, and a sentence for a person
 * @code: positive errno (ENOENT …); 0 means "no error yet"
 * @subsys: the part that found it
 * @msg: one line, no trailing newline; cut (never overrun) when too long.  Control characters, bidirectional overrides
 *       and bytes that are no UTF-8, which only a quoted text can hold, stand as "\n", "\t" or "\x1b"
 */
struct bo_err {
	int code;
	enum bo_subsys subsys;
	char msg[512];
};

/**
 * bo_err_set() - fill @err and return -@code, so that a failing path is one statement
 * @err: [out] may be NULL, then only the return value says what happened
 * @code: positive errno; 0 or negative is taken as EINVAL
 */
int bo_err_set(struct bo_err *err, int code, enum bo_subsys subsys, const char *fmt, ...)
	BO_PRINTF(4, 5);

/** bo_err_errno() - like bo_err_set() with the current errno, whose text is appended as ": <text>" */
int bo_err_errno(struct bo_err *err, enum bo_subsys subsys, const char *fmt, ...) BO_PRINTF(3, 4);

/**
 * bo_err_wrap() - put context in front of an error on its way up ("context: message")
 * Return: -err->code, or -EINVAL when @err is NULL or empty
 */
int bo_err_wrap(struct bo_err *err, const char *fmt, ...) BO_PRINTF(2, 3);

/** bo_subsys_name() - "lab", "load" …; never NULL */
const char *bo_subsys_name(enum bo_subsys subsys);
