/* SPDX-License-Identifier: Apache-2.0 */
/* report/html_tables.c — verdict and tables of report.html, complete without script, style and
 * colour.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <math.h>
#include <string.h>

#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "html.h"

static void cell(struct bo_strbuf *sb, const char *cls, const char *text)
{
	bo_strbuf_printf(sb, *cls ? "<td class=\"%s\">" : "<td>", cls);
	bo_text_html(sb, text);
	bo_strbuf_puts(sb, "</td>");
}

/* Paths may break after a slash, nowhere else: "orders.lua:24" stays in one piece. */
static void source_cell(struct bo_strbuf *sb, const json_t *object)
{
	struct bo_strbuf where = { 0 }, safe = { 0 };

	bo_view_source(&where, bo_view_get(object, "source"));
	bo_text_html(&safe, bo_strbuf_str(&where));
	bo_strbuf_puts(sb, "<td class=\"src\">");
	for (const char *p = bo_strbuf_str(&safe); *p; p++) {
		bo_strbuf_add(sb, p, 1);
		if (*p == '/')
			bo_strbuf_puts(sb, "<wbr>");
	}
	bo_strbuf_puts(sb, "</td>");
	sb->failed |= where.failed || safe.failed;
	bo_strbuf_done(&safe);
	bo_strbuf_done(&where);
}

/* A word and a sign beside the colour: verdicts must survive a black-and-white printer and colour
 * blindness. */
static void badge(struct bo_strbuf *sb, const char *verdict)
{
	static const char *const known[] = { "PASS", "FAIL", "INCONCLUSIVE", "ABORTED" };
	static const char *const classes[] = { "pass", "fail", "unsure", "aborted" };
	const char *cls = "unsure";

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(verdict, known[i]))
			cls = classes[i];
	bo_strbuf_printf(sb, "<span class=\"badge %s\"><span aria-hidden=\"true\">%s</span> ", cls,
			 bo_view_icon(verdict));
	bo_text_html(sb, verdict);
	bo_strbuf_puts(sb, "</span>");
}

static void confirm_badge(struct bo_strbuf *sb, const char *confirm)
{
	const char *cls = "unsure", *icon = "?", *word = confirm;

	if (!strcmp(confirm, "ok")) {
		cls = "pass";
		icon = "\u2714";
		word = "confirmed";
	} else if (!strcmp(confirm, "off")) {
		icon = "\u2260";
		word = "not as requested";
	} else if (!strcmp(confirm, "unknown")) {
		word = "not measured";
	} else if (!strcmp(confirm, "pending")) {
		word = "never came to it";
	}
	bo_strbuf_printf(sb, "<span class=\"badge %s\"><span aria-hidden=\"true\">%s</span> ", cls,
			 icon);
	bo_text_html(sb, word);
	bo_strbuf_puts(sb, "</span>");
}

/* "at 7.25s" as a link that moves the timeline there. */
static void instant_link(struct bo_strbuf *sb, double t_s)
{
	char buf[BO_VIEW_BUF];

	if (isfinite(t_s))
		bo_strbuf_printf(sb, "<a href=\"#timeline\" data-t=\"%.6g\">%s</a>", t_s,
				 bo_view_seconds(t_s, buf));
	else
		bo_strbuf_puts(sb, "\u2013");
}

static void fact(struct bo_strbuf *sb, const char *name, const char *value)
{
	bo_strbuf_puts(sb, "<div><dt>");
	bo_text_html(sb, name);
	bo_strbuf_puts(sb, "</dt><dd>");
	bo_text_html(sb, value);
	bo_strbuf_puts(sb, "</dd></div>");
}

