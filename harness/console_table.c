/* SPDX-License-Identifier: Apache-2.0 */
/* harness/console_table.c — the verdict in a terminal.
 * Words carry the meaning, colour only repeats it.  Text from scenarios and services is cleaned
 * before it is printed: it must not be able to drive the terminal. */
#include "harness/console_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"

#define MIN_COLUMN 8
#define INDENT 2
#define GUTTER 2

struct bo_console bo_console_for(FILE *out)
{
	struct bo_console con = { .out = out, .columns = 100 };
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct winsize size;

	if (!isatty(fileno(out)))
		return con;
	con.colour = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
		con.columns = size.ws_col < 60 ? 60 : size.ws_col > 100 ? 100 : size.ws_col;
	return con;
}

static const char *colour_of(const char *word)
{
	static const struct {
		const char *word;
		const char *on;
	} colours[] = {
		{ "PASS", "\x1b[1;32m" },         { "FAIL", "\x1b[1;31m" },
		{ "INCONCLUSIVE", "\x1b[1;33m" }, { "ABORTED", "\x1b[1;35m" },
		{ "confirmed", "\x1b[32m" },      { "NOT CONFIRMED", "\x1b[1;33m" },
		{ "NOT MEASURED", "\x1b[1;33m" }, { "WARNING", "\x1b[1;33m" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(*colours); i++)
		if (!strcmp(word, colours[i].word))
			return colours[i].on;
	return NULL;
}

void bo_console_badge(const struct bo_console *con, const char *verdict)
{
	const char *on = con->colour ? colour_of(verdict) : NULL;
	struct bo_strbuf clean = { 0 };

	bo_text_plain(&clean, verdict);
	fprintf(con->out, "%s%s%s", on ? on : "", bo_strbuf_str(&clean), on ? "\x1b[0m" : "");
	bo_strbuf_done(&clean);
}

void bo_table_add(struct bo_table *table, const char *text)
{
	struct bo_strbuf sb = { 0 };
	char *cell;

	bo_text_plain(&sb, text);
	cell = strdup(bo_strbuf_str(&sb));
	if (!bo_strbuf_ok(&sb) || !cell || !bo_vec_push(&table->cells, cell)) {
		table->failed = true;
		free(cell);
	}
	bo_strbuf_done(&sb);
}

/* Bytes of the first @columns code points of @s. */
static size_t bytes_of(const char *s, size_t columns)
{
	size_t len = 0;

	while (columns-- && s[len]) {
		uint32_t cp;

		len += bo_utf8_next(s + len, &cp);
	}
	return len;
}

/* How many bytes of @s go on a line of @width columns: up to the last blank, else as many as
 * fit. */
static size_t line_len(const char *s, size_t width)
{
	size_t fit = bytes_of(s, width), cut = fit;

	if (!s[fit])
		return fit;
	while (cut && s[cut] != ' ')
		cut--;
	return cut ? cut : fit;
}

static void put_padded(const struct bo_console *con, const char *s, size_t len, size_t width,
		       bool right, const char *on)
{
	bo_auto_free char *line = strndup(s, len);
	size_t used = bo_utf8_columns(line);
	int pad = width > used ? (int)(width - used) : 0;

	fprintf(con->out, "%*s%s%s%s%*s", right ? pad : 0, "", on ? on : "", line ? line : "",
		on ? "\x1b[0m" : "", right ? 0 : pad, "");
}

static size_t longest_word(const char *s)
{
	size_t longest = 0;

	while (*s) {
		size_t len = strcspn(s, " ");
		bo_auto_free char *word = strndup(s, len);
		size_t w = word ? bo_utf8_columns(word) : 0;

		longest = w > longest ? w : longest;
		s += len + strspn(s + len, " ");
	}
	return longest;
}

/* The widest column that can spare one: without cutting a word, or else whatever it cuts. */
static size_t widest_column(const struct bo_table *table, const size_t *width, const size_t *word)
{
	size_t widest = table->ncols;

	for (size_t c = 0; c < table->ncols; c++)
		if (width[c] > word[c] && (widest == table->ncols || width[c] > width[widest]))
			widest = c;
	if (widest < table->ncols)
		return widest;
	widest = 0;
	for (size_t c = 1; c < table->ncols; c++)
		widest = width[c] > width[widest] ? c : widest;
	return widest;
}

static void fit_widths(const struct bo_table *table, const struct bo_console *con, size_t *width)
{
	size_t total = INDENT + GUTTER * (table->ncols - 1), word[BO_TABLE_COLUMNS] = { 0 };

	for (size_t c = 0; c < table->ncols; c++) {
		width[c] = bo_utf8_columns(table->head[c]);
		for (size_t i = c; i < table->cells.len; i += table->ncols) {
			size_t w = bo_utf8_columns(table->cells.items[i]);
			size_t uncut = longest_word(table->cells.items[i]);

			width[c] = w > width[c] ? w : width[c];
			word[c] = uncut > word[c] ? uncut : word[c];
		}
		word[c] = word[c] < MIN_COLUMN ? MIN_COLUMN : word[c];
		total += width[c];
	}
	/* Take columns from the widest, one by one: short ones (verdicts, numbers) are never
	 * wrapped before long ones. */
	for (; total > (size_t)con->columns; total--) {
		size_t widest = widest_column(table, width, word);

		if (width[widest] <= MIN_COLUMN)
			break;
		width[widest]--;
	}
}

static void print_row(const struct bo_table *table, const struct bo_console *con,
		      const size_t *width, const char *const *cells)
{
	const char *rest[BO_TABLE_COLUMNS];
	bool more = true;

	for (size_t c = 0; c < table->ncols; c++)
		rest[c] = cells[c];
	for (bool first = true; more; first = false) {
		size_t last = 0;

		more = false;
		for (size_t c = 0; c < table->ncols; c++)
			last = *rest[c] ? c : last;
		fprintf(con->out, "%*s", INDENT, "");
		for (size_t c = 0; c <= last; c++) {
			size_t len = line_len(rest[c], width[c]);
			const char *on = con->colour && first ? colour_of(cells[c]) : NULL;
			bool right = table->right & 1u << c;

			/* No blanks at the end of a line. */
			put_padded(con, rest[c], len, c == last && !right ? 0 : width[c], right,
				   on);
			rest[c] += len;
			while (*rest[c] == ' ')
				rest[c]++;
			more |= *rest[c] != '\0';
			if (c < last)
				fprintf(con->out, "%*s", GUTTER, "");
		}
		fputc('\n', con->out);
	}
}

void bo_table_print(struct bo_table *table, const struct bo_console *con)
{
	size_t width[BO_TABLE_COLUMNS] = { 0 };

	if (table->cells.len && !table->failed) {
		fit_widths(table, con, width);
		fputs(con->colour ? "\x1b[2m" : "", con->out);
		print_row(table, con, width, table->head);
		fputs(con->colour ? "\x1b[0m" : "", con->out);
		for (size_t i = 0; i + table->ncols <= table->cells.len; i += table->ncols)
			print_row(table, con, width, (const char *const *)&table->cells.items[i]);
	} else if (table->failed) {
		fputs("  (out of memory)\n", con->out);
	}
	bo_vec_foreach(cell, &table->cells)
		free(*cell);
	bo_vec_done(&table->cells);
}

/* @bullet goes before the first line; the others are indented as far. */
static void print_text(const struct bo_console *con, const char *bullet, const char *text)
{
	struct bo_strbuf sb = { 0 };
	int indent = (int)strlen(bullet);
	const char *s;

	bo_text_plain(&sb, text);
	for (s = bo_strbuf_str(&sb); *s; bullet = "") {
		size_t len = line_len(s, (size_t)(con->columns - indent));

		fprintf(con->out, "%-*s%.*s\n", indent, bullet, (int)len, s);
		s += len;
		while (*s == ' ')
			s++;
	}
	bo_strbuf_done(&sb);
}

void bo_console_text(const struct bo_console *con, const char *text)
{
	print_text(con, "  ", text);
}

static void print_budgets(const struct bo_console *con, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");
	struct bo_table table = { .head = { "VERDICT", "BUDGET", "MEASURED", "LIMIT", "NOTE" },
				  .ncols = 5,
				  .right = 1u << 2 | 1u << 3 };

	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);
		const char *outcome = bo_view_budget_word(budget),
			   *excess = bo_view_str(budget, "excess");

		bo_table_add(&table, outcome);
		bo_table_add(&table, bo_view_str(budget, "text"));
		bo_table_add(&table, bo_view_str(budget, "measured"));
		bo_table_add(&table, bo_view_str(budget, "limit"));
		/* By how much it was missed, else why it was not judged, or what is to be known. */
		bo_table_add(&table, *excess ? excess : bo_view_str(budget, "reason"));
	}
	if (table.cells.len)
		fputc('\n', con->out);
	bo_table_print(&table, con);
}

