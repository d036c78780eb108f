/* SPDX-License-Identifier: Apache-2.0 */
/* report/view.c — tolerant reading of run.json, and one way to show each kind of number.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/model/run.h"
#include "brownout/report/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char nothing[] = "\u2013";

const json_t *bo_view_get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

const char *bo_view_str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static double number(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

double bo_view_num(const json_t *object, const char *key)
{
	return number(json_object_get(object, key));
}

double bo_view_at(const json_t *array, size_t index)
{
	return number(json_array_get(array, index));
}

const json_t *bo_view_find(const json_t *list, const char *key, const char *value)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!strcmp(bo_view_str(item, key), value))
			return item;
	}
	return NULL;
}

const json_t *bo_view_series(const json_t *run, const char *name, const char *role)
{
	const json_t *list = bo_view_get(run, "series");
	const json_t *nodes = bo_view_get(bo_view_get(run, "topology"), "nodes");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *series = json_array_get(list, i);
		const json_t *node = bo_view_find(nodes, "name", bo_view_str(series, "node"));

		if (!strcmp(bo_view_str(series, "name"), name) &&
		    (!role || !strcmp(bo_view_str(node, "role"), role)))
			return series;
	}
	return NULL;
}

bool bo_view_walk(struct bo_view_walk *walk)
{
	const json_t *loads = bo_view_get(walk->run, "loads");

	for (;;) {
		walk->item = json_array_get(bo_view_get(walk->load, walk->list), walk->next_item);
		if (walk->item) {
			walk->next_item++;
			walk->seen++;
			return true;
		}
		if (walk->next_load == json_array_size(loads))
			return false;
		walk->load = json_array_get(loads, walk->next_load++);
		walk->next_item = 0;
	}
}

/* Three significant digits, which is what the latency histograms hold. */
static int decimals(double magnitude)
{
	return magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2;
}

const char *bo_view_ms(double ms, char buf[BO_VIEW_BUF])
{
	double magnitude = fabs(ms);

	if (!isfinite(ms))
		snprintf(buf, BO_VIEW_BUF, "%s", nothing);
	else if (magnitude >= 999.5)
		snprintf(buf, BO_VIEW_BUF, "%.*fs", decimals(magnitude / 1e3), ms / 1e3);
	else
		snprintf(buf, BO_VIEW_BUF, "%.*fms", decimals(magnitude), ms);
	return buf;
}

const char *bo_view_seconds(double s, char buf[BO_VIEW_BUF])
{
	if (isfinite(s))
		snprintf(buf, BO_VIEW_BUF, "%.2fs", s);
	else
		snprintf(buf, BO_VIEW_BUF, "%s", nothing);
	return buf;
}

const char *bo_view_count(double n, char buf[BO_VIEW_BUF])
{
	if (!isfinite(n))
		snprintf(buf, BO_VIEW_BUF, "%s", nothing);
	else
		snprintf(buf, BO_VIEW_BUF, "%.*f", n == floor(n) ? 0 : 1, n);
	return buf;
}

const char *bo_view_percent(double ratio, char buf[BO_VIEW_BUF])
{
	double percent = ratio * 100;

	if (!isfinite(ratio))
		snprintf(buf, BO_VIEW_BUF, "%s", nothing);
	else if (percent == floor(percent))
		snprintf(buf, BO_VIEW_BUF, "%.0f%%", percent);
	else
		snprintf(buf, BO_VIEW_BUF, "%.*f%%", decimals(fabs(percent)), percent);
	return buf;
}

void bo_view_source(struct bo_strbuf *sb, const json_t *source)
{
	const char *file = bo_view_str(source, "file");

	if (*file)
		bo_strbuf_printf(sb, "%s:%.0f", file, bo_view_num(source, "line"));
	else
		bo_strbuf_puts(sb, "command line");
}

static void add_site(struct bo_strbuf *sb, const char *what, const json_t *group, const char *func,
		     const char *line)
{
	const char *where = bo_view_str(group, line), *slash = strrchr(where, '/');

	if (!*bo_view_str(group, func))
		return;
	bo_strbuf_printf(sb, "%s%s", what, bo_view_str(group, func));
	if (*where)
		bo_strbuf_printf(sb, " (%s)", slash ? slash + 1 : where);
}

