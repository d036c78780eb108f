/* SPDX-License-Identifier: Apache-2.0 */
/* probe/pprof2_parse.c — see brownout/probe/pprof2.h.
 * Owns: nothing but what struct bo_pprof2 does.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/pprof2.h"

void bo_pprof2_init(struct bo_pprof2 *p, const struct bo_pprof2_visitor *visitor)
{
	*p = (struct bo_pprof2){ .visitor = visitor };
}

void bo_pprof2_done(struct bo_pprof2 *p)
{
	free(p->line);
	free(p->func);
	p->line = p->func = NULL;
	p->line_cap = p->func_cap = p->line_len = p->func_len = 0;
}

static int bad_line(const struct bo_pprof2 *p, struct bo_err *err)
{
	return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "not a goroutine dump (line %lld)",
			  (long long)p->lines);
}

static int append(char **buf, size_t *len, size_t *cap, const char *bytes, size_t n,
		  struct bo_err *err)
{
	if (*len + n > BO_PPROF2_LINE_MAX)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "a line of more than 64KiB");
	if (*len + n + 1 > *cap) {
		size_t want = (*len + n + 1) * 2;
		char *grown = realloc(*buf, want);

		if (!grown)
			return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
		*buf = grown;
		*cap = want;
	}
	memcpy(*buf + *len, bytes, n);
	*len += n;
	(*buf)[*len] = '\0';
	return 0;
}

/* A number without sign; NULL when there is none or it does not fit. */
static const char *number(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return NULL;
	*ret = v;
	return s;
}

static bool ends_with(const char *s, size_t *len, const char *tail)
{
	size_t n = strlen(tail);

	if (*len < n || memcmp(s + *len - n, tail, n))
		return false;
	*len -= n;
	return true;
}

/* What stands between the brackets. */
static void take_status(const char *s, size_t len, struct bo_pprof2_goroutine *g)
{
	const char *comma = memchr(s, ',', len);
	const char *end = s + len, *at = comma;

	g->status = s;
	g->status_len = comma ? (size_t)(comma - s) : len;
	(void)ends_with(s, &g->status_len, " (scan)");
	g->leaked = ends_with(s, &g->status_len, " (leaked)");
	while (at && at < end) {
		const char *next = memchr(at + 1, ',', (size_t)(end - at - 1));
		uint64_t minutes;

		at += strspn(at, ", ");
		if (!strncmp(at, "locked to thread", 16))
			g->locked = true;
		else if (number(at, &minutes) && minutes < INT64_MAX / 60)
			g->minutes = (int64_t)minutes;
		at = next;
	}
}

static int take_header(struct bo_pprof2 *p, struct bo_err *err)
{
	struct bo_pprof2_goroutine g = { .labels = "" };
	const char *s, *open, *close;

	if (strncmp(p->line, "goroutine ", 10) || !(s = number(p->line + 10, &g.id)) ||
	    p->line[p->line_len - 1] != ':')
		return bad_line(p, err);
	open = strstr(s, " [");
	close = open ? strchr(open, ']') : NULL;
	if (!close)
		return bad_line(p, err);
	take_status(open + 2, (size_t)(close - open - 2), &g);
	if (close[1] != ':') {
		g.labels = close + 1;
		g.labels_len = p->line_len - (size_t)(close + 1 - p->line) - 1;
		while (g.labels_len && *g.labels == ' ') {
			g.labels++;
			g.labels_len--;
		}
	}
	p->in_block = true;
	p->state = BO_PPROF2_FUNC;
	if (p->visitor && p->visitor->goroutine)
		p->visitor->goroutine(p->visitor->self, &g);
	return 0;
}

