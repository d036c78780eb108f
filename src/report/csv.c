/* SPDX-License-Identifier: Apache-2.0 */
/* report/csv.c — the plain data: series/<node>.<series>.csv, series/latency.csv and faults.json.
 * For spreadsheets, pandas, gnuplot: a header line, a point as decimal mark, one row per sample.  A
 * gap is a row without value and with its reason, so that no tool draws a line across it.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "kinds.h"

static void add_number(struct bo_strbuf *sb, double v)
{
	if (isfinite(v))
		bo_strbuf_printf(sb, "%.15g", v);
}

static int put_csv(int dir_fd, const char *name, struct bo_strbuf *sb, struct bo_err *err)
{
	int rc;

	if (!bo_strbuf_ok(sb))
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT, "cannot write %s: out of memory",
				name);
	else
		rc = bo_report_put_file(dir_fd, name, bo_strbuf_str(sb), sb->len, err);
	bo_strbuf_done(sb);
	return rc;
}

static void add_gap(struct bo_strbuf *sb, const json_t *gap)
{
	struct bo_strbuf note = { 0 };

	bo_strbuf_printf(&note, "gap until %.15g: %s", bo_view_num(gap, "to_s"),
			 bo_view_str(gap, "reason"));
	add_number(sb, bo_view_num(gap, "from_s"));
	bo_strbuf_puts(sb, ",,");
	bo_text_csv(sb, bo_strbuf_str(&note));
	bo_strbuf_puts(sb, "\n");
	sb->failed |= note.failed;
	bo_strbuf_done(&note);
}

static void add_series(struct bo_strbuf *sb, const json_t *series)
{
	const json_t *t_s = bo_view_get(series, "t_s"), *value = bo_view_get(series, "value");
	const json_t *gaps = bo_view_get(series, "gaps");
	size_t g = 0, ngaps = json_array_size(gaps);

	bo_strbuf_puts(sb, "t_s,value,note\n");
	for (size_t i = 0; i < json_array_size(t_s); i++) {
		double t = bo_view_at(t_s, i);

		while (g < ngaps && bo_view_num(json_array_get(gaps, g), "from_s") <= t)
			add_gap(sb, json_array_get(gaps, g++));
		add_number(sb, t);
		bo_strbuf_puts(sb, ",");
		add_number(sb, bo_view_at(value, i));
		bo_strbuf_puts(sb, ",\n");
	}
	while (g < ngaps)
		add_gap(sb, json_array_get(gaps, g++));
}

/* Two names may become one on disk ("a/b", "a_b"): the later gets a number. */
static bool taken(json_t *used, const char *name)
{
	if (json_object_get(used, name))
		return true;
	return json_object_set_new(used, name, json_true()) != 0;
}

/* Every load has series of the same names; its own name tells them apart. */
static void add_load_name(struct bo_strbuf *sb, const char *source)
{
	bo_auto_free char *load = NULL;

	if (strncmp(source, "load '", 6) != 0)
		return;
	load = strndup(source + 6, strcspn(source + 6, "'"));
	sb->failed |= !load;
	bo_strbuf_puts(sb, ".");
	bo_text_filename(sb, load ? load : "");
}

static int series_name(const json_t *series, json_t *used, struct bo_strbuf *ret)
{
	struct bo_strbuf base = { 0 };

	bo_strbuf_puts(&base, "series/");
	bo_text_filename(&base, bo_view_str(series, "node"));
	bo_strbuf_puts(&base, ".");
	bo_text_filename(&base, bo_view_str(series, "name"));
	add_load_name(&base, bo_view_str(series, "source"));
	/* NAME_MAX is 255 and a suffix has to fit; node names are short, so this only tames a
	 * mangled run.json. */
	if (base.len > 180) {
		base.len = 180;
		base.buf[180] = '\0';
	}
	for (unsigned int n = 1; n < 10000; n++) {
		ret->len = 0;
		bo_strbuf_puts(ret, bo_strbuf_str(&base));
		if (n > 1)
			bo_strbuf_printf(ret, "-%u", n);
		bo_strbuf_puts(ret, ".csv");
		if (!taken(used, bo_strbuf_str(ret)))
			break;
	}
	ret->failed |= base.failed;
	bo_strbuf_done(&base);
	return bo_strbuf_ok(ret) ? 0 : -ENOMEM;
}

