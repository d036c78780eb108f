/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_compare.c — `brownout compare`: two runs side by side, budgets first, then each
 * phase. It states differences and judges none: a verdict on one run is the budgets' business.
 * Exit: 0 compared, 2 bad usage or no such run.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "harness/console_table.h"
#include "harness/verbs.h"

typedef const char *(*format_fn)(double value, char buf[BO_VIEW_BUF]);

static int load(const char *path, json_t **ret)
{
	struct bo_err err = { 0 };
	bo_auto_fd int dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dir < 0) {
		fprintf(stderr, "brownout compare: %s: %s\n", path, strerror(errno));
		return -errno;
	}
	int rc = bo_report_load(ret, dir, &err);

	if (rc)
		fprintf(stderr, "brownout compare: %s: %s\n", path, err.msg);
	return rc;
}

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

/* The n-th budget of that text: a scenario may hold the same line twice. */
static const json_t *same_budget(const json_t *budgets, const char *text, size_t nth)
{
	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);

		if (!strcmp(bo_view_str(budget, "text"), text) && !nth--)
			return budget;
	}
	return NULL;
}

static size_t earlier(const json_t *budgets, size_t i)
{
	const char *text = bo_view_str(json_array_get(budgets, i), "text");
	size_t n = 0;

	while (i--)
		n += !strcmp(bo_view_str(json_array_get(budgets, i), "text"), text);
	return n;
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
			   same_budget(of_b, text, earlier(of_a, i)));
	}
	for (size_t i = 0; i < json_array_size(of_b); i++) {
		const char *text = bo_view_str(json_array_get(of_b, i), "text");

		if (!same_budget(of_a, text, earlier(of_b, i)))
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

/* What makes two runs hard to compare is said before their numbers. */
static void warn_unlike(const struct bo_console *con, const json_t *a, const json_t *b)
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

	for (size_t i = 0; i < sizeof(likes) / sizeof(*likes); i++)
		if (strcmp(bo_view_str(bo_view_get(a, likes[i].group), likes[i].key),
			   bo_view_str(bo_view_get(b, likes[i].group), likes[i].key)) != 0)
			bo_console_text(con, likes[i].warning);
}

int cmd_compare(int argc, char **argv)
{
	struct bo_console con = bo_console_for(stdout);
	json_t *a = NULL, *b = NULL;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: brownout compare RUN_DIR_A RUN_DIR_B\n\n"
		     "Budgets side by side, then latency, errors and goroutines of each phase with their difference.\n\n"
		     "exit: 0 compared, 2 bad usage or no such run");
		return BO_EXIT_OK;
	}
	if (argc != 3) {
		fputs("brownout compare: expected the folders of two runs; `brownout compare --help` says more\n",
		      stderr);
		return BO_EXIT_USAGE;
	}
	if (load(argv[1], &a) || load(argv[2], &b)) {
		json_decref(a);
		return BO_EXIT_USAGE;
	}
	print_side(&con, "A", a);
	print_side(&con, "B", b);
	warn_unlike(&con, a, b);
	compare_budgets(&con, a, b);
	compare_phases(&con, a, b);
	json_decref(a);
	json_decref(b);
	return BO_EXIT_OK;
}
