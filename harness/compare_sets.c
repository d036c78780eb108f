/* SPDX-License-Identifier: Apache-2.0 */
/* harness/compare_sets.c — several runs a side.  One run is one observation: its requests share one machine in one
 * state, so a thousand of them say no more about the next run than their percentile does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/view.h"
#include "brownout/slo/repeat.h"
#include "harness/compare.h"

typedef const char *(*format_fn)(double value, char buf[BO_VIEW_BUF]);

static int out_of_memory(struct bo_err *err)
{
	return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
}

static bool holds_run(int dir)
{
	return faccessat(dir, "run.json", F_OK, 0) == 0;
}

static int add_run(struct bo_compare_set *set, int dir, const char *path, struct bo_err *err)
{
	json_t *run = NULL;
	int r = bo_report_load(&run, dir, err);

	if (r)
		return bo_err_wrap(err, "%s", path);
	if (bo_vec_push(&set->runs, run))
		return 0;
	json_decref(run);
	return out_of_memory(err);
}

static int is_visible(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

static int add_below(struct bo_compare_set *set, int dir, const char *path, struct bo_err *err)
{
	struct dirent **entries = NULL;
	int n = scandirat(dir, ".", &entries, is_visible, alphasort), r = 0;
	size_t before = set->runs.len;

	if (n < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "%s", path);
	for (int i = 0; i < n; i++) {
		bo_auto_fd int sub = openat(dir, entries[i]->d_name,
					    O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		char name[512];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (r == 0 && sub >= 0 && holds_run(sub))
			r = add_run(set, sub, name, err);
		else if (sub >= 0)
			set->left_out++;
		free(entries[i]);
	}
	free(entries);
	if (r == 0 && set->runs.len == before)
		r = bo_err_set(
			err, ENOENT, BO_SUBSYS_HARNESS,
			"%s: expected the folder of a run, or one with folders of runs in it, found no run.json",
			path);
	return r;
}

int bo_compare_set_add(struct bo_compare_set *set, const char *path, struct bo_err *err)
{
	bo_auto_fd int dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dir < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "%s", path);
	return holds_run(dir) ? add_run(set, dir, path, err) : add_below(set, dir, path, err);
}

void bo_compare_set_done(struct bo_compare_set *set)
{
	bo_vec_foreach(run, &set->runs)
		json_decref(*run);
	bo_vec_done(&set->runs);
}

const json_t *bo_compare_budget(const json_t *budgets, const char *text, size_t nth)
{
	for (size_t i = 0; i < json_array_size(budgets); i++) {
		const json_t *budget = json_array_get(budgets, i);

		if (!strcmp(bo_view_str(budget, "text"), text) && !nth--)
			return budget;
	}
	return NULL;
}

size_t bo_compare_nth(const json_t *budgets, size_t i)
{
	const char *text = bo_view_str(json_array_get(budgets, i), "text");
	size_t n = 0;

	while (i--)
		n += !strcmp(bo_view_str(json_array_get(budgets, i), "text"), text);
	return n;
}

/* ---- verdicts ---- */

/** judge() - of budget @text, or of the whole run without one; runs that lack the budget are left out */
static int judge(const struct bo_compare_set *set, const char *text, size_t nth,
		 struct bo_repeat *ret)
{
	bo_auto_free enum bo_outcome *outcomes = calloc(set->runs.len + 1, sizeof(*outcomes));
	size_t n = 0;

	if (!outcomes)
		return -ENOMEM;
	bo_vec_foreach(run, &set->runs) {
		const json_t *budget =
			text ? bo_compare_budget(bo_view_get(*run, "budgets"), text, nth) : NULL;

		if (!text)
			outcomes[n++] = bo_outcome_from_name(
				bo_view_str(bo_view_get(*run, "outcome"), "verdict"));
		else if (budget)
			outcomes[n++] = bo_outcome_from_name(bo_view_str(budget, "outcome"));
	}
	bo_repeat_judge(outcomes, n, ret);
	return 0;
}

static void add_verdict(struct bo_table *table, const struct bo_repeat *repeat)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", bo_outcome_name(repeat->outcome), repeat->text);
	bo_table_add(table, repeat->runs ? text : "absent");
}

static int add_budget(struct bo_table *table, const struct bo_compare_set *a,
		      const struct bo_compare_set *b, const char *text, size_t nth)
{
	struct bo_repeat was, is;

	if (judge(a, text, nth, &was) || judge(b, text, nth, &is))
		return -ENOMEM;
	bo_table_add(table, text ? text : "the run");
	add_verdict(table, &was);
	add_verdict(table, &is);
	bo_table_add(table, was.outcome == is.outcome && !was.runs == !is.runs ? "" : "changed");
	return 0;
}

static const json_t *run_at(const struct bo_compare_set *a, const struct bo_compare_set *b,
			    size_t i)
{
	return i < a->runs.len ? a->runs.items[i] : b->runs.items[i - a->runs.len];
}

