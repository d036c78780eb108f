/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/pprof.h — incremental parser of /debug/pprof/goroutine?debug=1.
 * Grammar (runtime/pprof/pprof.go, printCountProfile and printStackRecord):
 *   NAME " profile: total " N NL, then any number of groups:
 *   COUNT " @" (" 0x"HEX)* NL ["# labels: {" … "}" NL]
 *   ("#" TAB+ "0x"PC [TAB+ FUNC"+0x"OFF TAB+ FILE":"LINE] NL)* NL
 * The header line alone gives the count; the groups are checked to add up to it.
 * Owns: one line of text.  Threads: none.  Privilege: none. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"

/* Since Go 1.23 a stack has up to 128 program counters of at most 19 bytes; labels are the
 * service's own. */
#define BO_PPROF_LINE_MAX (64 * 1024)
#define BO_PPROF_PCS_MAX 512

/**
 * struct bo_pprof_visitor - what a caller may want beyond the count; each function may be NULL
 * @group: @count goroutines share one stack of return addresses, innermost first
 * @labels: the text between the braces, still quoted as Go's %q does
 * @frame: one symbolised frame of the group before it; @func and @file are empty when Go knew no name
 * Strings are [borrowed: until return] and not NUL-terminated.
 */
struct bo_pprof_visitor {
	void *self;
	void (*group)(void *self, int64_t count, const uint64_t *pcs, size_t npcs);
	void (*labels)(void *self, const char *text, size_t len);
	void (*frame)(void *self, uint64_t pc, const char *func, size_t func_len, const char *file,
		      size_t file_len, int64_t line);
};

enum bo_pprof_state { BO_PPROF_HEADER, BO_PPROF_BETWEEN, BO_PPROF_LABELS, BO_PPROF_FRAMES };

/**
 * struct bo_pprof - bo_pprof_init() it; the fields may be read at any time
 * @total: goroutines by the header line, -1 before it was seen
 * @groups, @grouped: stacks so far and the goroutines in them
 */
struct bo_pprof {
	const struct bo_pprof_visitor *visitor; /* [borrowed] or NULL */
	int64_t total;
	int64_t groups;
	int64_t grouped;
	int64_t lines;
	enum bo_pprof_state state;
	char *line; /* the unfinished line, grown on demand */
	size_t line_len;
	size_t line_cap;
};

void bo_pprof_init(struct bo_pprof *p, const struct bo_pprof_visitor *visitor);
/**
 * bo_pprof_feed() - parse the next piece, cut anywhere
 * Return: 0; -EBADMSG when it is not such a profile (@err names the line); -ENOMEM
 */
BO_NODISCARD int bo_pprof_feed(struct bo_pprof *p, const char *bytes, size_t n, struct bo_err *err);
/** bo_pprof_finish() - after the last piece: -EBADMSG when it was cut short or the groups do not
 * add up to the total */
BO_NODISCARD int bo_pprof_finish(struct bo_pprof *p, struct bo_err *err);
/** bo_pprof_reset() - ready for the next profile; keeps the line buffer */
void bo_pprof_reset(struct bo_pprof *p);
void bo_pprof_done(struct bo_pprof *p);