void bo_view_grew(struct bo_strbuf *sb, const json_t *grew)
{
	char base[BO_VIEW_BUF], now[BO_VIEW_BUF];

	bo_strbuf_printf(sb, "%s \u2192 %s [%s]", bo_view_count(bo_view_num(grew, "base"), base),
			 bo_view_count(bo_view_num(grew, "count"), now),
			 bo_view_str(grew, "state"));
	add_site(sb, " at ", grew, "blocked_at", "blocked_line");
	add_site(sb, ", created by ", grew, "site", "site_line");
	if (*bo_view_str(grew, "labels"))
		bo_strbuf_printf(sb, ", labels {%s}", bo_view_str(grew, "labels"));
}

/* The reason of @cls that came most often in any load, or "". */
static const char *top_reason(const json_t *run, const char *cls)
{
	struct bo_view_walk walk = { .run = run, .list = "reasons" };
	const char *top = "";
	double most = 0;

	while (bo_view_walk(&walk)) {
		double count = bo_view_num(walk.item, "count");

		if (strcmp(bo_view_str(walk.item, "class"), cls) != 0 || !(count > most))
			continue;
		most = count;
		top = bo_view_str(walk.item, "text");
	}
	return top;
}

/** of_load() - how many requests of class @cls one load had, in all phases */
static double of_load(const json_t *run, const char *name, const char *cls)
{
	const json_t *phases = bo_view_get(run, "phases");
	double sum = 0;

	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *loads = bo_view_get(json_array_get(phases, i), "loads");

		for (size_t k = 0; k < json_array_size(loads); k++) {
			const json_t *load = json_array_get(loads, k);
			double n = bo_view_num(bo_view_get(load, "classes"), cls);

			if (isfinite(n) && strcmp(bo_view_str(load, "load"), name) == 0)
				sum += n;
		}
	}
	return sum;
}

/** add_top_load() - of several loads, the one that had most errors of class @cls */
static void add_top_load(struct bo_strbuf *sb, const json_t *run, const char *cls)
{
	const json_t *loads = bo_view_get(run, "loads");
	const char *top = "";
	double most = 0;

	for (size_t i = 0; i < json_array_size(loads); i++) {
		const char *name = bo_view_str(json_array_get(loads, i), "name");
		double n = of_load(run, name, cls);

		if (n > most) {
			most = n;
			top = name;
		}
	}
	if (json_array_size(loads) > 1 && most > 0)
		bo_strbuf_printf(sb, ", of load %s %.0f", top, most);
}

bool bo_view_errors(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *phases = bo_view_get(run, "phases");
	double requests = 0, errors = 0, count[BO_REQ_CLASS_COUNT] = { 0 };
	char percent[BO_VIEW_BUF];
	const char *cls, *why;
	int top = 0;

	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *all = bo_view_get(json_array_get(phases, i), "all");

		requests += isfinite(bo_view_num(all, "requests")) ? bo_view_num(all, "requests")
								   : 0;
		for (int c = 0; c < BO_REQ_CLASS_COUNT; c++) {
			double n = bo_view_num(bo_view_get(all, "classes"),
					       bo_req_class_name((enum bo_req_class)c));

			if (!isfinite(n) || !bo_req_class_is_error((enum bo_req_class)c))
				continue;
			count[c] += n;
			errors += n;
		}
	}
	for (int c = 0; c < BO_REQ_CLASS_COUNT; c++)
		top = count[c] > count[top] ? c : top;
	if (!(errors > 0))
		return false;
	cls = bo_req_class_name((enum bo_req_class)top);
	why = top_reason(run, cls);
	bo_strbuf_printf(sb, "%.0f of %.0f requests (%s): most %s (%.0f", errors, requests,
			 bo_view_percent(errors / requests, percent), cls, count[top]);
	add_top_load(sb, run, cls);
	bo_strbuf_printf(sb, ")");
	if (*why)
		bo_strbuf_printf(sb, ", %s", why);
	return true;
}

bool bo_view_late(const json_t *phase)
{
	return bo_view_num(phase, "late_s") >= 0.1;
}

bool bo_view_warns(const json_t *budget)
{
	return json_is_true(bo_view_get(budget, "warn"));
}

const char *bo_view_budget_word(const json_t *budget)
{
	const char *outcome = bo_view_str(budget, "outcome");

	return bo_view_warns(budget) && !strcmp(outcome, "FAIL") ? "WARNING" : outcome;
}

const char *bo_view_icon(const char *verdict)
{
	if (!strcmp(verdict, "PASS"))
		return "\u2714";
	if (!strcmp(verdict, "FAIL"))
		return "\u2718";
	if (!strcmp(verdict, "ABORTED"))
		return "\u25a0";
	if (!strcmp(verdict, "WARNING"))
		return "!";
	return "?";
}
