/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_compare.c — `brownout compare`: two runs, or two sets of runs, side by side, budgets first, then each
 * phase. It states differences and judges none: a verdict on one run is the budgets' business.
 * Exit: 0 compared, 2 bad usage or no such run.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "harness/compare.h"
#include "harness/console_table.h"
#include "harness/verbs.h"

typedef const char *(*format_fn)(double value, char buf[BO_VIEW_BUF]);

static void add_printf(struct bo_table *table, const char *fmt, ...) BO_PRINTF(2, 3);
static void add_printf(struct bo_table *table, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	bo_table_add(table, buf);
}

static void add_budget(struct bo_table *table, const char *text, const json_t *a, const json_t *b)
{
	const char *was = a ? bo_view_str(a, "outcome") : "absent",
		   *is = b ? bo_view_str(b, "outcome") : "absent";

	bo_table_add(table, text);
	add_printf(table, "%s %s", was, bo_view_str(a, "measured"));
	add_printf(table, "%s %s", is, bo_view_str(b, "measured"));
	bo_table_add(table, !strcmp(was, is) ? "" : "changed");
}

static void compare_budgets(const struct bo_console *con, const json_t *a, const json_t *b)
{
	const json_t *of_a = bo_view_get(a, "budgets"), *of_b = bo_view_get(b, "budgets");
	struct bo_table table = { .head = { "BUDGET", "A", "B", "" }, .ncols = 4 };

	for (size_t i = 0; i < json_array_size(of_a); i++) {
		const char *text = bo_view_str(json_array_get(of_a, i), "text");

		add_budget(&table, text, json_array_get(of_a, i),
			   bo_compare_budget(of_b, text, bo_compare_nth(of_a, i)));
	}
	for (size_t i = 0; i < json_array_size(of_b); i++) {
		const char *text = bo_view_str(json_array_get(of_b, i), "text");

		if (!bo_compare_budget(of_a, text, bo_compare_nth(of_b, i)))
			add_budget(&table, text, NULL, json_array_get(of_b, i));
	}
	if (table.cells.len)
		fputc('\n', con->out);
	bo_table_print(&table, con);
}

static void add_metric(struct bo_table *table, const char *phase, const char *metric, double a,
		       double b, format_fn format)
{
	char fa[BO_VIEW_BUF], fb[BO_VIEW_BUF], diff[BO_VIEW_BUF];

	if (!isfinite(a) && !isfinite(b))
		return;
	bo_table_add(table, phase);
	bo_table_add(table, metric);
	bo_table_add(table, format(a, fa));
	bo_table_add(table, format(b, fb));
	if (!isfinite(a) || !isfinite(b)) {
		bo_table_add(table, "");
		bo_table_add(table, "");
		return;
	}
	add_printf(table, "%s%s", b > a ? "+" : "", format(b - a, diff));
	if (a > 0 && a != b)
		add_printf(table, "%+.0f%%", (b - a) / a * 100);
	else
		bo_table_add(table, a == b ? "=" : "");
}

static void compare_phases(const struct bo_console *con, const json_t *a, const json_t *b)
{
	const json_t *phases = bo_view_get(a, "phases");
	const json_t *goroutines_a = bo_view_get(bo_view_series(a, "goroutines", "subject"),
						 "phases");
	const json_t *goroutines_b = bo_view_get(bo_view_series(b, "goroutines", "subject"),
						 "phases");
	struct bo_table table = { .head = { "PHASE", "", "A", "B", "DIFFERENCE", "" },
				  .ncols = 6,
				  .right = 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 };

	for (size_t i = 0; i < json_array_size(phases); i++) {
		const char *name = bo_view_str(json_array_get(phases, i), "name");
		const json_t *x = bo_view_get(json_array_get(phases, i), "all");
		const json_t *y = bo_view_get(bo_view_find(bo_view_get(b, "phases"), "name", name),
					      "all");

		add_metric(&table, name, "p50", bo_view_num(x, "p50_ms"), bo_view_num(y, "p50_ms"),
			   bo_view_ms);
		add_metric(&table, name, "p99", bo_view_num(x, "p99_ms"), bo_view_num(y, "p99_ms"),
			   bo_view_ms);
		add_metric(&table, name, "errors", bo_view_num(x, "error_ratio"),
			   bo_view_num(y, "error_ratio"), bo_view_percent);
		add_metric(&table, name, "goroutines max",
			   bo_view_num(bo_view_get(goroutines_a, name), "max"),
			   bo_view_num(bo_view_get(goroutines_b, name), "max"), bo_view_count);
		add_metric(&table, name, "goroutines last",
			   bo_view_num(bo_view_get(goroutines_a, name), "last"),
			   bo_view_num(bo_view_get(goroutines_b, name), "last"), bo_view_count);
	}
	if (table.cells.len)
		fputc('\n', con->out);
	bo_table_print(&table, con);
}

