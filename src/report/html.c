/* SPDX-License-Identifier: Apache-2.0 */
/* report/html.c — report.html: one file, no network, to mail around and to keep as a CI artifact.
 *
 * Verdict and tables are plain HTML made here, so they are there where scripts are not (the default
 * content policy of Jenkins blocks them, printers and mail readers too).  Only the timeline needs
 * the script; its data is embedded as JSON.  The template is expanded in one pass: nothing that
 * comes out of a run is ever searched for placeholders.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "html.h"

#include <errno.h>
#include <string.h>

#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "kinds.h"

static void put_title(struct bo_strbuf *sb, const json_t *run)
{
	bo_text_html(sb, bo_view_str(bo_view_get(run, "outcome"), "verdict"));
	bo_strbuf_puts(sb, " \u00b7 ");
	bo_text_html(sb, bo_view_str(bo_view_get(run, "scenario"), "name"));
}

/*
 * JSON inside <script>: the HTML parser knows nothing of strings there and ends the element at
 * "</script" (and changes its mind about it at "<!--").  '<' only ever occurs inside JSON strings,
 * so its escape means the same to JSON. U+2028 and U+2029 end a line in older JavaScript.
 */
static void put_script_json(struct bo_strbuf *sb, const char *text)
{
	for (const char *p = text; *p;) {
		size_t plain = strcspn(p, "<>&\xE2");

		bo_strbuf_add(sb, p, plain);
		p += plain;
		if (!*p)
			break;
		if (!strncmp(p, "\xE2\x80\xA8", 3) || !strncmp(p, "\xE2\x80\xA9", 3)) {
			bo_strbuf_puts(sb, p[2] == '\xA8' ? "\\u2028" : "\\u2029");
			p += 3;
		} else if (*p == '\xE2') {
			bo_strbuf_add(sb, p++, 1);
		} else {
			bo_strbuf_printf(sb, "\\u%04x", (unsigned)*p++);
		}
	}
}

/* Only what the timeline draws; the rest of run.json lies beside the report. */
static void put_data(struct bo_strbuf *sb, const json_t *run)
{
	static const char *const keys[] = { "duration_s", "phases",  "faults", "budgets",
					    "events",     "latency", "series", "topology" };
	json_t *subset = json_object();
	char *text = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		json_t *value = json_object_get(run, keys[i]);

		if (value && json_object_set(subset, keys[i], value))
			sb->failed = true;
	}
	if (subset)
		text = json_dumps(subset, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (text)
		put_script_json(sb, text);
	else
		sb->failed = true;
	free(text);
	json_decref(subset);
}

static void put_style(struct bo_strbuf *sb, const json_t *run)
{
	(void)run;
	bo_strbuf_add(sb, bo_asset_library_style, bo_asset_library_style_len);
	bo_strbuf_add(sb, bo_asset_style, bo_asset_style_len);
}

static void put_library(struct bo_strbuf *sb, const json_t *run)
{
	(void)run;
	bo_strbuf_add(sb, bo_asset_library, bo_asset_library_len);
}

static void put_script(struct bo_strbuf *sb, const json_t *run)
{
	(void)run;
	bo_strbuf_add(sb, bo_asset_script, bo_asset_script_len);
}

static const struct {
	const char *name;
	bo_html_section_fn put;
} sections[] = {
	{ "title", put_title },
	{ "style", put_style },
	{ "header", bo_html_header },
	{ "budgets", bo_html_budgets },
	{ "faults", bo_html_faults },
	{ "phases", bo_html_phases },
	{ "goroutines", bo_html_goroutines },
	{ "loads", bo_html_loads },
	{ "events", bo_html_events },
	{ "series", bo_html_series },
	{ "environment", bo_html_environment },
	{ "data", put_data },
	{ "library", put_library },
	{ "script", put_script },
};

/* Expands one "{{name}}" at @at; false when there is no section of that name. */
static bool expand(struct bo_strbuf *sb, const char *name, size_t len, const json_t *run)
{
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		if (strlen(sections[i].name) == len && !memcmp(sections[i].name, name, len)) {
			sections[i].put(sb, run);
			return true;
		}
	}
	return false;
}

static int write_html(const json_t *run, FILE *out, struct bo_err *err)
{
	const char *p = bo_asset_template, *end = p + bo_asset_template_len;
	struct bo_strbuf sb = { 0 };
	int rc = 0;

	while (p < end && !rc) {
		const char *open = memmem(p, (size_t)(end - p), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;

		if (!close) {
			bo_strbuf_add(&sb, p, (size_t)(end - p));
			break;
		}
		bo_strbuf_add(&sb, p, (size_t)(open - p));
		if (!expand(&sb, open + 2, (size_t)(close - open - 2), run))
			rc = bo_err_set(err, EINVAL, BO_SUBSYS_REPORT,
					"report template: unknown section '%.*s'",
					(int)(close - open - 2), open + 2);
		p = close + 2;
	}
	if (!rc && !bo_strbuf_ok(&sb))
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot render report.html: out of memory");
	if (!rc)
		fwrite(sb.buf, 1, sb.len, out);
	bo_strbuf_done(&sb);
	return rc;
}

const struct bo_report_kind bo_report_html = {
	.name = "html",
	.file = "report.html",
	.write = write_html,
};
