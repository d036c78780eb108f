/* SPDX-License-Identifier: Apache-2.0 */
/* report/junit.c — junit.xml, in the dialect that Jenkins, GitLab, GitHub reporters and Surefire
 * tools share.
 *
 * One test case per budget and one, "run", for the run as a whole.  The latter is there always, so
 * that a budget history in CI never changes shape, and so that a run can be red though every single
 * budget held.  A budget that could not be judged is an <error>: a CI job must not be green about
 * what was never measured.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "brownout/report/text.h"
#include "brownout/report/view.h"
#include "kinds.h"

static void add_attr(struct bo_strbuf *sb, const char *name, const char *value)
{
	bo_strbuf_printf(sb, " %s=\"", name);
	bo_text_xml(sb, value);
	bo_strbuf_puts(sb, "\"");
}

static void add_property(struct bo_strbuf *sb, const char *name, const char *value)
{
	bo_strbuf_puts(sb, "      <property");
	add_attr(sb, "name", name);
	add_attr(sb, "value", value);
	bo_strbuf_puts(sb, "/>\n");
}

static void add_tags(struct bo_strbuf *sb, const json_t *tags)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)tags, key, value) {
		struct bo_strbuf name = { 0 };

		bo_strbuf_printf(&name, "tag.%s", key);
		add_property(sb, bo_strbuf_str(&name), json_string_value(value));
		sb->failed |= name.failed;
		bo_strbuf_done(&name);
	}
}

static void add_properties(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *environment = bo_view_get(run, "environment"),
		     *scenario = bo_view_get(run, "scenario");

	bo_strbuf_puts(sb, "    <properties>\n");
	add_property(sb, "run", bo_view_str(run, "id"));
	add_property(sb, "verdict", bo_view_str(bo_view_get(run, "outcome"), "verdict"));
	add_property(sb, "scenario", bo_view_str(scenario, "path"));
	add_property(sb, "seed", bo_view_str(scenario, "seed"));
	add_property(sb, "driver", bo_view_str(environment, "link_driver"));
	add_property(sb, "cgroup", bo_view_str(environment, "cgroup"));
	add_property(sb, "machine", bo_view_str(environment, "machine"));
	add_property(sb, "version", bo_view_str(run, "version"));
	add_property(sb, "rerun", bo_view_str(run, "rerun"));
	add_tags(sb, bo_view_get(run, "tags"));
	bo_strbuf_puts(sb, "    </properties>\n");
}

/* Jenkins and others merge test cases of one name, so the second of two equal budgets is
 * numbered. */
static void add_case_name(struct bo_strbuf *sb, const json_t *budgets, size_t i)
{
	const char *text = bo_view_str(json_array_get(budgets, i), "text");
	size_t earlier = 0;

	for (size_t k = 0; k < i; k++)
		earlier += !strcmp(bo_view_str(json_array_get(budgets, k), "text"), text);
	bo_strbuf_puts(sb, " name=\"");
	bo_text_xml(sb, text);
	if (earlier)
		bo_strbuf_printf(sb, " [%zu]", earlier + 1);
	bo_strbuf_puts(sb, "\"");
}

static void add_where(struct bo_strbuf *sb, const json_t *budget)
{
	struct bo_strbuf where = { 0 };

	bo_view_source(&where, bo_view_get(budget, "source"));
	bo_strbuf_puts(sb, "\nat ");
	bo_text_xml(sb, bo_strbuf_str(&where));
	sb->failed |= where.failed;
	bo_strbuf_done(&where);
}

static void add_failure(struct bo_strbuf *sb, const json_t *budget)
{
	struct bo_strbuf message = { 0 };
	const char *excess = bo_view_str(budget, "excess"), *reason = bo_view_str(budget, "reason");
	char at[BO_VIEW_BUF];

	bo_strbuf_printf(&message, "measured %s, limit %s", bo_view_str(budget, "measured"),
			 bo_view_str(budget, "limit"));
	if (*excess)
		bo_strbuf_printf(&message, ", missed %s", excess);
	bo_strbuf_puts(sb, "      <failure type=\"budget\"");
	add_attr(sb, "message", bo_strbuf_str(&message));
	bo_strbuf_puts(sb, ">");
	bo_text_xml(sb, bo_view_str(budget, "text"));
	bo_strbuf_puts(sb, "\n");
	bo_text_xml(sb, bo_strbuf_str(&message));
	if (isfinite(bo_view_num(budget, "first_breach_s")))
		bo_strbuf_printf(sb, "\nfirst breach at %s",
				 bo_view_seconds(bo_view_num(budget, "first_breach_s"), at));
	if (*reason) {
		bo_strbuf_puts(sb, "\n");
		bo_text_xml(sb, reason);
	}
	add_where(sb, budget);
	bo_strbuf_puts(sb, "</failure>\n");
	sb->failed |= message.failed;
	bo_strbuf_done(&message);
}

