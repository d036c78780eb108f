/* SPDX-License-Identifier: Apache-2.0 */
/* probe/prometheus_parse.c — see brownout/probe/prometheus.h.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/probe/prometheus.h"

void bo_prometheus_init(struct bo_prometheus *p, const char *name)
{
	p->name = name;
	p->found = 0;
	p->value = NAN;
	p->skipping = false;
	p->len = 0;
}

/* After "{": past the "}" that closes the labels, or NULL.  Within quotes a backslash escapes. */
static const char *skip_labels(const char *s)
{
	bool quoted = false;

	for (; *s; s++) {
		if (quoted && *s == '\\' && s[1])
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (*s == '}' && !quoted)
			return s + 1;
	}
	return NULL;
}

static int malformed(const struct bo_prometheus *p, struct bo_err *err)
{
	return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "malformed sample of %s", p->name);
}

static int take_line(struct bo_prometheus *p, struct bo_err *err)
{
	size_t len = strlen(p->name);
	const char *s = p->line;
	double value;
	char *end;

	p->line[p->len] = '\0';
	p->len = 0;
	if (strncmp(s, p->name, len) || (s[len] != '{' && s[len] != ' ' && s[len] != '\t'))
		return 0;
	s += len;
	s += strspn(s, " \t");
	if (*s == '{')
		s = skip_labels(s + 1);
	if (!s || (*s != ' ' && *s != '\t' && s[-1] != ' ' && s[-1] != '\t'))
		return malformed(p, err);
	s += strspn(s, " \t");
	value = strtod(s, &end);
	/* strtod(3) also takes hexadecimal numbers and "nan(…)", which are not of this format. */
	if (end == s || (*end && !isspace((unsigned char)*end)) ||
	    memchr(s, 'x', (size_t)(end - s)) || memchr(s, 'X', (size_t)(end - s)) ||
	    !isfinite(value))
		return malformed(p, err);
	p->found++;
	p->value = value;
	return 0;
}

int bo_prometheus_feed(struct bo_prometheus *p, const char *bytes, size_t n, struct bo_err *err)
{
	while (n) {
		const char *nl = memchr(bytes, '\n', n);
		size_t len = nl ? (size_t)(nl - bytes) : n;
		int r = 0;

		if (len > sizeof(p->line) - 1 - p->len) {
			p->skipping = true;
		} else if (!p->skipping) {
			memcpy(p->line + p->len, bytes, len);
			p->len += len;
		}
		if (nl) {
			if (!p->skipping)
				r = take_line(p, err);
			p->skipping = false;
			p->len = 0;
			len++;
		}
		if (r < 0)
			return r;
		bytes += len;
		n -= len;
	}
	return 0;
}

int bo_prometheus_finish(struct bo_prometheus *p, struct bo_err *err)
{
	/* Every sample ends in a newline; of one that does not, some digits may be missing. */
	if (!p->skipping && p->len >= strlen(p->name) && !strncmp(p->line, p->name, strlen(p->name)))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "cut short in a sample of '%s'",
				  p->name);
	if (!p->found)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "no metric '%s'", p->name);
	if (p->found > 1)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE,
				  "%zu series of '%s': not one process", p->found, p->name);
	return 0;
}
