/* SPDX-License-Identifier: Apache-2.0 */
/* report/html_goroutines.c — who the goroutines of each node were, phase by phase, in report.html.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <string.h>

#include "brownout/base/vec.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "html.h"

/* A table for people: the kinds that changed most.  run.json has them all. */
#define ROWS_MAX 15
#define PHASES_MAX 8

static const char *const key_fields[] = { "site",         "site_line", "start", "blocked_at",
					  "blocked_line", "state",     "labels" };

/* One kind of goroutine; @count and @stuck by column */
struct kind {
	const json_t *group;
	double count[PHASES_MAX];
	double stuck;
	double swing; /* most minus fewest */
};

struct census {
	const char *node;
	const json_t *columns[PHASES_MAX]; /* snapshots, one per phase */
	size_t ncolumns;
	BO_VEC(struct kind) kinds;
};

static bool same_kind(const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < sizeof(key_fields) / sizeof(*key_fields); i++)
		if (strcmp(bo_view_str(a, key_fields[i]), bo_view_str(b, key_fields[i])) != 0)
			return false;
	return true;
}

static struct kind *kind_of(struct census *c, const json_t *group)
{
	struct kind fresh = { .group = group };

	bo_vec_foreach(k, &c->kinds)
		if (same_kind(k->group, group))
			return k;
	return bo_vec_push(&c->kinds, fresh) ? &c->kinds.items[c->kinds.len - 1] : NULL;
}

static bool collect(struct census *c, const json_t *snapshots)
{
	for (size_t i = 0; i < json_array_size(snapshots); i++) {
		const json_t *snap = json_array_get(snapshots, i);
		const json_t *groups = bo_view_get(snap, "groups");

		if (strcmp(bo_view_str(snap, "node"), c->node) != 0 ||
		    !strcmp(bo_view_str(snap, "phase"), "warmup") || c->ncolumns == PHASES_MAX)
			continue;
		c->columns[c->ncolumns++] = snap;
		bo_vec_foreach(k, &c->kinds)
			k->stuck = 0;
		for (size_t g = 0; g < json_array_size(groups); g++) {
			const json_t *group = json_array_get(groups, g);
			struct kind *k = kind_of(c, group);

			if (!k)
				return false;
			k->count[c->ncolumns - 1] += bo_view_num(group, "count");
			k->stuck += bo_view_num(group, "stuck");
		}
	}
	return true;
}

static double most(const struct kind *k, size_t n)
{
	double top = 0;

	for (size_t i = 0; i < n; i++)
		top = k->count[i] > top ? k->count[i] : top;
	return top;
}

static int by_swing(const void *va, const void *vb)
{
	const struct kind *a = va, *b = vb;

	if (a->swing != b->swing)
		return a->swing < b->swing ? 1 : -1;
	return (a->count[0] < b->count[0]) - (a->count[0] > b->count[0]);
}

static void rank(struct census *c)
{
	bo_vec_foreach(k, &c->kinds) {
		double least = k->count[0];

		for (size_t i = 0; i < c->ncolumns; i++)
			least = k->count[i] < least ? k->count[i] : least;
		k->swing = most(k, c->ncolumns) - least;
	}
	if (c->kinds.len)
		qsort(c->kinds.items, c->kinds.len, sizeof(*c->kinds.items), by_swing);
}

static void place(struct bo_strbuf *sb, const char *func, const char *line)
{
	bo_strbuf_puts(sb, "<td class=\"goroutine\">");
	bo_text_html(sb, *func ? func : "\u2013");
	if (*line) {
		const char *slash = strrchr(line, '/');

		bo_strbuf_puts(sb, "<br><small>");
		bo_text_html(sb, slash ? slash + 1 : line);
		bo_strbuf_puts(sb, "</small>");
	}
	bo_strbuf_puts(sb, "</td>");
}

static void number(struct bo_strbuf *sb, double v)
{
	char buf[BO_VIEW_BUF];

	bo_strbuf_printf(sb, "<td class=\"n\">%s</td>", v == 0 ? "\u2013" : bo_view_count(v, buf));
}

static void put_table(struct bo_strbuf *sb, const struct census *c)
{
	size_t shown = c->kinds.len < ROWS_MAX ? c->kinds.len : ROWS_MAX;

	bo_strbuf_puts(sb, "<table class=\"goroutines\"><caption>");
	bo_text_html(sb, c->node);
	bo_strbuf_puts(sb, ", at the end of each phase</caption><thead><tr><th>State</th>"
			   "<th>Waits in</th><th>Created by</th>");
	for (size_t i = 0; i < c->ncolumns; i++) {
		bo_strbuf_puts(sb, "<th class=\"n\">");
		bo_text_html(sb, bo_view_str(c->columns[i], "phase"));
		bo_strbuf_puts(sb, "</th>");
	}
	bo_strbuf_puts(sb, "<th class=\"n\">stuck at the end</th></tr></thead><tbody>\n");
	for (size_t r = 0; r < shown; r++) {
		const struct kind *k = &c->kinds.items[r];

		bo_strbuf_puts(sb, "<tr><td>");
		bo_text_html(sb, bo_view_str(k->group, "state"));
		bo_strbuf_puts(sb, "</td>");
		place(sb, bo_view_str(k->group, "blocked_at"),
		      bo_view_str(k->group, "blocked_line"));
		place(sb, bo_view_str(k->group, "site"), bo_view_str(k->group, "site_line"));
		for (size_t i = 0; i < c->ncolumns; i++)
			number(sb, k->count[i]);
		number(sb, k->stuck);
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, "<tr class=\"sub\"><td colspan=\"3\">all</td>");
	for (size_t i = 0; i < c->ncolumns; i++)
		number(sb, bo_view_num(c->columns[i], "total"));
	bo_strbuf_puts(sb, "<td></td></tr>\n</tbody></table>\n");
	if (shown < c->kinds.len)
		bo_strbuf_printf(
			sb,
			"<p class=\"note\">%zu more kinds, which changed less, are in run.json.</p>\n",
			c->kinds.len - shown);
}

void bo_html_goroutines(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *nodes = bo_view_get(bo_view_get(run, "topology"), "nodes");
	const json_t *snapshots = bo_view_get(run, "goroutine_groups");
	bool any = false;

	for (size_t i = 0; i < json_array_size(nodes); i++) {
		struct census c = { .node = bo_view_str(json_array_get(nodes, i), "name") };

		if (!collect(&c, snapshots))
			sb->failed = true;
		rank(&c);
		if (c.ncolumns) {
			put_table(sb, &c);
			any = true;
		}
		bo_vec_done(&c.kinds);
	}
	bo_strbuf_puts(sb, any ? "<p class=\"note\">By falling change. Stuck: has not run in three "
				 "looks or more.</p>\n"
			       : "<p class=\"note\">No process was looked into.</p>\n");
}