static void add_budget_error(struct bo_strbuf *sb, const json_t *budget)
{
	const char *reason = bo_view_str(budget, "reason");

	bo_strbuf_puts(sb, "      <error");
	add_attr(sb, "type",
		 strcmp(bo_view_str(budget, "outcome"), "ABORTED") ? "inconclusive" : "aborted");
	add_attr(sb, "message", *reason ? reason : "no verdict on this budget");
	bo_strbuf_puts(sb, ">");
	bo_text_xml(sb, bo_view_str(budget, "text"));
	bo_strbuf_puts(sb, "\nno verdict: ");
	bo_text_xml(sb, reason);
	add_where(sb, budget);
	bo_strbuf_puts(sb, "</error>\n");
}

/* It neither fails nor is an error: what it says is put with the test case. */
static void add_warning(struct bo_strbuf *sb, const json_t *budget)
{
	bo_strbuf_puts(sb, "      <system-out>");
	bo_text_xml(sb, bo_view_budget_word(budget));
	bo_strbuf_puts(sb, ": measured ");
	bo_text_xml(sb, bo_view_str(budget, "measured"));
	bo_strbuf_puts(sb, ", limit ");
	bo_text_xml(sb, bo_view_str(budget, "limit"));
	if (*bo_view_str(budget, "reason")) {
		bo_strbuf_puts(sb, "\n");
		bo_text_xml(sb, bo_view_str(budget, "reason"));
	}
	add_where(sb, budget);
	bo_strbuf_puts(sb, "</system-out>\n");
}

static void add_budget(struct bo_strbuf *sb, const char *class_name, const json_t *budgets,
		       size_t i)
{
	const json_t *budget = json_array_get(budgets, i);
	const char *outcome = bo_view_str(budget, "outcome");

	bo_strbuf_puts(sb, "    <testcase");
	add_case_name(sb, budgets, i);
	add_attr(sb, "classname", class_name);
	bo_strbuf_puts(sb, " time=\"0\"");
	if (!strcmp(outcome, "PASS")) {
		bo_strbuf_puts(sb, "/>\n");
		return;
	}
	bo_strbuf_puts(sb, ">\n");
	if (bo_view_warns(budget))
		add_warning(sb, budget);
	else if (!strcmp(outcome, "FAIL"))
		add_failure(sb, budget);
	else
		add_budget_error(sb, budget);
	bo_strbuf_puts(sb, "    </testcase>\n");
}

/* The run as a whole: an error when it says nothing or not enough, a failure when the service
 * itself ended. */
static void add_run_case(struct bo_strbuf *sb, const char *class_name, const json_t *run,
			 const char *kind)
{
	const json_t *outcome = bo_view_get(run, "outcome"),
		     *reasons = bo_view_get(outcome, "reasons");
	double duration = bo_view_num(run, "duration_s");

	bo_strbuf_puts(sb, "    <testcase name=\"run\"");
	add_attr(sb, "classname", class_name);
	bo_strbuf_printf(sb, " time=\"%.3f\"", isfinite(duration) && duration > 0 ? duration : 0);
	if (!kind) {
		bo_strbuf_puts(sb, "/>\n");
		return;
	}
	bo_strbuf_printf(sb, ">\n      <%s", kind);
	add_attr(sb, "type", bo_view_str(outcome, "verdict"));
	add_attr(sb, "message", bo_view_str(outcome, "headline"));
	bo_strbuf_puts(sb, ">");
	bo_text_xml(sb, bo_view_str(outcome, "headline"));
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		bo_strbuf_puts(sb, "\n- ");
		bo_text_xml(sb, json_string_value(json_array_get(reasons, i)));
	}
	bo_strbuf_printf(sb, "</%s>\n    </testcase>\n", kind);
}

static const char *run_case_kind(const json_t *outcome)
{
	const char *verdict = bo_view_str(outcome, "verdict");

	if (*bo_view_str(outcome, "failure"))
		return "failure";
	if (json_array_size(bo_view_get(outcome, "reasons")) ||
	    (strcmp(verdict, "PASS") != 0 && strcmp(verdict, "FAIL") != 0))
		return "error";
	return NULL;
}

/** struct counts - of one suite, or summed over several */
struct counts {
	size_t tests;
	size_t failures;
	size_t errors;
	double seconds;
};

static void count_run(struct counts *c, const json_t *run)
{
	const char *kind = run_case_kind(bo_view_get(run, "outcome"));
	const json_t *budgets = bo_view_get(run, "budgets");
	double duration = bo_view_num(run, "duration_s");
	size_t n = json_array_size(budgets);

	for (size_t i = 0; i < n; i++) {
		const char *outcome = bo_view_str(json_array_get(budgets, i), "outcome");

		if (bo_view_warns(json_array_get(budgets, i)))
			continue;
		c->failures += !strcmp(outcome, "FAIL");
		c->errors += strcmp(outcome, "FAIL") != 0 && strcmp(outcome, "PASS") != 0;
	}
	c->failures += kind && !strcmp(kind, "failure");
	c->errors += kind && !strcmp(kind, "error");
	c->tests += n + 1;
	c->seconds += isfinite(duration) && duration > 0 ? duration : 0;
}

static void add_counts(struct bo_strbuf *sb, const struct counts *c)
{
	bo_strbuf_printf(
		sb, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\" time=\"%.3f\"",
		c->tests, c->failures, c->errors, c->seconds);
}