/* Did an earlier budget say the same? */
static bool said_before(const json_t *budgets, size_t i, const json_t *grew)
{
	while (i-- > 0)
		if (json_equal(bo_view_get(json_array_get(budgets, i), "grew"), grew))
			return true;
	return false;
}

/* Who the goroutines are, for budgets that they broke; once for all budgets of a phase. */
static void print_grew(const struct bo_console *con, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");

	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i),
			     *grew = bo_view_get(budget, "grew");
		struct bo_strbuf line = { 0 };

		if (!json_array_size(grew) || said_before(budgets, i, grew))
			continue;
		fputc('\n', con->out);
		bo_strbuf_printf(&line, "GREW MOST  base \u2192 %s",
				 bo_view_str(json_array_get(grew, 0), "phase"));
		bo_console_text(con, bo_strbuf_str(&line));
		for (size_t k = 0; k < json_array_size(grew); k++) {
			bo_strbuf_done(&line);
			bo_strbuf_puts(&line, "- ");
			bo_view_grew(&line, json_array_get(grew, k));
			bo_console_text(con, bo_strbuf_str(&line));
		}
		bo_strbuf_done(&line);
		if (*bo_view_str(budget, "evidence")) {
			bo_strbuf_printf(&line, "see %s", bo_view_str(budget, "evidence"));
			bo_console_text(con, bo_strbuf_str(&line));
			bo_strbuf_done(&line);
		}
	}
}

