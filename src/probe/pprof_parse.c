/* SPDX-License-Identifier: Apache-2.0 */
/* probe/pprof_parse.c — the text of a goroutine profile, line by line.
 * Pieces come cut anywhere, so a line that is not complete yet is kept; everything else is
 * decided line by line in one of four states.  The grammar is taken at its word: whatever else
 * answers on that URL (an error page, a proxy's login form) must not be read as a count.
 * Owns: the unfinished line.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/pprof.h"

/* An error page may well be one endless line: the header tells within its first few bytes. */
#define HEADER_MAX 64

/** struct span - text that is being eaten from the left */
struct span {
	const char *at;
	const char *end;
};

static bool eat(struct span *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return false;
	s->at += n;
	return true;
}

static bool eat_decimal(struct span *s, int64_t *ret)
{
	const char *start = s->at;
	int64_t n = 0;

	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s->at - '0', &n))
			return false;
	}
	*ret = n;
	return s->at > start;
}

static bool eat_hex(struct span *s, uint64_t *ret)
{
	const char *start;
	uint64_t n = 0;

	if (!eat(s, "0x"))
		return false;
	for (start = s->at; s->at < s->end; s->at++) {
		int digit;

		if (*s->at >= '0' && *s->at <= '9')
			digit = *s->at - '0';
		else if (*s->at >= 'a' && *s->at <= 'f')
			digit = *s->at - 'a' + 10;
		else
			break;
		if (s->at - start >= 16)
			return false;
		n = n << 4 | (uint64_t)digit;
	}
	*ret = n;
	return s->at > start;
}

/* Go aligns columns with text/tabwriter, whose padding here is tabs: one or more of them
 * separate two columns. */
static bool eat_tabs(struct span *s)
{
	const char *start = s->at;

	while (s->at < s->end && *s->at == '\t')
		s->at++;
	return s->at > start;
}

static const char *find_last(const struct span *s, const char *what)
{
	size_t n = strlen(what);
	size_t len = (size_t)(s->end - s->at);

	for (size_t i = len; i >= n; i--) {
		if (memcmp(s->at + i - n, what, n) == 0)
			return s->at + i - n;
	}
	return NULL;
}

static bool parse_header(struct bo_pprof *p, struct span s)
{
	return (eat(&s, "goroutine profile: total ") || eat(&s, "goroutineleak profile: total ")) &&
	       eat_decimal(&s, &p->total) && s.at == s.end;
}

static bool parse_group(struct bo_pprof *p, struct span s)
{
	uint64_t pcs[BO_PPROF_PCS_MAX];
	size_t npcs = 0;
	int64_t count;

	if (!eat_decimal(&s, &count) || count == 0 || !eat(&s, " @"))
		return false;
	while (eat(&s, " ")) {
		if (npcs == BO_PPROF_PCS_MAX || !eat_hex(&s, &pcs[npcs]))
			return false;
		npcs++;
	}
	if (s.at != s.end || __builtin_add_overflow(p->grouped, count, &p->grouped))
		return false;
	p->groups++;
	if (p->visitor && p->visitor->group)
		p->visitor->group(p->visitor->self, count, pcs, npcs);
	return true;
}

static bool parse_labels(const struct bo_pprof *p, struct span s)
{
	if (!eat(&s, "# labels: {") || s.at == s.end || s.end[-1] != '}')
		return false;
	if (p->visitor && p->visitor->labels)
		p->visitor->labels(p->visitor->self, s.at, (size_t)(s.end - 1 - s.at));
	return true;
}

/* "FUNC+0xOFF", then tabs, "FILE:LINE": names may hold blanks, '+' and ':', so each is split at
 * its last mark. */
static bool parse_location(struct span s, struct span *ret_func, struct span *ret_file,
			   int64_t *ret_line)
{
	const char *tab = memchr(s.at, '\t', (size_t)(s.end - s.at));
	struct span func, file, rest;
	const char *mark;
	uint64_t offset;

	if (!tab)
		return false;
	func = (struct span){ s.at, tab };
	mark = find_last(&func, "+0x");
	if (!mark || mark == func.at)
		return false;
	rest = (struct span){ mark + 1, tab };
	if (!eat_hex(&rest, &offset) || rest.at != rest.end)
		return false;
	func.end = mark;

	file = (struct span){ tab, s.end };
	eat_tabs(&file);
	mark = find_last(&file, ":");
	if (!mark || mark == file.at)
		return false;
	rest = (struct span){ mark + 1, s.end };
	if (!eat_decimal(&rest, ret_line) || rest.at != rest.end)
		return false;
	file.end = mark;
	*ret_func = func;
	*ret_file = file;
	return true;
}