void bo_html_header(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *outcome = bo_view_get(run, "outcome"),
		     *scenario = bo_view_get(run, "scenario");
	const json_t *reasons = bo_view_get(outcome, "reasons"),
		     *environment = bo_view_get(run, "environment");
	const char *headline = bo_view_str(outcome, "headline"), *tag;
	char buf[BO_VIEW_BUF];
	json_t *value;

	bo_strbuf_puts(sb, "<div class=\"verdict\">");
	badge(sb, bo_view_str(outcome, "verdict"));
	bo_strbuf_puts(sb, "<h1>");
	bo_text_html(sb, bo_view_str(scenario, "name"));
	bo_strbuf_puts(sb, "</h1></div>\n");
	if (*bo_view_str(scenario, "about")) {
		bo_strbuf_puts(sb, "<p class=\"about\">");
		bo_text_html(sb, bo_view_str(scenario, "about"));
		bo_strbuf_puts(sb, "</p>\n");
	}
	bo_strbuf_puts(sb, "<p class=\"headline\">");
	bo_text_html(sb, headline);
	bo_strbuf_puts(sb, "</p>\n");
	if (json_array_size(reasons)) {
		bo_strbuf_puts(sb, "<ul class=\"reasons\">");
		for (size_t i = 0; i < json_array_size(reasons); i++) {
			bo_strbuf_puts(sb, "<li>");
			bo_text_html(sb, json_string_value(json_array_get(reasons, i)));
			bo_strbuf_puts(sb, "</li>");
		}
		bo_strbuf_puts(sb, "</ul>\n");
	}
	bo_strbuf_puts(sb, "<dl class=\"facts\">");
	fact(sb, "started", bo_view_str(run, "started_at"));
	fact(sb, "lasted", bo_view_seconds(bo_view_num(run, "duration_s"), buf));
	fact(sb, "seed", bo_view_str(scenario, "seed"));
	fact(sb, "links", bo_view_str(environment, "link_driver"));
	fact(sb, "cgroup", bo_view_str(environment, "cgroup"));
	fact(sb, "run", bo_view_str(run, "id"));
	json_object_foreach((json_t *)bo_view_get(run, "tags"), tag, value)
		fact(sb, tag, json_string_value(value));
	bo_strbuf_puts(sb, "</dl>\n");
}

/* Who broke a goroutine budget, and where the dumps are. */
static void grew_list(struct bo_strbuf *sb, const json_t *budget)
{
	const json_t *grew = bo_view_get(budget, "grew");
	const char *evidence = bo_view_str(budget, "evidence");

	if (json_array_size(grew))
		bo_strbuf_puts(sb, "<ul class=\"why\">");
	for (size_t k = 0; k < json_array_size(grew); k++) {
		struct bo_strbuf line = { 0 };

		bo_view_grew(&line, json_array_get(grew, k));
		bo_strbuf_puts(sb, "<li>");
		bo_text_html(sb, bo_strbuf_str(&line));
		bo_strbuf_puts(sb, "</li>");
		sb->failed |= line.failed;
		bo_strbuf_done(&line);
	}
	if (json_array_size(grew))
		bo_strbuf_puts(sb, "</ul>");
	if (*evidence) {
		bo_strbuf_puts(sb, "<div class=\"why\">see ");
		bo_text_html(sb, evidence);
		bo_strbuf_puts(sb, "</div>");
	}
}

void bo_html_budgets(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *budgets = bo_view_get(run, "budgets");

	bo_strbuf_puts(
		sb,
		"<table class=\"budgets\"><thead><tr><th>Verdict</th><th>Budget</th>"
		"<th class=\"n\">Measured</th><th class=\"n\">Limit</th><th class=\"n\">Missed</th>"
		"<th class=\"n\">First breach</th><th>Where</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);
		const char *reason = bo_view_str(budget, "reason");

		bo_strbuf_puts(sb, "<tr><td>");
		badge(sb, bo_view_budget_word(budget));
		bo_strbuf_puts(sb, "</td><td><code>");
		bo_text_html(sb, bo_view_str(budget, "text"));
		bo_strbuf_puts(sb, "</code>");
		if (*reason) {
			bo_strbuf_puts(sb, "<div class=\"why\">");
			bo_text_html(sb, reason);
			bo_strbuf_puts(sb, "</div>");
		}
		grew_list(sb, budget);
		bo_strbuf_puts(sb, "</td>");
		cell(sb, "n", bo_view_str(budget, "measured"));
		cell(sb, "n", bo_view_str(budget, "limit"));
		cell(sb, "n", bo_view_str(budget, "excess"));
		bo_strbuf_puts(sb, "<td class=\"n\">");
		instant_link(sb, bo_view_num(budget, "first_breach_s"));
		bo_strbuf_puts(sb, "</td>");
		source_cell(sb, budget);
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, "</tbody></table>\n");
}