/* Every budget that any run has, once. */
static int compare_budgets(const struct bo_console *con, const struct bo_compare_set *a,
			   const struct bo_compare_set *b)
{
	struct bo_table table = { .head = { "BUDGET", "A", "B", "" }, .ncols = 4 };
	int r = add_budget(&table, a, b, NULL, 0);

	for (size_t k = 0; r == 0 && k < a->runs.len + b->runs.len; k++) {
		const json_t *budgets = bo_view_get(run_at(a, b, k), "budgets");

		for (size_t i = 0; r == 0 && i < json_array_size(budgets); i++) {
			const char *text = bo_view_str(json_array_get(budgets, i), "text");
			size_t nth = bo_compare_nth(budgets, i), before = 0;

			while (before < k &&
			       !bo_compare_budget(bo_view_get(run_at(a, b, before), "budgets"),
						  text, nth))
				before++;
			if (before == k)
				r = add_budget(&table, a, b, text, nth);
		}
	}
	fputc('\n', con->out);
	bo_table_print(&table, con);
	return r;
}

/* ---- numbers ---- */

/** values() - @key of the phase in each run that has it; @ret: [out, owned] ascending */
static size_t values(const struct bo_compare_set *set, const char *phase, const char *key,
		     double **ret)
{
	double *v = calloc(set->runs.len + 1, sizeof(*v));
	size_t n = 0;

	bo_vec_foreach(run, &set->runs) {
		const json_t *p = bo_view_find(bo_view_get(*run, "phases"), "name", phase);
		double value = bo_view_num(bo_view_get(p, "all"), key);
		size_t at = n;

		if (!v || !isfinite(value))
			continue;
		for (; at > 0 && v[at - 1] > value; at--)
			v[at] = v[at - 1];
		v[at] = value;
		n++;
	}
	*ret = v;
	return n;
}

static double median(const double *v, size_t n)
{
	return n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : NAN;
}

static int add_metric(struct bo_table *table, const struct bo_compare_set *a,
		      const struct bo_compare_set *b, const char *phase, const char *what,
		      const char *key, format_fn format, struct bo_err *err)
{
	bo_auto_free double *va = NULL, *vb = NULL;
	size_t na = values(a, phase, key, &va), nb = values(b, phase, key, &vb);
	struct bo_shift shift = { .text = "" };
	char buf[BO_VIEW_BUF];
	int r;

	if (!va || !vb)
		return out_of_memory(err);
	if (!na && !nb)
		return 0;
	/* A ratio of errors is often 0, of which nothing is a multiple. */
	r = format == bo_view_ms ? bo_shift_compare(va, na, vb, nb, &shift, err) : 0;
	if (r)
		return r;
	bo_table_add(table, phase);
	bo_table_add(table, what);
	bo_table_add(table, format(median(va, na), buf));
	bo_table_add(table, format(median(vb, nb), buf));
	bo_table_add(table, shift.text);
	return 0;
}

static int compare_phases(const struct bo_console *con, const struct bo_compare_set *a,
			  const struct bo_compare_set *b, struct bo_err *err)
{
	static const struct {
		const char *what;
		const char *key;
		format_fn format;
	} metrics[] = {
		{ "p50", "p50_ms", bo_view_ms },
		{ "p99", "p99_ms", bo_view_ms },
		{ "errors", "error_ratio", bo_view_percent },
	};
	struct bo_table table = { .head = { "PHASE", "", "A, MEDIAN", "B, MEDIAN", "B OVER A" },
				  .ncols = 5,
				  .right = 1u << 2 | 1u << 3 };
	int r = 0;

	for (int p = 0; p < BO_PHASE_COUNT; p++)
		for (size_t m = 0; r == 0 && m < sizeof(metrics) / sizeof(*metrics); m++)
			r = add_metric(&table, a, b, bo_phase_name((enum bo_phase)p),
				       metrics[m].what, metrics[m].key, metrics[m].format, err);
	if (table.cells.len)
		fputc('\n', con->out);
	bo_table_print(&table, con);
	return r;
}

/* The least p there can be is that of two sets that do not overlap at all, in either order. */
static void warn_few(const struct bo_console *con, size_t na, size_t nb)
{
	double orders = 1;
	char text[160];

	for (size_t i = 1; i <= na && orders < 1e6; i++)
		orders *= (double)(nb + i) / (double)i;
	if (2 / orders <= 0.05)
		return;
	snprintf(text, sizeof(text),
		 "note: of %zu and %zu runs no difference gets a p below %.2g; 4 and 4 can tell",
		 na, nb, fmin(2 / orders, 1));
	fputc('\n', con->out);
	bo_console_text(con, text);
}

int bo_compare_sets(const struct bo_console *con, const struct bo_compare_set *a,
		    const struct bo_compare_set *b, struct bo_err *err)
{
	int r;

	if (compare_budgets(con, a, b))
		return out_of_memory(err);
	r = compare_phases(con, a, b, err);
	if (r == 0)
		warn_few(con, a->runs.len, b->runs.len);
	return r;
}