/* "main.(*Server).query(0xc000…, ...)", or "created by main.main in goroutine 1" */
static int take_func(struct bo_pprof2 *p, struct bo_err *err)
{
	const char *s = p->line, *in;
	size_t len = p->line_len;

	p->is_created = !strncmp(s, "created by ", 11);
	p->parent = 0;
	if (p->is_created) {
		s += 11;
		len -= 11;
		in = strstr(s, " in goroutine ");
		if (in && number(in + 14, &p->parent))
			len = (size_t)(in - s);
	} else if (s[len - 1] == ')') {
		/* Arguments hold no parentheses, receivers do: the last one opens them. */
		while (len && s[len - 1] != '(')
			len--;
		if (!len)
			return bad_line(p, err);
		len--;
	} else if (!strncmp(s, "...", 3) ||
		   !strncmp(s, "\tgoroutine running on other thread", 34)) {
		/* "...additional frames elided...", and one whose stack cannot be had: no file follows. */
		return 0;
	} else {
		return bad_line(p, err);
	}
	p->func_len = 0;
	p->state = BO_PPROF2_FILE;
	return append(&p->func, &p->func_len, &p->func_cap, s, len, err);
}

static int take_file(struct bo_pprof2 *p, struct bo_err *err)
{
	struct bo_pprof2_frame f = { .func = p->func, .func_len = p->func_len };
	const char *end = p->line + p->line_len, *colon, *plus;
	uint64_t line;

	if (p->line[0] != '\t')
		return bad_line(p, err);
	plus = strstr(p->line, " +0x");
	for (colon = plus ? plus : end; colon > p->line && *colon != ':'; colon--)
		;
	if (*colon != ':' || !number(colon + 1, &line) || line > INT32_MAX)
		return bad_line(p, err);
	f.file = p->line + 1;
	f.file_len = (size_t)(colon - f.file);
	f.line = (int64_t)line;
	p->state = BO_PPROF2_FUNC;
	if (p->visitor && p->is_created && p->visitor->created)
		p->visitor->created(p->visitor->self, &f, p->parent);
	else if (p->visitor && !p->is_created && p->visitor->frame)
		p->visitor->frame(p->visitor->self, &f);
	return 0;
}

static void end_block(struct bo_pprof2 *p)
{
	p->in_block = false;
	p->state = BO_PPROF2_BETWEEN;
	p->goroutines++;
	if (p->visitor && p->visitor->end)
		p->visitor->end(p->visitor->self);
}

static int take_line(struct bo_pprof2 *p, struct bo_err *err)
{
	p->lines++;
	if (!p->line_len) {
		if (p->state == BO_PPROF2_FILE)
			return bad_line(p, err);
		if (p->in_block)
			end_block(p);
		return 0;
	}
	if (p->state == BO_PPROF2_BETWEEN)
		return take_header(p, err);
	return p->state == BO_PPROF2_FUNC ? take_func(p, err) : take_file(p, err);
}

int bo_pprof2_feed(struct bo_pprof2 *p, const char *bytes, size_t n, struct bo_err *err)
{
	p->bytes += n;
	while (n) {
		const char *nl = memchr(bytes, '\n', n);
		size_t len = nl ? (size_t)(nl - bytes) : n;
		int r = append(&p->line, &p->line_len, &p->line_cap, bytes, len, err);

		/* A NUL byte would hide the rest of its line from everything below. */
		if (!r && memchr(bytes, '\0', len))
			r = bad_line(p, err);
		if (!r && nl) {
			r = take_line(p, err);
			p->line_len = 0;
		}
		if (r < 0)
			return r;
		len += nl != NULL;
		bytes += len;
		n -= len;
	}
	return 0;
}

int bo_pprof2_finish(struct bo_pprof2 *p, struct bo_err *err)
{
	int r;

	p->truncated = p->bytes >= BO_PPROF2_CUT_BYTES;
	if (p->truncated)
		return 0;
	if (p->line_len) {
		r = take_line(p, err);
		p->line_len = 0;
		if (r < 0)
			return r;
	}
	if (p->state == BO_PPROF2_FILE)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "the goroutine dump was cut short");
	if (p->in_block)
		end_block(p);
	if (!p->goroutines)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "the goroutine dump is empty");
	return 0;
}