static const char *confirm_word(const char *confirm)
{
	if (!strcmp(confirm, "ok"))
		return "confirmed";
	if (!strcmp(confirm, "off"))
		return "NOT CONFIRMED";
	return !strcmp(confirm, "unknown") ? "NOT MEASURED" : "never came";
}

static void print_faults(const struct bo_console *con, const json_t *run)
{
	const json_t *faults = bo_view_get(run, "faults");
	struct bo_table table = { .head = { "FAULT", "REQUESTED", "ACHIEVED", "" }, .ncols = 4 };

	for (size_t i = 0; i < json_array_size(faults); i++) {
		const json_t *fault = json_array_get(faults, i);
		const char *achieved = bo_view_str(fault, "achieved"),
			   *reason = bo_view_str(fault, "reason");

		bo_table_add(&table, bo_view_str(fault, "id"));
		bo_table_add(&table, bo_view_str(fault, "requested"));
		bo_table_add(&table, *achieved ? achieved : reason);
		bo_table_add(&table, confirm_word(bo_view_str(fault, "confirm")));
	}
	if (table.cells.len)
		fputc('\n', con->out);
	bo_table_print(&table, con);
}

static void print_reasons(const struct bo_console *con, const json_t *run)
{
	const json_t *reasons = bo_view_get(bo_view_get(run, "outcome"), "reasons");

	if (!json_array_size(reasons))
		return;
	fputs("\n  REASONS\n", con->out);
	for (size_t i = 0; i < json_array_size(reasons); i++)
		print_text(con, "  - ", json_string_value(json_array_get(reasons, i)));
}

