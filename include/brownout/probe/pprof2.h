/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/pprof2.h — incremental parser of /debug/pprof/goroutine?debug=2, and of what a crashed Go program prints.
 * Grammar (runtime/traceback.go, goroutineheader and traceback), blocks parted by empty lines:
 *   "goroutine " ID [" gp=0x…" …] " [" STATUS [" (leaked)"][" (scan)"] [", "N" minutes"] [", locked to thread"] "]"
 *   [LABELS] ":" NL
 *   FUNC "(" ARGS | "..." ")" NL TAB FILE ":" LINE [" +0x"HEX] NL …
 *   ["created by " FUNC [" in goroutine "N] NL TAB FILE ":" LINE …]
 * STATUS has spaces and parentheses, but no commas.  net/http/pprof cuts the text at 64 MiB.
 * Owns: one line of text.  Threads: none.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

#define BO_PPROF2_LINE_MAX (64 * 1024)
/** runtime/pprof.writeGoroutineStacks() never writes more */
#define BO_PPROF2_CUT_BYTES (64 * 1024 * 1024)

/** struct bo_pprof2_goroutine - the head of a block; texts are [borrowed: until return], not NUL-terminated */
struct bo_pprof2_goroutine {
	uint64_t id;
	const char *status; /* "chan receive", without what follows it */
	size_t status_len;
	const char *labels; /* as printed, "" for none */
	size_t labels_len;
	int64_t minutes;
	bool leaked;
	bool locked;
};

/** struct bo_pprof2_frame - one line of code; @func without its arguments */
struct bo_pprof2_frame {
	const char *func;
	size_t func_len;
	const char *file;
	size_t file_len;
	int64_t line;
};

/**
 * struct bo_pprof2_visitor - each may be NULL
 * @goroutine: a block begins;  @frame: innermost first;  @created: the go statement, and by whom (0: not told)
 * @end: the block is whole
 */
struct bo_pprof2_visitor {
	void *self;
	void (*goroutine)(void *self, const struct bo_pprof2_goroutine *g);
	void (*frame)(void *self, const struct bo_pprof2_frame *f);
	void (*created)(void *self, const struct bo_pprof2_frame *f, uint64_t parent);
	void (*end)(void *self);
};

enum bo_pprof2_state { BO_PPROF2_BETWEEN, BO_PPROF2_FUNC, BO_PPROF2_FILE };

/**
 * struct bo_pprof2 - bo_pprof2_init() it; the fields may be read at any time
 * @goroutines: whole blocks;  @truncated: after bo_pprof2_finish(): the text was cut, the last block may be missing
 */
struct bo_pprof2 {
	const struct bo_pprof2_visitor *visitor; /* [borrowed] or NULL */
	int64_t goroutines;
	int64_t lines;
	size_t bytes;
	bool truncated;
	enum bo_pprof2_state state;
	bool in_block;
	char *func; /* the function whose file comes next */
	size_t func_len, func_cap;
	bool is_created;
	uint64_t parent;
	char *line;
	size_t line_len, line_cap;
};

void bo_pprof2_init(struct bo_pprof2 *p, const struct bo_pprof2_visitor *visitor);
/** bo_pprof2_feed() - the next piece, cut anywhere.  Return: 0; -EBADMSG with the line; -ENOMEM */
BO_NODISCARD int bo_pprof2_feed(struct bo_pprof2 *p, const char *bytes, size_t n,
				struct bo_err *err);
/**
 * bo_pprof2_finish() - after the last piece
 * Return: 0, with @truncated set when the text was cut at 64 MiB; -EBADMSG when it ends in the middle otherwise
 */
BO_NODISCARD int bo_pprof2_finish(struct bo_pprof2 *p, struct bo_err *err);
void bo_pprof2_done(struct bo_pprof2 *p);
