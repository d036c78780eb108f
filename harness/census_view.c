/* SPDX-License-Identifier: Apache-2.0 */
/* harness/census_view.c — a census on one screen: who, how many, what the scheduler and the collector do, and the groups.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "harness/census_view.h"

static void cell(struct bo_table *table, const char *fmt, ...) BO_PRINTF(2, 3);
static void cell(struct bo_table *table, const char *fmt, ...)
{
	char buf[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	bo_table_add(table, buf);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "main.(*Server).query orders.go:77", without the import path's folders. */
static void place_cell(struct bo_table *table, const struct bo_census_frame *f, const char *none)
{
	if (!f->func[0])
		cell(table, "%s", none);
	else if (f->file[0])
		cell(table, "%s %s:%d", base_name(f->func), base_name(f->file), f->line);
	else
		cell(table, "%s", base_name(f->func));
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
	fprintf(out, "scheduler   %" PRId64 " procs (%" PRId64 " idle), %" PRId64 " threads, run queue %" PRId64 "+%" PRId64,
		s->procs, s->idle_procs, s->threads, s->runq_global, s->runq_local);
	if (rates)
		fprintf(out, ", %.0f goroutines/s made", per_second(s->created, b->created, s->t_ns - b->t_ns));
	if (p99 >= 0)
		fprintf(out, ", p99 %s to get a proc", duration(p99, buf));
	if (s->stw_pending_ns > BO_NSEC_PER_SEC)
		fprintf(out, "\n            STUCK: stopping the world has been pending for %s",
			duration(s->stw_pending_ns, buf));
	fputc('\n', out);
}

static void print_collector(const struct bo_census_stats *s, FILE *out)
{
	char live[BO_UNIT_BUF], goal[BO_UNIT_BUF], limit[BO_UNIT_BUF], pause[BO_UNIT_BUF], since[BO_UNIT_BUF];

	if (s->gc_cycles < 0)
		return;
	fprintf(out, "collector   %" PRId64 " cycles", s->gc_cycles);
	if (s->gc_cycles)
		fprintf(out, ", last %s ago, pause %s", duration(s->gc_since_ns, since),
			duration(s->gc_last_pause_ns, pause));
	if (s->heap_live_bytes >= 0)
		fprintf(out, ", heap %s of %s", bo_format_size(s->heap_live_bytes, live),
			s->heap_goal_bytes > 0 ? bo_format_size(s->heap_goal_bytes, goal) : "no goal yet");
	if (s->memory_limit_bytes >= 0 && s->memory_limit_bytes != INT64_MAX)
		fprintf(out, ", limit %s", bo_format_size(s->memory_limit_bytes, limit));
	fputc('\n', out);
}

static void print_head(const struct bo_census_view *v, FILE *out)
{
	const struct bo_census_snapshot *s = v->snap;
	char took[BO_UNIT_BUF];

	fprintf(out, "%s (pid %d), %s %s, read through %s + %s in %s\n", v->name, v->info->pid, v->info->go_version,
		v->info->arch, v->info->located, v->info->layout, duration(s->took_ns, took));
	fprintf(out, "goroutines  %" PRIu64 ", and %" PRIu64 " of the runtime's own", s->user, s->system);
	if (s->unreadable)
		fprintf(out, "; %" PRIu64 " could not be read", s->unreadable);
	if (s->overflow)
		fprintf(out, "; %" PRIu64 " are in no group: there are too many", s->overflow);
	fputc('\n', out);
	print_scheduler(v, out);
	print_collector(v->stats, out);
}

static void add_row(struct bo_table *table, const struct bo_census_group *g)
{
	char age[BO_UNIT_BUF];

	cell(table, "%" PRIu64, g->count);
	cell(table, "%s%s%s", g->reason, g->locked ? ", locked" : "", g->system ? " (runtime)" : "");
	/* What the runtime stamped at a collection may be older than our own watch. */
	cell(table, "%s", duration(g->waited_max_ns > g->age_max_ns ? g->waited_max_ns : g->age_max_ns, age));
	if (g->unmoved)
		cell(table, "%" PRIu64, g->unmoved);
	else
		cell(table, "-");
	place_cell(table, g->blocked.func[0] ? &g->blocked : &g->start, "?");
	place_cell(table, &g->created, g->goid == 1 ? "(main)" : "-");
	cell(table, "%s", g->labels);
}

void bo_census_view_print(const struct bo_census_view *v, const struct bo_console *con)
{
	struct bo_table table = { .head = { "count", "state", "age", "unmoved", "at", "started by", "labels" },
				  .right = 1u | 1u << 2 | 1u << 3 };
	size_t shown = 0, left_out = 0;
	bool labels = false;

	for (size_t i = 0; i < v->snap->ngroups; i++)
		labels |= v->snap->groups[i].labels[0] != 0;
	table.ncols = 7;
	if (!labels)
		table.head[6] = "";
	print_head(v, con->out);
	fputc('\n', con->out);
	for (size_t i = 0; i < v->snap->ngroups; i++) {
		if (v->only_unmoved && !v->snap->groups[i].unmoved)
			continue;
		if (v->rows && shown == v->rows) {
			left_out++;
			continue;
		}
		add_row(&table, &v->snap->groups[i]);
		shown++;
	}
	if (!shown)
		fprintf(con->out, "  nobody has stood still for %d samples\n", BO_CENSUS_UNMOVED_SAMPLES);
	bo_table_print(&table, con);
	if (left_out)
		fprintf(con->out, "  … and %zu smaller groups\n", left_out);
}

void bo_census_view_changes(const struct bo_census_change *changes, size_t n, const struct bo_console *con)
{
	struct bo_table table = { .head = { "change", "before", "after", "state", "at", "started by" },
				  .ncols = 6, .right = 7 };

	if (!n)
		fprintf(con->out, "no group changed\n");
	for (size_t i = 0; i < n; i++) {
		const struct bo_census_change *c = &changes[i];
		const struct bo_census_group *g = c->after ? c->after : c->before;

		cell(&table, "%+" PRId64, c->delta);
		cell(&table, "%" PRIu64, c->before ? c->before->count : 0);
		cell(&table, "%" PRIu64, c->after ? c->after->count : 0);
		cell(&table, "%s", g->reason);
		place_cell(&table, g->blocked.func[0] ? &g->blocked : &g->start, "?");
		place_cell(&table, &g->created, "-");
	}
	bo_table_print(&table, con);
}