static void print_side(const struct bo_console *con, const char *side, const json_t *run)
{
	struct bo_strbuf line = { 0 }, clean = { 0 };

	bo_strbuf_printf(&line, "%s  (links: %s, seed %s)", bo_view_str(run, "id"),
			 bo_view_str(bo_view_get(run, "environment"), "link_driver"),
			 bo_view_str(bo_view_get(run, "scenario"), "seed"));
	bo_text_plain(&clean, bo_strbuf_str(&line));
	fprintf(con->out, "%s  ", side);
	bo_console_badge(con, bo_view_str(bo_view_get(run, "outcome"), "verdict"));
	fprintf(con->out, "  %s\n", bo_strbuf_str(&clean));
	bo_strbuf_done(&clean);
	bo_strbuf_done(&line);
}

static bool is_like(const json_t *a, const json_t *b, const char *group, const char *key)
{
	return !strcmp(bo_view_str(bo_view_get(a, group), key),
		       bo_view_str(bo_view_get(b, group), key));
}

/* What makes runs hard to compare is said before their numbers.  Seeds matter for two runs only: the repetitions of a
 * set differ in them on purpose. */
static void warn_unlike(const struct bo_console *con, const struct bo_compare_set *a,
			const struct bo_compare_set *b)
{
	static const struct {
		const char *group;
		const char *key;
		const char *warning;
	} likes[] = {
		{ "scenario", "name", "note: these are runs of different scenarios" },
		{ "environment", "machine", "note: the runs were made on different machines" },
		{ "environment", "link_driver",
		  "note: the links were impaired by different drivers" },
		{ "scenario", "seed",
		  "note: the seeds differ, and with them arrivals and the fate of packets" },
	};
	bool pair = a->runs.len == 1 && b->runs.len == 1;

	for (size_t i = 0; i < sizeof(likes) / sizeof(*likes); i++) {
		const json_t *first = a->runs.items[0];
		bool like = true;

		if (!strcmp(likes[i].key, "seed") && !pair)
			continue;
		bo_vec_foreach(run, &a->runs)
			like = like && is_like(first, *run, likes[i].group, likes[i].key);
		bo_vec_foreach(run, &b->runs)
			like = like && is_like(first, *run, likes[i].group, likes[i].key);
		if (!like)
			bo_console_text(con, likes[i].warning);
	}
}

static int add_side(struct bo_compare_set *set, char **paths, int n)
{
	struct bo_err err = { 0 };

	for (int i = 0; i < n; i++) {
		if (bo_compare_set_add(set, paths[i], &err) == 0)
			continue;
		fprintf(stderr, "brownout compare: %s\n", err.msg);
		return -1;
	}
	return 0;
}

static void print_runs(const struct bo_console *con, const char *side,
		       const struct bo_compare_set *set)
{
	char text[128];

	bo_vec_foreach(run, &set->runs)
		print_side(con, side, *run);
	if (!set->left_out)
		return;
	snprintf(text, sizeof(text), "note: %zu folder%s of %s without run.json %s left out",
		 set->left_out, set->left_out == 1 ? "" : "s", side,
		 set->left_out == 1 ? "is" : "are");
	bo_console_text(con, text);
}

static int compare(const struct bo_compare_set *a, const struct bo_compare_set *b)
{
	struct bo_console con = bo_console_for(stdout);
	struct bo_err err = { 0 };

	print_runs(&con, "A", a);
	print_runs(&con, "B", b);
	warn_unlike(&con, a, b);
	if (a->runs.len == 1 && b->runs.len == 1) {
		compare_budgets(&con, a->runs.items[0], b->runs.items[0]);
		compare_phases(&con, a->runs.items[0], b->runs.items[0]);
		return BO_EXIT_OK;
	}
	if (bo_compare_sets(&con, a, b, &err) == 0)
		return BO_EXIT_OK;
	fprintf(stderr, "brownout compare: %s\n", err.msg);
	return BO_EXIT_USAGE;
}

int cmd_compare(int argc, char **argv)
{
	struct bo_compare_set a = { 0 }, b = { 0 };
	int cut = 1, code = BO_EXIT_USAGE;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: brownout compare A B\n"
		     "       brownout compare A... -- B...\n\n"
		     "Each is the folder of a run, or one with folders of runs in it, as several repetitions make them.\n"
		     "Budgets side by side, then latency, errors and goroutines of each phase with their difference.\n"
		     "With several runs on a side: how often each budget held, and how far latency moved, with its 95 % interval and p.\n\n"
		     "exit: 0 compared, 2 bad usage or no such run");
		return BO_EXIT_OK;
	}
	while (cut < argc && strcmp(argv[cut], "--") != 0)
		cut++;
	if (cut == argc ? argc != 3 : cut == 1 || cut == argc - 1) {
		fputs("brownout compare: expected the folders of two runs, or of several on both sides of `--`; `brownout compare --help` says more\n",
		      stderr);
		return BO_EXIT_USAGE;
	}
	if (cut == argc ? !add_side(&a, argv + 1, 1) && !add_side(&b, argv + 2, 1)
			: !add_side(&a, argv + 1, cut - 1) &&
				  !add_side(&b, argv + cut + 1, argc - cut - 1))
		code = compare(&a, &b);
	bo_compare_set_done(&a);
	bo_compare_set_done(&b);
	return code;
}