static void fault_active(struct bo_strbuf *sb, const json_t *fault)
{
	double applied = bo_view_num(fault, "applied_s"),
	       reverted = bo_view_num(fault, "reverted_s");
	char a[BO_VIEW_BUF], b[BO_VIEW_BUF];

	bo_strbuf_puts(sb, "<td class=\"n\">");
	if (isfinite(applied))
		instant_link(sb, applied);
	else
		bo_strbuf_puts(sb, "never");
	bo_strbuf_puts(sb, " \u2192 ");
	if (isfinite(reverted))
		instant_link(sb, reverted);
	else
		bo_strbuf_puts(sb, "\u2013");
	bo_strbuf_printf(sb, "<div class=\"why\">apply %s, revert %s</div></td>",
			 bo_view_ms(bo_view_num(fault, "apply_cost_ms"), a),
			 bo_view_ms(bo_view_num(fault, "revert_cost_ms"), b));
}

void bo_html_faults(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *faults = bo_view_get(run, "faults");

	bo_strbuf_puts(sb, "<table><thead><tr><th>Confirmed</th><th>Fault</th><th>Requested</th>"
			   "<th>Achieved (measured)</th><th class=\"n\">Active</th><th>Driver</th>"
			   "<th>Where</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(faults); i++) {
		const json_t *fault = json_array_get(faults, i);
		const char *reason = bo_view_str(fault, "reason");

		bo_strbuf_puts(sb, "<tr><td>");
		confirm_badge(sb, bo_view_str(fault, "confirm"));
		bo_strbuf_puts(sb, "</td>");
		cell(sb, "name", bo_view_str(fault, "id"));
		cell(sb, "", bo_view_str(fault, "requested"));
		bo_strbuf_puts(sb, "<td>");
		bo_text_html(sb, bo_view_str(fault, "achieved"));
		if (*reason) {
			bo_strbuf_puts(sb, "<div class=\"why\">");
			bo_text_html(sb, reason);
			bo_strbuf_puts(sb, "</div>");
		}
		bo_strbuf_puts(sb, "</td>");
		fault_active(sb, fault);
		cell(sb, "", bo_view_str(fault, "driver"));
		source_cell(sb, fault);
		bo_strbuf_puts(sb, "</tr>\n");
	}
	if (!json_array_size(faults))
		bo_strbuf_puts(sb, "<tr><td colspan=\"7\">no faults in this scenario</td></tr>\n");
	bo_strbuf_puts(sb, "</tbody></table>\n");
}

/* "timeout_first_byte 1412, reset 3": what went wrong, most telling part of a phase. */
static void classes_cell(struct bo_strbuf *sb, const json_t *classes)
{
	const char *name, *sep = "";
	json_t *count;

	bo_strbuf_puts(sb, "<td>");
	json_object_foreach((json_t *)classes, name, count) {
		if (!strcmp(name, "ok"))
			continue;
		bo_strbuf_puts(sb, sep);
		bo_text_html(sb, name);
		bo_strbuf_printf(sb, " %.0f", json_number_value(count));
		sep = ", ";
	}
	bo_strbuf_puts(sb, "</td>");
}