/* Paths and commands are copied from the terminal: never wrapped. */
static void print_where(const struct bo_console *con, const json_t *run, const char *dir)
{
	struct bo_strbuf sb = { 0 };

	fputc('\n', con->out);
	if (dir) {
		bo_strbuf_puts(&sb, "  reports  ");
		bo_text_plain(&sb, dir);
		bo_strbuf_puts(&sb,
			       "/report.html (also junit.xml, summary.md, run.json, series/)\n");
	}
	bo_strbuf_puts(&sb, "  again    ");
	bo_text_plain(&sb, bo_view_str(run, "rerun"));
	bo_strbuf_puts(&sb, "\n");
	fputs(bo_strbuf_str(&sb), con->out);
	bo_strbuf_done(&sb);
}

static void print_errors(const struct bo_console *con, const json_t *run)
{
	struct bo_strbuf line = { 0 };

	bo_strbuf_puts(&line, "ERRORS  ");
	if (bo_view_errors(&line, run)) {
		fputc('\n', con->out);
		bo_console_text(con, bo_strbuf_str(&line));
	}
	bo_strbuf_done(&line);
}

void bo_console_verdict_json(const struct bo_console *con, const json_t *run, const char *dir)
{
	const json_t *outcome = bo_view_get(run, "outcome"),
		     *scenario = bo_view_get(run, "scenario");
	struct bo_strbuf line = { 0 }, clean = { 0 };
	char lasted[BO_VIEW_BUF];

	bo_strbuf_printf(&line, "%s  (%s, links: %s, seed %s)", bo_view_str(scenario, "name"),
			 bo_view_seconds(bo_view_num(run, "duration_s"), lasted),
			 bo_view_str(bo_view_get(run, "environment"), "link_driver"),
			 bo_view_str(scenario, "seed"));
	bo_text_plain(&clean, bo_strbuf_str(&line));
	fputc('\n', con->out);
	bo_console_badge(con, bo_view_str(outcome, "verdict"));
	fprintf(con->out, "  %s\n", bo_strbuf_str(&clean));
	bo_strbuf_done(&clean);
	bo_strbuf_done(&line);
	bo_console_text(con, bo_view_str(outcome, "headline"));
	print_budgets(con, run);
	print_grew(con, run);
	print_errors(con, run);
	print_faults(con, run);
	print_reasons(con, run);
	print_where(con, run, dir);
	fputc('\n', con->out);
}

static void brief_budgets(const struct bo_console *con, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");

	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);
		const char *outcome = bo_view_str(budget, "outcome"),
			   *excess = bo_view_str(budget, "excess"),
			   *reason = bo_view_str(budget, "reason");
		struct bo_strbuf line = { 0 };

		if (!strcmp(outcome, "PASS"))
			continue;
		bo_strbuf_printf(&line, "- %s %s: measured %s", outcome,
				 bo_view_str(budget, "text"), bo_view_str(budget, "measured"));
		if (*excess)
			bo_strbuf_printf(&line, ", missed %s", excess);
		if (*reason)
			bo_strbuf_printf(&line, "; %s", reason);
		bo_console_text(con, bo_strbuf_str(&line));
		bo_strbuf_done(&line);
	}
}

void bo_console_brief_json(const struct bo_console *con, const json_t *run, const char *dir)
{
	const json_t *outcome = bo_view_get(run, "outcome"),
		     *reasons = bo_view_get(outcome, "reasons");
	struct bo_strbuf line = { 0 };
	char lasted[BO_VIEW_BUF];

	bo_console_badge(con, bo_view_str(outcome, "verdict"));
	bo_strbuf_puts(&line, "  ");
	bo_text_plain(&line, bo_view_str(bo_view_get(run, "scenario"), "name"));
	bo_strbuf_printf(&line, "  %s  seed %s  ",
			 bo_view_seconds(bo_view_num(run, "duration_s"), lasted),
			 bo_view_str(bo_view_get(run, "scenario"), "seed"));
	bo_text_plain(&line, dir ? dir : "");
	fprintf(con->out, "%s\n", bo_strbuf_str(&line));
	bo_strbuf_done(&line);
	if (!strcmp(bo_view_str(outcome, "verdict"), "PASS"))
		return;
	bo_console_text(con, bo_view_str(outcome, "headline"));
	brief_budgets(con, run);
	for (size_t i = 0; i < json_array_size(reasons); i++)
		print_text(con, "  - ", json_string_value(json_array_get(reasons, i)));
}
