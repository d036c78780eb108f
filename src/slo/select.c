/* SPDX-License-Identifier: Apache-2.0 */
/* slo/select.c — goroutines{site="orders.(*Server).query", older="30s", stuck=true}: which groups of
 * goroutines a selector means, and how many members of a group.
 *
 * A function name matches from a boundary ("/" or "." before it, or its beginning) to its end, so
 * "(*Server).query" finds "example.com/shop/orders.(*Server).query" and "main.query" does not find
 * "domain.query".  "*" and "?" are wildcards, but the "(*" of a receiver is meant as it stands, and
 * so are the brackets of "Map[...]".
 *
 * How many are older than a threshold is known at BO_GROUP_AGES_S only, and how many are both old
 * and stuck is not known at all; so members are an interval.
 *
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "select.h"
#include "syntax.h"

const char *const slo_select_keys[] = {
	"node",  "load",       "route", "class", "fault", "site",
	"state", "blocked_at", "label", "older", "stuck", NULL,
};

const char *slo_select_first_key(const struct slo_select *sel)
{
	return sel->site         ? "site"
	       : sel->state      ? "state"
	       : sel->blocked_at ? "blocked_at"
	       : sel->label      ? "label"
	       : sel->older_text ? "older"
				 : "stuck";
}

void slo_select_print(const struct slo_select *sel, const char *sep, struct bo_strbuf *out)
{
	const struct {
		const char *key;
		const char *value;
	} texts[] = { { "site", sel->site },
		      { "state", sel->state },
		      { "blocked_at", sel->blocked_at },
		      { "label", sel->label },
		      { "older", sel->older_text } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!texts[i].value)
			continue;
		bo_strbuf_printf(out, "%s%s=\"%s\"", sep, texts[i].key, texts[i].value);
		sep = ", ";
	}
	if (sel->stuck_text)
		bo_strbuf_printf(out, "%sstuck=%s", sep, sel->stuck_text);
}

/* ---- names ---- */

static bool is_star(const char *pattern, const char *at)
{
	return *at == '*' && !(at > pattern && at[-1] == '(');
}

/* No recursion: on a mismatch the last star takes one more byte. */
static bool glob(const char *pattern, const char *text)
{
	const char *p = pattern, *star = NULL, *resume = NULL;

	while (*text) {
		if (is_star(pattern, p)) {
			star = p++;
			resume = text;
		} else if (*p == '?' || *p == *text) {
			p++;
			text++;
		} else if (star) {
			p = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (is_star(pattern, p))
		p++;
	return !*p;
}

bool slo_name_matches(const char *pattern, const char *name)
{
	if (glob(pattern, name))
		return true;
	for (const char *at = name; *at; at++) {
		if ((*at == '/' || *at == '.') && glob(pattern, at + 1))
			return true;
	}
	return false;
}

/* ---- labels ---- */

/* Copies the quoted string at *@at, with \" and \\ undone, cut to @size; false when there is none. */
static bool quoted(const char **at, char *buf, size_t size)
{
	const char *s = *at;
	size_t n = 0;

	if (*s++ != '"')
		return false;
	for (; *s && *s != '"'; s++) {
		if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		if (n + 1 < size)
			buf[n++] = *s;
	}
	buf[n] = '\0';
	if (*s != '"')
		return false;
	*at = s + 1;
	return true;
}

/* @wanted: "key=value", where value may have wildcards, or "key" for any value. */
static bool label_matches(const char *wanted, const char *labels)
{
	size_t key_len = strcspn(wanted, "=");
	char key[SLO_MAX_TEXT], value[SLO_MAX_TEXT];

	for (;;) {
		if (!quoted(&labels, key, sizeof(key)) || *labels++ != ':' ||
		    !quoted(&labels, value, sizeof(value)))
			return false;
		if (strlen(key) == key_len && memcmp(key, wanted, key_len) == 0 &&
		    (!wanted[key_len] || glob(wanted + key_len + 1, value)))
			return true;
		labels += strspn(labels, ", ");
	}
}

/* ---- groups ---- */

static bool site_matches(const char *site, const struct bo_group *g)
{
	return slo_name_matches(site, g->site) || slo_name_matches(site, g->start);
}

static bool blocked_matches(const char *at, const struct bo_group *g)
{
	return slo_name_matches(at, g->blocked_at) || slo_name_matches(at, g->blocked_line);
}

bool slo_select_group(const struct slo_select *sel, const struct bo_group *g)
{
	return !sel || ((!sel->site || site_matches(sel->site, g)) &&
			(!sel->state || glob(sel->state, g->state)) &&
			(!sel->blocked_at || blocked_matches(sel->blocked_at, g)) &&
			(!sel->label || label_matches(sel->label, g->labels)));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void older_members(const struct bo_group *g, int64_t older_ns, uint64_t *ret_lo,
			  uint64_t *ret_hi)
{
	static const int64_t ages_s[BO_GROUP_AGES] = BO_GROUP_AGES_S;

	*ret_lo = 0;
	*ret_hi = g->count;
	for (int i = 0; i < BO_GROUP_AGES; i++) {
		int64_t age_ns = ages_s[i] * BO_NSEC_PER_SEC;

		if (age_ns <= older_ns)
			*ret_hi = least(g->older[i], g->count);
		if (age_ns >= older_ns) {
			*ret_lo = least(g->older[i], *ret_hi);
			return;
		}
	}
}

void slo_select_members(const struct slo_select *sel, const struct bo_group *g, uint64_t *ret_lo,
			uint64_t *ret_hi)
{
	uint64_t stuck = least(g->stuck, g->count), lo = g->count, hi = g->count;

	if (sel->older_ns)
		older_members(g, sel->older_ns, &lo, &hi);
	if (sel->stuck_text) {
		uint64_t which = sel->stuck ? stuck : g->count - stuck;

		/* Both conditions: at least what must overlap, at most the smaller of the two. */
		lo = lo + which > g->count ? lo + which - g->count : 0;
		hi = least(hi, which);
	}
	*ret_lo = lo;
	*ret_hi = hi;
}

const char *slo_short_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

void slo_group_name(const struct bo_group *g, char *buf, size_t size)
{
	const char *who = *g->site ? g->site : g->start;
	const char *line = slo_short_name(*g->blocked_line ? g->blocked_line : g->site_line);

	snprintf(buf, size, "%.60s [%.30s]%s%.40s", slo_short_name(who), g->state,
		 *line ? " at " : "", line);
}