static void phase_row(struct bo_strbuf *sb, const json_t *phase, const char *label,
		      const json_t *stats, const json_t *goroutines, const char *cls)
{
	double start = bo_view_num(phase, "start_s"), end = bo_view_num(phase, "end_s");
	char buf[BO_VIEW_BUF];

	bo_strbuf_printf(sb, "<tr%s>", cls);
	cell(sb, "name", label);
	cell(sb, "n", bo_view_seconds(bo_view_num(phase, "planned_s"), buf));
	bo_strbuf_puts(sb, "<td class=\"n\">");
	instant_link(sb, start);
	if (bo_view_late(phase))
		bo_strbuf_printf(sb, "<div class=\"why\">%s late</div>",
				 bo_view_seconds(bo_view_num(phase, "late_s"), buf));
	bo_strbuf_puts(sb, "</td>");
	cell(sb, "n", bo_view_seconds(end - start, buf));
	cell(sb, "n", bo_view_count(bo_view_num(stats, "requests"), buf));
	cell(sb, "n", bo_view_count(bo_view_num(stats, "rate_per_s"), buf));
	cell(sb, "n", bo_view_percent(bo_view_num(stats, "error_ratio"), buf));
	cell(sb, "n", bo_view_ms(bo_view_num(stats, "p50_ms"), buf));
	cell(sb, "n", bo_view_ms(bo_view_num(stats, "p90_ms"), buf));
	cell(sb, "n", bo_view_ms(bo_view_num(stats, "p99_ms"), buf));
	cell(sb, "n", bo_view_ms(bo_view_num(stats, "max_ms"), buf));
	cell(sb, "n", bo_view_count(bo_view_num(goroutines, "max"), buf));
	cell(sb, "n", bo_view_count(bo_view_num(goroutines, "last"), buf));
	classes_cell(sb, bo_view_get(stats, "classes"));
	bo_strbuf_puts(sb, "</tr>\n");
}

void bo_html_phases(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *phases = bo_view_get(run, "phases");
	const json_t *goroutines = bo_view_get(bo_view_series(run, "goroutines", "subject"),
					       "phases");

	bo_strbuf_puts(
		sb,
		"<table class=\"phases\"><thead><tr><th>Phase</th><th class=\"n\">Planned</th>"
		"<th class=\"n\">Began</th><th class=\"n\">Lasted</th><th class=\"n\">Requests</th>"
		"<th class=\"n\">Answered/s</th><th class=\"n\">Errors</th><th class=\"n\">p50</th>"
		"<th class=\"n\">p90</th><th class=\"n\">p99</th><th class=\"n\">max</th>"
		"<th class=\"n\">Goroutines max</th><th class=\"n\">last</th>"
		"<th>Not ok</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *phase = json_array_get(phases, i),
			     *loads = bo_view_get(phase, "loads");
		const char *name = bo_view_str(phase, "name");

		if (bo_view_num(phase, "planned_s") == 0)
			continue; /* not a part of this scenario */
		phase_row(sb, phase, name, bo_view_get(phase, "all"), bo_view_get(goroutines, name),
			  "");
		for (size_t k = 0; json_array_size(loads) > 1 && k < json_array_size(loads); k++) {
			const json_t *load = json_array_get(loads, k);

			if (bo_view_num(load, "requests") > 0)
				phase_row(sb, NULL, bo_view_str(load, "load"), load, NULL,
					  " class=\"sub\"");
		}
	}
	bo_strbuf_puts(
		sb,
		"</tbody></table>\n"
		"<p class=\"note\">A request counts in the phase in which it was due, with its latency "
		"from that moment on. Timeouts count with the time they waited; what was refused or reset "
		"at once is an error without latency.</p>\n");
}

