/* SPDX-License-Identifier: Apache-2.0 */
/* harness/census_view.c — a census on one screen: who, how many, what the scheduler and the collector do, and the groups.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/units.h"
#include "brownout/report/text.h"
#include "harness/census_view.h"

/** struct widths - of the columns;  @at, @by: 0 for as long as they are, which is right for files and pipes */
struct widths {
	int count, state, age, unmoved;
	size_t at, by;
	bool short_by; /* the go statement's file and line alone */
};
#define PLACE_MIN 24
/* Groups are shown, however low the terminal is. */
#define ROWS_MIN 4
#define DIFF_STATE 24
/* Where a head's second line begins. */
#define LEFT "            "
#define SHORT_BY 15
#define AT_MIN 20

static size_t fixed_width(const struct widths *w)
{
	return (size_t)(w->count + 2 + w->state + 1 + w->age + 1 + w->unmoved + 2);
}

/* A terminal of 80 columns has no room for two places with their functions. */
static struct widths widths(size_t columns)
{
	struct widths w = { 9, 24, 8, 8, 0, 0, false };

	if (!columns)
		return w;
	if (columns < fixed_width(&w) + 2 + 2 * PLACE_MIN)
		w = (struct widths){ 6, 14, 7, 7, 0, SHORT_BY, true };
	else
		w.by = (columns - fixed_width(&w) - 2) / 2;
	w.at = columns > fixed_width(&w) + 2 + w.by + AT_MIN ? columns - fixed_width(&w) - 2 - w.by
							     : AT_MIN;
	return w;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "main.(*Server).query orders.go:77", without the import path's folders. */
static void place(struct bo_strbuf *sb, const struct bo_census_frame *f, const char *none)
{
	struct bo_strbuf raw = { 0 };

	if (!f->func[0])
		bo_strbuf_puts(&raw, none);
	else
		bo_strbuf_puts(&raw, base_name(f->func));
	if (f->file[0])
		bo_strbuf_printf(&raw, "%s%s:%d", raw.len ? " " : "", base_name(f->file), f->line);
	bo_text_plain(sb, bo_strbuf_str(&raw));
	bo_strbuf_done(&raw);
}

enum cut { CUT_BEGINNING, CUT_END };

/* @text in exactly @width columns.  Of places the beginning is cut, because method, file and line stand at the end. */
static void column(FILE *out, const char *text, size_t width, enum cut cut, bool last)
{
	size_t have = bo_utf8_columns(text);
	uint32_t cp;

	if (have > width && width && cut == CUT_BEGINNING) {
		for (; have > width - 1; have--)
			text += bo_utf8_next(text, &cp);
		fprintf(out, "…%s", text);
		have++;
	} else if (have > width && width) {
		const char *end = text;

		for (have = 0; have < width - 1; have++)
			end += bo_utf8_next(end, &cp);
		fprintf(out, "%.*s…", (int)(end - text), text);
		have++;
	} else {
		fputs(text, out);
	}
	for (; !last && have < width; have++)
		fputc(' ', out);
}

static const char *duration(int64_t ns, char buf[BO_UNIT_BUF])
{
	return ns < 0 ? "?" : bo_format_duration(ns, buf);
}

static double per_second(int64_t now, int64_t before, int64_t dt_ns)
{
	return dt_ns > 0 && now >= before ? (double)(now - before) * 1e9 / (double)dt_ns : 0;
}

/* Return: how many lines */
static size_t print_scheduler(const struct bo_census_view *v, FILE *out)
{
	const struct bo_census_stats *s = v->stats, *b = v->stats_before;
	bool rates = b && b->t_ns && s->created >= 0;
	char buf[BO_UNIT_BUF];
	size_t lines = 1;
	int64_t p99;

	if (s->procs < 0 || s->threads < 0) {
		fprintf(out, "scheduler   not known for this version\n");
		return lines;
	}
	p99 = bo_census_latency_quantile_ns(rates ? b : NULL, s, 0.99);
	fprintf(out,
		"scheduler   %" PRId64 " procs (%" PRId64 " idle), %" PRId64
		" threads, run queue %" PRId64 "+%" PRId64 "\n",
		s->procs, s->idle_procs, s->threads, s->runq_global, s->runq_local);
	if (rates || p99 >= 0) {
		fputs(LEFT, out);
		if (rates)
			fprintf(out, "%.0f goroutines/s made",
				per_second(s->created, b->created, s->t_ns - b->t_ns));
		if (p99 >= 0)
			fprintf(out, "%sp99 %s to get a proc", rates ? ", " : "",
				duration(p99, buf));
		fputc('\n', out);
		lines++;
	}
	if (s->stw_pending_ns >= BO_CENSUS_VIEW_STW_NS) {
		fprintf(out,
			LEFT "STUCK: stopping the world has been pending for %s\n" LEFT
			     "whoever is \"running\" below does not yield\n",
			duration(s->stw_pending_ns, buf));
		lines += 2;
	}
	return lines;
}

/* Return: how many lines */
static size_t print_collector(const struct bo_census_stats *s, FILE *out)
{
	char live[BO_UNIT_BUF], goal[BO_UNIT_BUF], limit[BO_UNIT_BUF], pause[BO_UNIT_BUF],
		since[BO_UNIT_BUF];

	if (s->gc_cycles < 0)
		return 0;
	fprintf(out, "collector   %" PRId64 " cycles", s->gc_cycles);
	if (s->gc_cycles)
		fprintf(out, ", last %s ago, pause %s", duration(s->gc_since_ns, since),
			duration(s->gc_last_pause_ns, pause));
	if (s->heap_live_bytes >= 0)
		fprintf(out, ", heap %s of %s", bo_format_size(s->heap_live_bytes, live),
			s->heap_goal_bytes > 0 ? bo_format_size(s->heap_goal_bytes, goal)
					       : "no goal yet");
	fputc('\n', out);
	if (s->memory_limit_bytes < 0 || s->memory_limit_bytes == INT64_MAX)
		return 1;
	fprintf(out, LEFT "memory limit %s\n", bo_format_size(s->memory_limit_bytes, limit));
	return 2;
}

/* Return: how many lines */
static size_t print_head(const struct bo_census_view *v, FILE *out)
{
	const struct bo_census_snapshot *s = v->snap;
	char took[BO_UNIT_BUF];
	size_t lines = 2;

	fprintf(out, "%s (pid %d), %s %s, read through %s + %s in %s\n", v->name, v->info->pid,
		v->info->go_version, v->info->arch, v->info->located, v->info->layout,
		duration(s->took_ns, took));
	fprintf(out, "goroutines  %" PRIu64 ", and %" PRIu64 " of the runtime's own\n", s->user,
		s->system);
	if (s->unreadable && ++lines)
		fprintf(out, LEFT "%" PRIu64 " could not be read\n", s->unreadable);
	if (s->overflow && ++lines)
		fprintf(out, LEFT "%" PRIu64 " are in no group: there are too many\n", s->overflow);
	lines += print_scheduler(v, out);
	return lines + print_collector(v->stats, out);
}

static void print_row(const struct widths *w, const struct bo_census_group *g, FILE *out)
{
	struct bo_strbuf at = { 0 }, by = { 0 }, state = { 0 }, labels = { 0 };
	/* What the runtime stamped at a collection may be older than our own watch. */
	int64_t age_ns = g->waited_max_ns > g->age_max_ns ? g->waited_max_ns : g->age_max_ns;
	char age[BO_UNIT_BUF] = "-", unmoved[24] = "-";

	/* A first look knows nobody's age. */
	if (age_ns > 0)
		duration(age_ns, age);
	if (g->unmoved)
		snprintf(unmoved, sizeof(unmoved), "%" PRIu64, g->unmoved);
	bo_text_plain(&state, g->reason);
	if (g->locked)
		bo_strbuf_puts(&state, ", locked");
	if (g->system)
		bo_strbuf_puts(&state, " (runtime)");
	place(&at, g->blocked.func[0] ? &g->blocked : &g->start, "?");
	if (w->short_by && g->created.file[0]) {
		struct bo_census_frame line = g->created;

		line.func = "";
		place(&by, &line, "");
	} else {
		place(&by, &g->created, g->goid == 1 ? "(main)" : "-");
	}
	bo_text_plain(&labels, g->labels);
	fprintf(out, "%*" PRIu64 "  ", w->count, g->count);
	column(out, bo_strbuf_str(&state), (size_t)w->state, CUT_END, false);
	fprintf(out, " %*s %*s  ", w->age, age, w->unmoved, unmoved);
	column(out, bo_strbuf_str(&at), w->at, CUT_BEGINNING, false);
	fputs("  ", out);
	column(out, bo_strbuf_str(&by), w->by, CUT_BEGINNING, true);
	if (labels.len && !w->by)
		fprintf(out, "  %s", bo_strbuf_str(&labels));
	fputc('\n', out);
	bo_strbuf_done(&at);
	bo_strbuf_done(&by);
	bo_strbuf_done(&state);
	bo_strbuf_done(&labels);
}

void bo_census_view_print(const struct bo_census_view *v, FILE *out)
{
	const struct widths w = widths(v->columns);
	size_t shown = 0, left_out = 0, used = print_head(v, out), room = SIZE_MAX;

	/* Under the head: a blank, the columns' names, how many groups are left out, and the cursor's line. */
	if (v->rows)
		room = v->rows > used + 4 + ROWS_MIN ? v->rows - used - 4 : ROWS_MIN;
	fprintf(out, "\n%*s  %-*s %*s %*s  ", w.count, "count", w.state, "state", w.age, "age",
		w.unmoved, "unmoved");
	column(out, "at", w.at, CUT_END, false);
	fputs("  started by\n", out);
	/* Where the world does not stop, who runs is what one wants to know. */
	for (int first = v->stats->stw_pending_ns >= BO_CENSUS_VIEW_STW_NS; first >= 0; first--)
		for (size_t i = 0; i < v->snap->ngroups; i++) {
			const struct bo_census_group *g = &v->snap->groups[i];
			bool culprit = v->stats->stw_pending_ns >= BO_CENSUS_VIEW_STW_NS &&
				       g->state == BO_CENSUS_RUNNING;

			if (culprit != (first == 1) || (!culprit && v->only_unmoved && !g->unmoved))
				continue;
			if (shown == room) {
				left_out++;
				continue;
			}
			print_row(&w, g, out);
			shown++;
		}
	if (!shown)
		fprintf(out, "nobody has stood still for %d samples\n", BO_CENSUS_UNMOVED_SAMPLES);
	if (left_out)
		fprintf(out, "… and %zu smaller %s\n", left_out,
			left_out == 1 ? "group" : "groups");
}

static void print_total(const struct bo_census_saved *before, const struct bo_census_saved *after,
			FILE *out)
{
	uint64_t a = 0, b = 0;

	for (size_t i = 0; i < before->ngroups; i++)
		a += before->groups[i].count;
	for (size_t i = 0; i < after->ngroups; i++)
		b += after->groups[i].count;
	fprintf(out, "%+9" PRId64 " %9" PRIu64 " %9" PRIu64 "  in all\n", (int64_t)(b - a), a, b);
}

void bo_census_view_changes(const struct bo_census_saved *before,
			    const struct bo_census_saved *after,
			    const struct bo_census_change *changes, size_t n, FILE *out)
{
	if (!n) {
		fprintf(out, "no group changed\n");
		return;
	}
	fprintf(out, "%9s %9s %9s  %-*s  at  started by\n", "change", "before", "after", DIFF_STATE,
		"state");
	for (size_t i = 0; i < n; i++) {
		const struct bo_census_change *c = &changes[i];
		const struct bo_census_group *g = c->after ? c->after : c->before;
		struct bo_strbuf line = { 0 };

		fprintf(out, "%+9" PRId64 " %9" PRIu64 " %9" PRIu64 "  ", c->delta,
			c->before ? c->before->count : 0, c->after ? c->after->count : 0);
		bo_text_plain(&line, g->reason);
		column(out, bo_strbuf_str(&line), DIFF_STATE, CUT_END, false);
		line.len = 0;
		bo_strbuf_puts(&line, "  ");
		place(&line, g->blocked.func[0] ? &g->blocked : &g->start, "?");
		bo_strbuf_puts(&line, "  ");
		place(&line, &g->created, "-");
		fprintf(out, "%s\n", bo_strbuf_str(&line));
		bo_strbuf_done(&line);
	}
	print_total(before, after, out);
}