static void add_system_out(struct bo_strbuf *sb, const json_t *run)
{
	const json_t *faults = bo_view_get(run, "faults");

	bo_strbuf_puts(sb, "    <system-out>");
	bo_text_xml(sb, bo_view_str(bo_view_get(run, "outcome"), "verdict"));
	bo_strbuf_puts(sb, ": ");
	bo_text_xml(sb, bo_view_str(bo_view_get(run, "outcome"), "headline"));
	for (size_t i = 0; i < json_array_size(faults); i++) {
		const json_t *fault = json_array_get(faults, i);
		struct bo_strbuf line = { 0 };

		bo_strbuf_printf(&line, "fault %s: requested %s; achieved %s; %s",
				 bo_view_str(fault, "id"), bo_view_str(fault, "requested"),
				 bo_view_str(fault, "achieved"), bo_view_str(fault, "confirm"));
		bo_strbuf_puts(sb, "\n");
		bo_text_xml(sb, bo_strbuf_str(&line));
		sb->failed |= line.failed;
		bo_strbuf_done(&line);
	}
	bo_strbuf_puts(sb, "\nrun again: ");
	bo_text_xml(sb, bo_view_str(run, "rerun"));
	bo_strbuf_puts(sb, "\n</system-out>\n");
}

/* @ordinal: which of the runs of this scenario it is, from 1 */
static void add_suite(struct bo_strbuf *sb, const json_t *run, size_t ordinal)
{
	const json_t *budgets = bo_view_get(run, "budgets");
	/* Surefire's timestamp has no zone and no fraction: "2025-01-31T12:00:00" (UTC here). */
	const char *started = bo_view_str(run, "started_at");
	struct bo_strbuf name = { 0 };
	struct counts counts = { 0 };

	bo_strbuf_printf(&name, "brownout.%s", bo_view_str(bo_view_get(run, "scenario"), "name"));
	if (ordinal > 1)
		bo_strbuf_printf(&name, " [%zu]", ordinal);
	count_run(&counts, run);
	bo_strbuf_puts(sb, "  <testsuite");
	add_attr(sb, "name", bo_strbuf_str(&name));
	add_counts(sb, &counts);
	if (strlen(started) >= 19) {
		bo_strbuf_puts(sb, " timestamp=\"");
		struct bo_strbuf stamp = { 0 };

		bo_strbuf_add(&stamp, started, 19);
		bo_text_xml(sb, bo_strbuf_str(&stamp));
		bo_strbuf_done(&stamp);
		bo_strbuf_puts(sb, "\"");
	}
	bo_strbuf_puts(sb, ">\n");
	add_properties(sb, run);
	for (size_t i = 0; i < json_array_size(budgets); i++)
		add_budget(sb, bo_strbuf_str(&name), budgets, i);
	add_run_case(sb, bo_strbuf_str(&name), run, run_case_kind(bo_view_get(run, "outcome")));
	add_system_out(sb, run);
	bo_strbuf_puts(sb, "  </testsuite>\n");
	sb->failed |= name.failed;
	bo_strbuf_done(&name);
}

static size_t ordinal_of(const json_t *const *runs, size_t i)
{
	const char *name = bo_view_str(bo_view_get(runs[i], "scenario"), "name");
	size_t n = 1;

	for (size_t k = 0; k < i; k++)
		n += !strcmp(bo_view_str(bo_view_get(runs[k], "scenario"), "name"), name);
	return n;
}

static void add_suites(struct bo_strbuf *sb, const json_t *const *runs, size_t n)
{
	struct counts counts = { 0 };

	for (size_t i = 0; i < n; i++)
		count_run(&counts, runs[i]);
	bo_strbuf_puts(sb,
		       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"brownout\"");
	add_counts(sb, &counts);
	bo_strbuf_puts(sb, ">\n");
	for (size_t i = 0; i < n; i++)
		add_suite(sb, runs[i], ordinal_of(runs, i));
	bo_strbuf_puts(sb, "</testsuites>\n");
}

static int write_junit(const json_t *run, FILE *out, struct bo_err *err)
{
	struct bo_strbuf sb = { 0 };
	int rc = 0;

	add_suites(&sb, &run, 1);
	if (bo_strbuf_ok(&sb))
		fputs(bo_strbuf_str(&sb), out);
	else
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
				"cannot render junit.xml: out of memory");
	bo_strbuf_done(&sb);
	return rc;
}

int bo_report_junit_file(const char *path, const json_t *const *runs, size_t n, struct bo_err *err)
{
	struct bo_strbuf sb = { 0 };
	int rc;

	add_suites(&sb, runs, n);
	if (bo_strbuf_ok(&sb))
		rc = bo_report_put_file(AT_FDCWD, path, bo_strbuf_str(&sb), sb.len, err);
	else
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT, "cannot write %s: out of memory",
				path);
	bo_strbuf_done(&sb);
	return rc;
}

const struct bo_report_kind bo_report_junit = {
	.name = "junit",
	.file = "junit.xml",
	.write = write_junit,
};