static void route_rows(struct bo_strbuf *sb, const json_t *run)
{
	struct bo_view_walk walk = { .run = run, .list = "routes" };
	char buf[BO_VIEW_BUF];

	while (bo_view_walk(&walk)) {
		if (walk.seen == 1)
			bo_strbuf_puts(
				sb, "<table class=\"routes\"><thead><tr><th>Load</th><th>Route</th>"
				    "<th>Request</th><th class=\"n\">Weight</th>"
				    "<th class=\"n\">Requests</th><th class=\"n\">Errors</th>"
				    "<th class=\"n\">p50</th><th class=\"n\">p90</th>"
				    "<th class=\"n\">p99</th><th class=\"n\">max</th>"
				    "<th>Not ok</th></tr></thead><tbody>\n");
		bo_strbuf_puts(sb, "<tr>");
		cell(sb, "name", bo_view_str(walk.load, "name"));
		cell(sb, "name", bo_view_str(walk.item, "name"));
		bo_strbuf_puts(sb, "<td>");
		bo_text_html(sb, bo_view_str(walk.item, "method"));
		bo_strbuf_puts(sb, " ");
		bo_text_html(sb, bo_view_str(walk.item, "path"));
		bo_strbuf_puts(sb, "</td>");
		cell(sb, "n", bo_view_count(bo_view_num(walk.item, "weight"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(walk.item, "requests"), buf));
		cell(sb, "n", bo_view_percent(bo_view_num(walk.item, "error_ratio"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(walk.item, "p50_ms"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(walk.item, "p90_ms"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(walk.item, "p99_ms"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(walk.item, "max_ms"), buf));
		classes_cell(sb, bo_view_get(walk.item, "classes"));
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, walk.seen ? "</tbody></table>\n" : "");
}

static void reason_rows(struct bo_strbuf *sb, const json_t *run)
{
	struct bo_view_walk walk = { .run = run, .list = "reasons" };
	char buf[BO_VIEW_BUF];

	while (bo_view_walk(&walk)) {
		if (walk.seen == 1)
			bo_strbuf_puts(
				sb,
				"<table class=\"errors\"><thead><tr><th>Load</th><th>Error</th>"
				"<th class=\"n\">Requests</th><th>Why</th></tr></thead><tbody>\n");
		bo_strbuf_puts(sb, "<tr>");
		cell(sb, "name", bo_view_str(walk.load, "name"));
		cell(sb, "", bo_view_str(walk.item, "class"));
		cell(sb, "n", bo_view_count(bo_view_num(walk.item, "count"), buf));
		cell(sb, "", bo_view_str(walk.item, "text"));
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, walk.seen ? "</tbody></table>\n" : "");
}

void bo_html_loads(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *loads = bo_view_get(run, "loads");
	char buf[BO_VIEW_BUF];

	bo_strbuf_puts(
		sb,
		"<table><thead><tr><th>Load</th><th>Request</th><th>Arrivals</th>"
		"<th class=\"n\">Planned/s</th><th class=\"n\">Offered</th><th class=\"n\">Sent</th>"
		"<th class=\"n\">Shed</th><th class=\"n\">Connections</th><th class=\"n\">Peak</th>"
		"<th class=\"n\">Generator lag p50</th><th class=\"n\">p99</th><th class=\"n\">max</th>"
		"</tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(loads); i++) {
		const json_t *load = json_array_get(loads, i), *lag = bo_view_get(load, "lag_ms");
		bool hold = !strcmp(bo_view_str(load, "kind"), "hold");

		bo_strbuf_puts(sb, "<tr>");
		cell(sb, "name", bo_view_str(load, "name"));
		bo_strbuf_puts(sb, "<td>");
		bo_text_html(sb, bo_view_str(load, "method"));
		bo_strbuf_puts(sb, " ");
		bo_text_html(sb, bo_view_str(load, "url"));
		bo_strbuf_puts(sb, hold ? " (held open)</td>" : "</td>");
		cell(sb, "", bo_view_str(load, "arrivals"));
		cell(sb, "n", bo_view_count(bo_view_num(load, "planned_rate_per_s"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(load, "offered"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(load, "sent"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(load, "shed"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(load, "connects"), buf));
		cell(sb, "n", bo_view_count(bo_view_num(load, "peak_connections"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(lag, "p50"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(lag, "p99"), buf));
		cell(sb, "n", bo_view_ms(bo_view_num(lag, "max"), buf));
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, "</tbody></table>\n");
	route_rows(sb, run);
	reason_rows(sb, run);
}

void bo_html_events(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *events = bo_view_get(run, "events");

	bo_strbuf_puts(
		sb,
		"<table><thead><tr><th class=\"n\">At</th><th>Kind</th><th>Node</th><th>Event</th></tr>"
		"</thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);
		const char *kind = bo_view_str(event, "kind");

		bo_strbuf_puts(sb, strcmp(kind, "problem")
					   ? "<tr><td class=\"n\">"
					   : "<tr class=\"problem\"><td class=\"n\">");
		instant_link(sb, bo_view_num(event, "t_s"));
		bo_strbuf_puts(sb, "</td>");
		cell(sb, "", kind);
		cell(sb, "", bo_view_str(event, "node"));
		cell(sb, "", bo_view_str(event, "text"));
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, "</tbody></table>\n");
}

static void gaps_cell(struct bo_strbuf *sb, const json_t *gaps)
{
	bo_strbuf_puts(sb, "<td>");
	for (size_t i = 0; i < json_array_size(gaps); i++) {
		const json_t *gap = json_array_get(gaps, i);

		if (i)
			bo_strbuf_puts(sb, "<br>");
		instant_link(sb, bo_view_num(gap, "from_s"));
		bo_strbuf_puts(sb, " \u2192 ");
		instant_link(sb, bo_view_num(gap, "to_s"));
		bo_strbuf_puts(sb, " ");
		bo_text_html(sb, bo_view_str(gap, "reason"));
	}
	if (!json_array_size(gaps))
		bo_strbuf_puts(sb, "none");
	bo_strbuf_puts(sb, "</td>");
}

void bo_html_series(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *list = bo_view_get(run, "series");
	char buf[BO_VIEW_BUF];

	bo_strbuf_puts(
		sb,
		"<table><thead><tr><th>Node</th><th>Series</th><th>Unit</th><th>Sampled from</th>"
		"<th class=\"n\">Samples</th><th>Gaps</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *series = json_array_get(list, i);

		bo_strbuf_puts(sb, "<tr>");
		cell(sb, "name", bo_view_str(series, "node"));
		cell(sb, "", bo_view_str(series, "name"));
		cell(sb, "", bo_view_str(series, "unit"));
		cell(sb, "", bo_view_str(series, "source"));
		cell(sb, "n",
		     bo_view_count((double)json_array_size(bo_view_get(series, "t_s")), buf));
		gaps_cell(sb, bo_view_get(series, "gaps"));
		bo_strbuf_puts(sb, "</tr>\n");
	}
	bo_strbuf_puts(sb, "</tbody></table>\n");
}

void bo_html_environment(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *scenario = bo_view_get(run, "scenario"),
		     *topology = bo_view_get(run, "topology");
	const json_t *nodes = bo_view_get(topology, "nodes");
	char buf[BO_VIEW_BUF];

	bo_strbuf_puts(sb, "<pre class=\"rerun\"><code>");
	bo_text_html(sb, bo_view_str(run, "rerun"));
	bo_strbuf_puts(sb, "</code></pre>\n<dl class=\"facts\">");
	fact(sb, "scenario", bo_view_str(scenario, "path"));
	fact(sb, "machine", bo_view_str(bo_view_get(run, "environment"), "machine"));
	fact(sb, "brownout", bo_view_str(run, "version"));
	if (isfinite(bo_view_num(scenario, "timeout_s")))
		fact(sb, "declared timeout",
		     bo_view_seconds(bo_view_num(scenario, "timeout_s"), buf));
	bo_strbuf_puts(
		sb,
		"</dl>\n<table><thead><tr><th>Node</th><th>Role</th><th>Command</th>"
		"<th class=\"n\">Memory limit</th><th class=\"n\">CPUs</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i), *argv = bo_view_get(node, "command");
		double memory = bo_view_num(node, "memory_bytes");
		struct bo_strbuf command = { 0 };

		for (size_t k = 0; k < json_array_size(argv); k++) {
			bo_strbuf_puts(&command, k ? " " : "");
			bo_text_shell(&command, json_string_value(json_array_get(argv, k)));
		}
		bo_strbuf_puts(sb, "<tr>");
		cell(sb, "name", bo_view_str(node, "name"));
		cell(sb, "", bo_view_str(node, "role"));
		cell(sb, "src", command.len ? bo_strbuf_str(&command) : bo_view_str(node, "kind"));
		bo_strbuf_puts(sb, "<td class=\"n\">");
		bo_strbuf_puts(sb, bo_view_count(memory / 1048576, buf));
		bo_strbuf_puts(sb, isfinite(memory) ? " MiB</td>" : "</td>");
		cell(sb, "n", bo_view_count(bo_view_num(node, "cpus_milli") / 1000, buf));
		bo_strbuf_puts(sb, "</tr>\n");
		sb->failed |= command.failed;
		bo_strbuf_done(&command);
	}
	bo_strbuf_puts(sb, "</tbody></table>\n");
}
