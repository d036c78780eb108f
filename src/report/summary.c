/* SPDX-License-Identifier: Apache-2.0 */
/* report/summary.c — summary.md, for a CI job summary or a comment on a change: what a reviewer
 * reads in ten seconds. GitHub Flavored Markdown.  Details fold away; nothing in it needs HTML to
 * be readable.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "kinds.h"

static void add_cell(struct bo_strbuf *sb, const char *text)
{
	bo_strbuf_puts(sb, " ");
	bo_text_markdown(sb, text);
	bo_strbuf_puts(sb, " |");
}

static void add_budgets(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");

	bo_strbuf_puts(sb, "| | Budget | Measured | Missed | Where |\n|-|-|-|-|-|\n");
	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);
		const char *outcome = bo_view_budget_word(budget),
			   *reason = bo_view_str(budget, "reason");
		struct bo_strbuf where = { 0 };

		bo_view_source(&where, bo_view_get(budget, "source"));
		bo_strbuf_printf(sb, "| %s", bo_view_icon(outcome));
		add_cell(sb, outcome);
		bo_strbuf_puts(sb, " ");
		bo_text_markdown_code(sb, bo_view_str(budget, "text"));
		bo_strbuf_puts(sb, " |");
		add_cell(sb, bo_view_str(budget, "measured"));
		add_cell(sb, !strcmp(outcome, "PASS") || !*reason ? bo_view_str(budget, "excess")
								  : reason);
		add_cell(sb, bo_strbuf_str(&where));
		bo_strbuf_puts(sb, "\n");
		sb->failed |= where.failed;
		bo_strbuf_done(&where);
	}
	bo_strbuf_puts(sb, "\n");
}

static void add_grew(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");

	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i),
			     *grew = bo_view_get(budget, "grew");

		if (!json_array_size(grew))
			continue;
		bo_strbuf_puts(sb, "Grew most, ");
		bo_text_markdown_code(sb, bo_view_str(budget, "text"));
		if (*bo_view_str(budget, "evidence")) {
			bo_strbuf_puts(sb, " (see ");
			bo_text_markdown_code(sb, bo_view_str(budget, "evidence"));
			bo_strbuf_puts(sb, ")");
		}
		bo_strbuf_puts(sb, ":\n\n");
		for (size_t k = 0; k < json_array_size(grew); k++) {
			struct bo_strbuf line = { 0 };

			bo_view_grew(&line, json_array_get(grew, k));
			bo_strbuf_puts(sb, "- ");
			bo_text_markdown(sb, bo_strbuf_str(&line));
			bo_strbuf_puts(sb, "\n");
			sb->failed |= line.failed;
			bo_strbuf_done(&line);
		}
		bo_strbuf_puts(sb, "\n");
	}
}

static void add_faults(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *faults = bo_view_get(run, "faults");

	if (!json_array_size(faults))
		return;
	bo_strbuf_puts(sb, "| Fault | Requested | Achieved | Confirmed |\n|-|-|-|-|\n");
	for (size_t i = 0; i < json_array_size(faults); i++) {
		const json_t *fault = json_array_get(faults, i);
		struct bo_strbuf confirm = { 0 };

		bo_strbuf_puts(&confirm, bo_view_str(fault, "confirm"));
		if (*bo_view_str(fault, "reason"))
			bo_strbuf_printf(&confirm, ": %s", bo_view_str(fault, "reason"));
		bo_strbuf_puts(sb, "|");
		add_cell(sb, bo_view_str(fault, "id"));
		add_cell(sb, bo_view_str(fault, "requested"));
		add_cell(sb, bo_view_str(fault, "achieved"));
		add_cell(sb, bo_strbuf_str(&confirm));
		bo_strbuf_puts(sb, "\n");
		sb->failed |= confirm.failed;
		bo_strbuf_done(&confirm);
	}
	bo_strbuf_puts(sb, "\n");
}

static void add_phases(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *phases = bo_view_get(run, "phases");
	const json_t *goroutines = bo_view_get(bo_view_series(run, "goroutines", "subject"),
					       "phases");
	char buf[BO_VIEW_BUF];

	bo_strbuf_puts(
		sb, "<details><summary>Phases</summary>\n\n"
		    "| Phase | Length | Requests | Errors | p50 | p99 | max | Goroutines, last |\n"
		    "|-|-:|-:|-:|-:|-:|-:|-:|\n");
	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *phase = json_array_get(phases, i), *all = bo_view_get(phase, "all");
		double length = bo_view_num(phase, "end_s") - bo_view_num(phase, "start_s");

		if (!isfinite(length))
			continue;
		bo_strbuf_puts(sb, "|");
		bo_strbuf_puts(sb, " ");
		bo_text_markdown(sb, bo_view_str(phase, "name"));
		if (bo_view_late(phase))
			bo_strbuf_printf(sb, " (%s late)",
					 bo_view_seconds(bo_view_num(phase, "late_s"), buf));
		bo_strbuf_puts(sb, " |");
		add_cell(sb, bo_view_seconds(length, buf));
		add_cell(sb, bo_view_count(bo_view_num(all, "requests"), buf));
		add_cell(sb, bo_view_percent(bo_view_num(all, "error_ratio"), buf));
		add_cell(sb, bo_view_ms(bo_view_num(all, "p50_ms"), buf));
		add_cell(sb, bo_view_ms(bo_view_num(all, "p99_ms"), buf));
		add_cell(sb, bo_view_ms(bo_view_num(all, "max_ms"), buf));
		add_cell(sb, bo_view_count(bo_view_num(bo_view_get(goroutines,
								   bo_view_str(phase, "name")),
						       "last"),
					   buf));
		bo_strbuf_puts(sb, "\n");
	}
	bo_strbuf_puts(sb, "\n</details>\n\n");
}

static void add_errors(struct bo_strbuf *sb, const json_t *run)
{
	struct bo_strbuf line = { 0 };

	if (bo_view_errors(&line, run)) {
		bo_strbuf_puts(sb, "Errors: ");
		bo_text_markdown(sb, bo_strbuf_str(&line));
		bo_strbuf_puts(sb, "\n\n");
	}
	sb->failed |= line.failed;
	bo_strbuf_done(&line);
}

static void add_routes(struct bo_strbuf *sb, const json_t *run)
{
	struct bo_view_walk walk = { .run = run, .list = "routes" };
	char buf[BO_VIEW_BUF];

	while (bo_view_walk(&walk)) {
		if (walk.seen == 1)
			bo_strbuf_puts(sb, "| Load | Route | Requests | Errors | p50 | p99 |\n"
					   "|-|-|-:|-:|-:|-:|\n");
		bo_strbuf_puts(sb, "|");
		add_cell(sb, bo_view_str(walk.load, "name"));
		add_cell(sb, bo_view_str(walk.item, "name"));
		add_cell(sb, bo_view_count(bo_view_num(walk.item, "requests"), buf));
		add_cell(sb, bo_view_percent(bo_view_num(walk.item, "error_ratio"), buf));
		add_cell(sb, bo_view_ms(bo_view_num(walk.item, "p50_ms"), buf));
		add_cell(sb, bo_view_ms(bo_view_num(walk.item, "p99_ms"), buf));
		bo_strbuf_puts(sb, "\n");
	}
	bo_strbuf_puts(sb, walk.seen ? "\n" : "");
}

static void add_error_reasons(struct bo_strbuf *sb, const json_t *run)
{
	struct bo_view_walk walk = { .run = run, .list = "reasons" };
	char buf[BO_VIEW_BUF];

	while (bo_view_walk(&walk)) {
		if (walk.seen == 1)
			bo_strbuf_puts(sb, "| Load | Error | Requests | Why |\n|-|-|-:|-|\n");
		bo_strbuf_puts(sb, "|");
		add_cell(sb, bo_view_str(walk.load, "name"));
		add_cell(sb, bo_view_str(walk.item, "class"));
		add_cell(sb, bo_view_count(bo_view_num(walk.item, "count"), buf));
		add_cell(sb, bo_view_str(walk.item, "text"));
		bo_strbuf_puts(sb, "\n");
	}
	bo_strbuf_puts(sb, walk.seen ? "\n" : "");
}

static void add_fact(struct bo_strbuf *sb, const char *name, const char *value)
{
	bo_strbuf_printf(sb, "- %s: ", name);
	bo_text_markdown(sb, value);
	bo_strbuf_puts(sb, "\n");
}

static int write_summary(const json_t *run, FILE *out, struct bo_err *err)
{
	const json_t *outcome = bo_view_get(run, "outcome"),
		     *scenario = bo_view_get(run, "scenario");
	const json_t *reasons = bo_view_get(outcome, "reasons"),
		     *environment = bo_view_get(run, "environment");
	const char *verdict = bo_view_str(outcome, "verdict");
	struct bo_strbuf sb = { 0 };
	int rc = 0;

	bo_strbuf_printf(&sb, "## %s ", bo_view_icon(verdict));
	bo_text_markdown(&sb, verdict);
	bo_strbuf_puts(&sb, " \u00b7 ");
	bo_text_markdown(&sb, bo_view_str(scenario, "name"));
	bo_strbuf_puts(&sb, "\n\n");
	bo_text_markdown(&sb, bo_view_str(outcome, "headline"));
	bo_strbuf_puts(&sb, "\n\n");
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		bo_strbuf_puts(&sb, "- ");
		bo_text_markdown(&sb, json_string_value(json_array_get(reasons, i)));
		bo_strbuf_puts(&sb, "\n");
	}
	if (json_array_size(reasons))
		bo_strbuf_puts(&sb, "\n");
	add_budgets(&sb, run);
	add_grew(&sb, run);
	add_errors(&sb, run);
	add_error_reasons(&sb, run);
	add_routes(&sb, run);
	add_faults(&sb, run);
	add_phases(&sb, run);
	bo_strbuf_puts(&sb, "Run it again: ");
	bo_text_markdown_code(&sb, bo_view_str(run, "rerun"));
	bo_strbuf_puts(&sb, "\n\n<details><summary>Environment</summary>\n\n");
	add_fact(&sb, "run", bo_view_str(run, "id"));
	add_fact(&sb, "started", bo_view_str(run, "started_at"));
	add_fact(&sb, "machine", bo_view_str(environment, "machine"));
	add_fact(&sb, "links", bo_view_str(environment, "link_driver"));
	add_fact(&sb, "cgroup", bo_view_str(environment, "cgroup"));
	add_fact(&sb, "brownout", bo_view_str(run, "version"));
	bo_strbuf_puts(&sb, "\n</details>\n");
	if (bo_strbuf_ok(&sb))
		fputs(bo_strbuf_str(&sb), out);
	else
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot render summary.md: out of memory");
	bo_strbuf_done(&sb);
	return rc;
}

const struct bo_report_kind bo_report_summary = {
	.name = "summary",
	.file = "summary.md",
	.write = write_summary,
};