static bool parse_frame(const struct bo_pprof *p, struct span s)
{
	struct span func = { s.at, s.at };
	struct span file = { s.at, s.at };
	int64_t line = 0;
	uint64_t pc;

	if (!eat(&s, "#") || !eat_tabs(&s) || !eat_hex(&s, &pc))
		return false;
	if (s.at < s.end && (!eat_tabs(&s) || !parse_location(s, &func, &file, &line)))
		return false;
	if (p->visitor && p->visitor->frame)
		p->visitor->frame(p->visitor->self, pc, func.at, (size_t)(func.end - func.at),
				  file.at, (size_t)(file.end - file.at), line);
	return true;
}

static bool parse_line(struct bo_pprof *p, struct span s)
{
	switch (p->state) {
	case BO_PPROF_HEADER:
		p->state = BO_PPROF_BETWEEN;
		return parse_header(p, s);
	case BO_PPROF_BETWEEN:
		p->state = BO_PPROF_LABELS;
		return parse_group(p, s);
	case BO_PPROF_LABELS:
		p->state = BO_PPROF_FRAMES;
		if (s.end - s.at > 1 && s.at[1] == ' ')
			return parse_labels(p, s);
		/* fall through */
	case BO_PPROF_FRAMES:
		if (s.at == s.end) {
			p->state = BO_PPROF_BETWEEN;
			return true;
		}
		return parse_frame(p, s);
	}
	return false;
}

static int take_line(struct bo_pprof *p, const char *line, size_t len, struct bo_err *err)
{
	p->lines++;
	if (!parse_line(p, (struct span){ line, line + len })) {
		if (p->lines == 1)
			p->total = -1;
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "not a goroutine profile (line %" PRId64 ")", p->lines);
	}
	return 0;
}

static int keep(struct bo_pprof *p, const char *bytes, size_t n, struct bo_err *err)
{
	size_t want = p->line_len + n;

	if (want > p->line_cap) {
		size_t cap = want < 512 ? 512 : 2 * want;
		char *grown = realloc(p->line, cap);

		if (!grown)
			return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
		p->line = grown;
		p->line_cap = cap;
	}
	if (n)
		memcpy(p->line + p->line_len, bytes, n);
	p->line_len = want;
	return 0;
}

void bo_pprof_init(struct bo_pprof *p, const struct bo_pprof_visitor *visitor)
{
	*p = (struct bo_pprof){ .visitor = visitor, .total = -1 };
}

void bo_pprof_reset(struct bo_pprof *p)
{
	struct bo_pprof old = *p;

	bo_pprof_init(p, old.visitor);
	p->line = old.line;
	p->line_cap = old.line_cap;
}

void bo_pprof_done(struct bo_pprof *p)
{
	free(p->line);
	bo_pprof_init(p, NULL);
}

int bo_pprof_feed(struct bo_pprof *p, const char *bytes, size_t n, struct bo_err *err)
{
	int r;

	while (n > 0) {
		const char *nl = memchr(bytes, '\n', n);
		size_t piece = nl ? (size_t)(nl - bytes) : n;

		/* Judged here, so that the result never depends on how the text is cut. */
		if (p->line_len + piece >
		    (p->state == BO_PPROF_HEADER ? HEADER_MAX : BO_PPROF_LINE_MAX)) {
			p->lines++;
			return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
					  "not a goroutine profile (line %" PRId64 ")", p->lines);
		}
		if (!nl || p->line_len > 0) {
			r = keep(p, bytes, piece, err);
			if (r < 0)
				return r;
		}
		if (!nl)
			return 0;
		r = p->line_len > 0 ? take_line(p, p->line, p->line_len, err)
				    : take_line(p, bytes, piece, err);
		if (r < 0)
			return r;
		p->line_len = 0;
		bytes += piece + 1;
		n -= piece + 1;
	}
	return 0;
}

int bo_pprof_finish(struct bo_pprof *p, struct bo_err *err)
{
	if (p->state != BO_PPROF_BETWEEN || p->line_len > 0)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "goroutine profile cut short after line %" PRId64, p->lines);
	if (p->grouped != p->total)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "goroutine profile says %" PRId64 " but lists %" PRId64, p->total,
				  p->grouped);
	return 0;
}
