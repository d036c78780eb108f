/* SPDX-License-Identifier: Apache-2.0 */
/* harness/batch_report.c — every run has its row, its JUnit suite and its place in the list, also one that left no
 * run.json: what did not run must not look as if nobody had asked for it. */
#include "harness/batch_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "brownout/slo/repeat.h"
#include "harness/console_table.h"
#include "harness/verbs.h"

static const char *why_none(int code)
{
	switch (code) {
	case BO_EXIT_CANNOT:
		return "This machine cannot run it.";
	case BO_EXIT_USAGE:
		return "It could not be started.";
	case 4:
		return "Never begun: interrupted before.";
	default:
		return "It ended without a report.";
	}
}

/* run.json's shape, as far as other reports need it */
static json_t *stand_in(const struct bo_batch_result *run)
{
	const char *verdict = bo_outcome_name(run->code == 4 ? BO_ABORTED : BO_INCONCLUSIVE);

	return json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s, s:[]}, s:[], s:[]}", "schema",
			 BO_RUN_SCHEMA, "scenario", "name", run->name, "path", run->path, "outcome",
			 "verdict", verdict, "exit_code", run->code, "headline",
			 why_none(run->code), "reasons", "budgets", "faults");
}

int bo_batch_load(struct bo_batch_result *runs, size_t n, struct bo_err *err)
{
	for (size_t i = 0; i < n; i++) {
		bo_auto_fd int dir = -1;

		if (*runs[i].dir)
			dir = open(runs[i].dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (dir < 0 || bo_report_load(&runs[i].doc, dir, NULL) < 0)
			runs[i].doc = stand_in(&runs[i]);
		if (!runs[i].doc)
			return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	return 0;
}

void bo_batch_unload(struct bo_batch_result *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(runs[i].doc);
}

static const char *verdict_of(const json_t *doc)
{
	return bo_view_str(bo_view_get(doc, "outcome"), "verdict");
}

static void print_runs(const struct bo_console *con, const struct bo_batch_result *runs, size_t n)
{
	struct bo_table table = { .head = { "RUN", "VERDICT", "TOOK", "SEED", "FOLDER" },
				  .ncols = 5,
				  .right = 1u << 2 };
	char took[BO_VIEW_BUF];

	for (size_t i = 0; i < n; i++) {
		const json_t *doc = runs[i].doc;

		bo_table_add(&table, runs[i].name);
		bo_table_add(&table, verdict_of(doc));
		bo_table_add(&table, bo_view_seconds(bo_view_num(doc, "duration_s"), took));
		bo_table_add(&table, bo_view_str(bo_view_get(doc, "scenario"), "seed"));
		bo_table_add(&table, *runs[i].dir ? runs[i].dir : why_none(runs[i].code));
	}
	fputc('\n', con->out);
	bo_table_print(&table, con);
}

/* The outcome of budget @text in each run of the group; runs that lack it are left out. */
static size_t budget_outcomes(const struct bo_batch_result *runs, size_t n, const char *text,
			      enum bo_outcome *ret)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const json_t *budget = bo_view_find(bo_view_get(runs[i].doc, "budgets"), "text",
						    text);

		if (budget)
			ret[found++] = bo_outcome_from_name(bo_view_str(budget, "outcome"));
	}
	return found;
}

static void print_line(const struct bo_console *con, const char *indent, const char *what,
		       const struct bo_repeat *repeat)
{
	struct bo_strbuf line = { 0 };

	bo_strbuf_printf(&line, "%s%s: %s: %s", indent, what, bo_outcome_name(repeat->outcome),
			 repeat->text);
	bo_console_text(con, bo_strbuf_str(&line));
	bo_strbuf_done(&line);
}

/* One scenario's repetitions, runs[0 … n): the verdict on all, and the budgets that did not hold in each. */
static void print_group(const struct bo_console *con, const struct bo_batch_result *runs, size_t n)
{
	bo_auto_free enum bo_outcome *outcomes = calloc(n, sizeof(*outcomes));
	const json_t *budgets = bo_view_get(runs[0].doc, "budgets");
	const char *hash = strrchr(runs[0].name, '#');
	char name[80];
	struct bo_repeat repeat;

	if (!outcomes)
		return;
	for (size_t i = 0; i < n; i++)
		outcomes[i] = bo_outcome_from_name(verdict_of(runs[i].doc));
	bo_repeat_judge(outcomes, n, &repeat);
	snprintf(name, sizeof(name), "%.*s",
		 hash ? (int)(hash - runs[0].name - 1) : (int)strlen(runs[0].name), runs[0].name);
	print_line(con, "", name, &repeat);
	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const char *text = bo_view_str(json_array_get(budgets, i), "text");
		size_t k = budget_outcomes(runs, n, text, outcomes);

		bo_repeat_judge(outcomes, k, &repeat);
		if (repeat.outcome != BO_PASS)
			print_line(con, "- ", text, &repeat);
	}
}

static void print_groups(const struct bo_console *con, const struct bo_batch_result *runs, size_t n)
{
	fputc('\n', con->out);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from; to < n && runs[to].group == runs[from].group; to++)
			;
		print_group(con, runs + from, to - from);
	}
}

void bo_batch_print(const struct bo_options *o, const struct bo_batch_result *runs, size_t n)
{
	struct bo_console con = bo_console_for(stdout);

	if (o->json) {
		json_t *list = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append(list, runs[i].doc);
		(void)!bo_report_dump(list, stdout);
		json_decref(list);
		return;
	}
	if (!o->quiet)
		print_runs(&con, runs, n);
	if (o->repeat > 1)
		print_groups(&con, runs, n);
}

int bo_batch_junit(const char *path, const struct bo_batch_result *runs, size_t n,
		   struct bo_err *err)
{
	bo_auto_free const json_t **docs = calloc(n + 1, sizeof(*docs));

	if (!docs)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (size_t i = 0; i < n; i++)
		docs[i] = runs[i].doc;
	return bo_report_junit_file(path, docs, n, err);
}
