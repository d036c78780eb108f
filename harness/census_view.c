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

#define STATE_WIDTH 24
/* count, state, age, unmoved and the blanks between them. */
#define FIXED_WIDTH (9 + STATE_WIDTH + 2 + 8 + 2 + 9 + 2)
#define PLACE_MIN 24

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
		bo_strbuf_printf(&raw, " %s:%d", base_name(f->file), f->line);
	bo_text_plain(sb, bo_strbuf_str(&raw));
	bo_strbuf_done(&raw);
}

/* @text in exactly @width columns; what is cut is its beginning, because method, file and line stand at its end. */
static void column(FILE *out, const char *text, size_t width, bool last)
{
	size_t have = bo_utf8_columns(text);
	uint32_t cp;

	if (have > width && width) {
		for (; have > width - 1; have--)
			text += bo_utf8_next(text, &cp);
		fprintf(out, "…%s", text);
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

static void print_scheduler(const struct bo_census_view *v, FILE *out)
{
	const struct bo_census_stats *s = v->stats, *b = v->stats_before;
	bool rates = b && b->t_ns && s->created >= 0;
	char buf[BO_UNIT_BUF];
	int64_t p99;

	if (s->procs < 0 || s->threads < 0) {
		fprintf(out, "scheduler: not known for this version\n");
		return;
	}
	p99 = bo_census_latency_quantile_ns(rates ? b : NULL, s, 0.99);
	fprintf(out,
		"scheduler   %" PRId64 " procs (%" PRId64 " idle), %" PRId64
		" threads, run queue %" PRId64 "+%" PRId64,
		s->procs, s->idle_procs, s->threads, s->runq_global, s->runq_local);
	if (rates)
		fprintf(out, ", %.0f goroutines/s made",
			per_second(s->created, b->created, s->t_ns - b->t_ns));
	if (p99 >= 0)
		fprintf(out, ", p99 %s to get a proc", duration(p99, buf));
	if (s->stw_pending_ns >= BO_CENSUS_VIEW_STW_NS)
		fprintf(out,
			"\n            STUCK: stopping the world has been pending for %s; "
			"who is \"running\" does not yield",
			duration(s->stw_pending_ns, buf));
	fputc('\n', out);
}

static void print_collector(const struct bo_census_stats *s, FILE *out)
{
	char live[BO_UNIT_BUF], goal[BO_UNIT_BUF], limit[BO_UNIT_BUF], pause[BO_UNIT_BUF],
		since[BO_UNIT_BUF];

	if (s->gc_cycles < 0)
		return;
	fprintf(out, "collector   %" PRId64 " cycles", s->gc_cycles);
	if (s->gc_cycles)
		fprintf(out, ", last %s ago, pause %s", duration(s->gc_since_ns, since),
			duration(s->gc_last_pause_ns, pause));
	if (s->heap_live_bytes >= 0)
		fprintf(out, ", heap %s of %s", bo_format_size(s->heap_live_bytes, live),
			s->heap_goal_bytes > 0 ? bo_format_size(s->heap_goal_bytes, goal)
					       : "no goal yet");
	if (s->memory_limit_bytes >= 0 && s->memory_limit_bytes != INT64_MAX)
		fprintf(out, ", limit %s", bo_format_size(s->memory_limit_bytes, limit));
	fputc('\n', out);
}

static void print_head(const struct bo_census_view *v, FILE *out)
{
	const struct bo_census_snapshot *s = v->snap;
	char took[BO_UNIT_BUF];

	fprintf(out, "%s (pid %d), %s %s, read through %s + %s in %s\n", v->name, v->info->pid,
		v->info->go_version, v->info->arch, v->info->located, v->info->layout,
		duration(s->took_ns, took));
	fprintf(out, "goroutines  %" PRIu64 ", and %" PRIu64 " of the runtime's own", s->user,
		s->system);
	if (s->unreadable)
		fprintf(out, "; %" PRIu64 " could not be read", s->unreadable);
	if (s->overflow)
		fprintf(out, "; %" PRIu64 " are in no group: there are too many", s->overflow);
	fputc('\n', out);
	print_scheduler(v, out);
	print_collector(v->stats, out);
}

/* Columns for each of the two places; 0 for as long as they are, which is right for files and pipes. */
static size_t place_width(const struct bo_census_view *v)
{
	if (!v->columns)
		return 0;
	return v->columns > FIXED_WIDTH + 2 * PLACE_MIN ? (v->columns - FIXED_WIDTH - 2) / 2
							: PLACE_MIN;
}

static void print_row(const struct bo_census_view *v, const struct bo_census_group *g, FILE *out)
{
	struct bo_strbuf at = { 0 }, by = { 0 }, state = { 0 }, labels = { 0 };
	size_t width = place_width(v);
	char age[BO_UNIT_BUF], unmoved[24] = "-";

	/* What the runtime stamped at a collection may be older than our own watch. */
	duration(g->waited_max_ns > g->age_max_ns ? g->waited_max_ns : g->age_max_ns, age);
	if (g->unmoved)
		snprintf(unmoved, sizeof(unmoved), "%" PRIu64, g->unmoved);
	bo_text_plain(&state, g->reason);
	if (g->locked)
		bo_strbuf_puts(&state, ", locked");
	if (g->system)
		bo_strbuf_puts(&state, " (runtime)");
	place(&at, g->blocked.func[0] ? &g->blocked : &g->start, "?");
	place(&by, &g->created, g->goid == 1 ? "(main)" : "-");
	bo_text_plain(&labels, g->labels);
	fprintf(out, "%9" PRIu64 "  ", g->count);
	column(out, bo_strbuf_str(&state), STATE_WIDTH, false);
	fprintf(out, " %8s %8s  ", age, unmoved);
	column(out, bo_strbuf_str(&at), width, false);
	fputs("  ", out);
	column(out, bo_strbuf_str(&by), width, !labels.len);
	if (labels.len && !width)
		fprintf(out, "  %s", bo_strbuf_str(&labels));
	fputc('\n', out);
	bo_strbuf_done(&at);
	bo_strbuf_done(&by);
	bo_strbuf_done(&state);
	bo_strbuf_done(&labels);
}

void bo_census_view_print(const struct bo_census_view *v, FILE *out)
{
	size_t shown = 0, left_out = 0, width = place_width(v);

	print_head(v, out);
	fprintf(out, "\n%9s  %-*s %8s %8s  ", "count", STATE_WIDTH, "state", "age", "unmoved");
	column(out, "at", width, false);
	fputs("  started by\n", out);
	for (size_t i = 0; i < v->snap->ngroups; i++) {
		if (v->only_unmoved && !v->snap->groups[i].unmoved)
			continue;
		if (v->rows && shown == v->rows) {
			left_out++;
			continue;
		}
		print_row(v, &v->snap->groups[i], out);
		shown++;
	}
	if (!shown)
		fprintf(out, "nobody has stood still for %d samples\n", BO_CENSUS_UNMOVED_SAMPLES);
	if (left_out)
		fprintf(out, "… and %zu smaller groups\n", left_out);
}

void bo_census_view_changes(const struct bo_census_change *changes, size_t n, FILE *out)
{
	if (!n)
		fprintf(out, "no group changed\n");
	else
		fprintf(out, "%9s %9s %9s  %-*s  at  started by\n", "change", "before", "after",
			STATE_WIDTH, "state");
	for (size_t i = 0; i < n; i++) {
		const struct bo_census_change *c = &changes[i];
		const struct bo_census_group *g = c->after ? c->after : c->before;
		struct bo_strbuf line = { 0 };

		fprintf(out, "%+9" PRId64 " %9" PRIu64 " %9" PRIu64 "  ", c->delta,
			c->before ? c->before->count : 0, c->after ? c->after->count : 0);
		bo_text_plain(&line, g->reason);
		column(out, bo_strbuf_str(&line), STATE_WIDTH, false);
		line.len = 0;
		bo_strbuf_puts(&line, "  ");
		place(&line, g->blocked.func[0] ? &g->blocked : &g->start, "?");
		bo_strbuf_puts(&line, "  ");
		place(&line, &g->created, "-");
		fprintf(out, "%s\n", bo_strbuf_str(&line));
		bo_strbuf_done(&line);
	}
}