static void add_windows(struct bo_strbuf *sb, const char *load, const json_t *windows,
			const json_t *all)
{
	static const char *const columns[] = { "count",  "rate_per_s", "p50_ms",
					       "p90_ms", "p99_ms",     "max_ms" };
	const json_t *t_s = bo_view_get(windows, "t_s");
	const json_t *known = bo_view_get(all, "classes"),
		     *classes = bo_view_get(windows, "classes");

	for (size_t w = 0; w < json_array_size(t_s); w++) {
		const char *name;
		json_t *unused;

		add_number(sb, bo_view_at(t_s, w));
		bo_strbuf_puts(sb, ",");
		bo_text_csv(sb, load);
		for (size_t c = 0; c < sizeof(columns) / sizeof(*columns); c++) {
			bo_strbuf_puts(sb, ",");
			add_number(sb, bo_view_at(bo_view_get(windows, columns[c]), w));
		}
		json_object_foreach((json_t *)known, name, unused) {
			double n = bo_view_at(bo_view_get(classes, name), w);

			(void)unused;
			bo_strbuf_printf(sb, ",%.0f", isfinite(n) ? n : 0);
		}
		bo_strbuf_puts(sb, "\n");
	}
}

static int write_latency(const json_t *run, int dir_fd, struct bo_err *err)
{
	const json_t *latency = bo_view_get(run, "latency"), *all = bo_view_get(latency, "all");
	const json_t *loads = bo_view_get(latency, "loads");
	struct bo_strbuf sb = { 0 };
	const char *name;
	json_t *unused;

	bo_strbuf_puts(&sb, "t_s,load,count,rate_per_s,p50_ms,p90_ms,p99_ms,max_ms");
	json_object_foreach((json_t *)bo_view_get(all, "classes"), name, unused) {
		(void)unused;
		bo_strbuf_puts(&sb, ",");
		bo_text_csv(&sb, name);
	}
	bo_strbuf_puts(&sb, "\n");
	for (size_t i = 0; i < json_array_size(loads); i++)
		add_windows(&sb, bo_view_str(json_array_get(loads, i), "load"),
			    json_array_get(loads, i), all);
	return put_csv(dir_fd, "series/latency.csv", &sb, err);
}

static int write_series(const json_t *run, int dir_fd, struct bo_err *err)
{
	const json_t *list = bo_view_get(run, "series");
	struct bo_strbuf name = { 0 };
	json_t *used = json_object();
	int rc = write_latency(run, dir_fd, err);

	if (!rc && !used)
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot write series: out of memory");
	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *series = json_array_get(list, i);
		struct bo_strbuf sb = { 0 };

		rc = series_name(series, used, &name);
		if (rc) {
			bo_err_set(err, -rc, BO_SUBSYS_REPORT,
				   "cannot write series: out of memory");
			break;
		}
		add_series(&sb, series);
		rc = put_csv(dir_fd, bo_strbuf_str(&name), &sb, err);
	}
	bo_strbuf_done(&name);
	json_decref(used);
	return rc;
}

const struct bo_report_kind bo_report_series = {
	.name = "series",
	.file = "series",
	.write_into = write_series,
};

static int write_faults(const json_t *run, FILE *out, struct bo_err *err)
{
	json_t *doc = json_pack("{s:s, s:O?, s:O?}", "schema", "brownout/faults/1", "run",
				bo_view_get(run, "id"), "faults", bo_view_get(run, "faults"));
	int rc = 0;

	if (!doc || json_dumpf(doc, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)))
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot render faults.json: out of memory");
	fputc('\n', out);
	json_decref(doc);
	return rc;
}

const struct bo_report_kind bo_report_faults = {
	.name = "faults",
	.file = "faults.json",
	.write = write_faults,
};
