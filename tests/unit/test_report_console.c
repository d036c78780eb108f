/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict in a terminal, and the verbs report and compare, as their users see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/text.h"
#include "harness/console_table.h"
#include "harness/verbs.h"
#include "report_run.h"

static char *print_sample(enum report_sample sample, bool hostile, int columns, bool colour)
{
	struct report_run rr = report_run_new(sample, hostile);
	struct bo_err err = { 0 };
	json_t *doc = NULL;
	char *text = NULL;
	size_t len;
	struct bo_console con = { .out = open_memstream(&text, &len),
				  .columns = columns,
				  .colour = colour };

	assert_non_null(con.out);
	assert_int_equal(bo_report_json(&doc, rr.run, &err), 0);
	bo_console_verdict_json(&con, doc, "reports/out/run");
	fclose(con.out);
	json_decref(doc);
	report_run_free(&rr);
	return text;
}

/* Longest line but those that are made to be copied: "reports", "again". */
static size_t widest(char *text)
{
	size_t max = 0;

	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t n = bo_utf8_columns(line);

		if (!strncmp(line, "  reports", 9) || !strncmp(line, "  again", 7) ||
		    line[0] != ' ')
			continue;
		max = n > max ? n : max;
	}
	return max;
}

static void test_verdict_table(void **state)
{
	bo_auto_free char *text = print_sample(SAMPLE_FAIL, false, 100, false);

	(void)state;
	assert_non_null(strstr(
		text, "\nFAIL  orders-db-slow  (28.00s, links: wire, seed 9007199254740993)\n"));
	assert_non_null(strstr(text, "3 of 6 budgets broken."));
	assert_non_null(strstr(
		text,
		"  FAIL     latency.p99 <= 1.2s in fault        3.75s  <= 1.20s  by 2.55s (213%)\n"));
	assert_non_null(
		strstr(text, "  PASS     recovery <= 3s                      0.75s  <= 3.00s\n"));
	assert_non_null(strstr(text, "delay 1.50s, loss 2% both"));
	assert_non_null(
		strstr(text, "\n\n  ERRORS  416 of 4000 requests (10.4%): most http_5xx (400)\n"));
	assert_non_null(strstr(text, "confirmed"));
	assert_non_null(strstr(text, "\n  reports  reports/out/run/report.html"));
	assert_non_null(strstr(
		text,
		"\n  again    brownout run --set build=leaky --tag branch=main --phase fault=10s --seed 9007199254740993"));
	assert_null(strchr(text, '\x1b'));
}

static void test_reasons(void **state)
{
	bo_auto_free char *unsure = print_sample(SAMPLE_INCONCLUSIVE, false, 100, false);
	bo_auto_free char *aborted = print_sample(SAMPLE_ABORTED, false, 100, false);

	(void)state;
	assert_non_null(strstr(unsure, "- goroutines of orders: no samples for 3.00s\n"));
	assert_non_null(strstr(unsure, "NOT CONFIRMED"));
	assert_non_null(strstr(unsure, "no samples between 9.00s"));
	assert_non_null(strstr(aborted, "\nABORTED  orders-db-slow"));
	assert_non_null(strstr(aborted, "never came"));
}

/* Only the first line of a reason begins with a dash, the others stand below its text. */
static void test_reasons_are_indented(void **state)
{
	bo_auto_free char *text = print_sample(SAMPLE_INCONCLUSIVE, false, 60, false);
	char *line = strstr(text, "\n  REASONS\n");
	size_t wrapped = 0;

	(void)state;
	assert_non_null(line);
	for (line += strlen("\n  REASONS\n"); *line != '\n'; line = strchr(line, '\n') + 1) {
		if (strncmp(line, "  - ", 4) == 0)
			continue;
		assert_int_equal(strncmp(line, "    ", 4), 0);
		assert_true(line[4] != ' ');
		wrapped++;
	}
	assert_true(wrapped > 0);
}

static char *print_brief(enum report_sample sample)
{
	struct report_run rr = report_run_new(sample, false);
	struct bo_err err = { 0 };
	json_t *doc = NULL;
	char *text = NULL;
	size_t len;
	struct bo_console con = { .out = open_memstream(&text, &len), .columns = 100 };

	assert_int_equal(bo_report_json(&doc, rr.run, &err), 0);
	bo_console_brief_json(&con, doc, "reports/out/run");
	fclose(con.out);
	json_decref(doc);
	report_run_free(&rr);
	return text;
}

static void test_brief(void **state)
{
	bo_auto_free char *pass = print_brief(SAMPLE_PASS), *fail = print_brief(SAMPLE_FAIL),
			  *aborted = print_brief(SAMPLE_ABORTED);

	(void)state;
	assert_string_equal(
		pass, "PASS  orders-db-slow  28.00s  seed 9007199254740993  reports/out/run\n");
	assert_int_equal(strncmp(fail, "FAIL  orders-db-slow  28.00s  seed ", 35), 0);
	assert_non_null(strstr(fail, "\n  3 of 6 budgets broken."));
	assert_non_null(strstr(
		fail, "\n  - FAIL latency.p99 <= 1.2s in fault: measured 3.75s, missed by 2.55s"));
	assert_null(strstr(fail, "PASS"));
	assert_null(strstr(fail, "\n\n"));
	assert_int_equal(strncmp(aborted, "ABORTED  ", 9), 0);
	assert_non_null(strstr(aborted, "\n  - "));
}

static void test_no_budgets(void **state)
{
	struct report_run rr = report_run_new(SAMPLE_PASS, false);
	char *text = NULL;
	size_t size;
	struct bo_console con = { .out = open_memstream(&text, &size), .columns = 100 };
	struct bo_err err = { 0 };
	json_t *doc;

	(void)state;
	assert_int_equal(bo_report_json(&doc, rr.run, &err), 0);
	assert_int_equal(json_array_clear(json_object_get(doc, "budgets")), 0);
	bo_console_verdict_json(&con, doc, NULL);
	fclose(con.out);
	assert_null(strstr(text, "\n\n\n"));
	free(text);
	json_decref(doc);
	report_run_free(&rr);
}

/* A word is cut only when there is no other column left to make narrower. */
static void test_words_stay_whole(void **state)
{
	static const char *const cells[] = { "latency.p95{load=feeds} <= 1s in fault",
					     "p95 3.48ms, of a hundred and eight" };
	struct bo_table table = { .head = { "A", "B" }, .ncols = 2 };
	char *text = NULL;
	size_t size;
	struct bo_console con = { .out = open_memstream(&text, &size), .columns = 36 };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		bo_table_add(&table, cells[i]);
	bo_table_print(&table, &con);
	fclose(con.out);
	assert_non_null(strstr(text, "latency.p95{load=feeds}"));
	assert_in_range(widest(text), 20, 36);
	free(text);
}

static void test_fits(void **state)
{
	(void)state;
	for (int s = SAMPLE_FAIL; s <= SAMPLE_ABORTED; s++) {
		for (int columns = 60; columns <= 100; columns += 20) {
			bo_auto_free char *plain = print_sample((enum report_sample)s, false,
								columns, false);
			bo_auto_free char *hostile = print_sample((enum report_sample)s, true,
								  columns, false);

			assert_in_range(widest(plain), 40, columns);
			assert_in_range(widest(hostile), 40, columns);
		}
	}
}

static void test_terminal_stays_safe(void **state)
{
	bo_auto_free char *text = print_sample(SAMPLE_INCONCLUSIVE, true, 80, false);

	(void)state;
	for (const char *p = text; *p; p++)
		assert_false((unsigned char)*p < 0x20 && *p != '\n');
	assert_true(bo_utf8_valid(text));
	assert_null(strstr(text, "\xe2\x80\xae"));
}

static void test_colour(void **state)
{
	bo_auto_free char *text = print_sample(SAMPLE_FAIL, false, 100, true);
	struct bo_console con = bo_console_for(stderr);

	(void)state;
	assert_non_null(strstr(text, "\x1b[1;31mFAIL\x1b[0m  orders-db-slow"));
	assert_non_null(strstr(text, "  \x1b[1;32mPASS"));
	if (!isatty(STDERR_FILENO))
		assert_false(con.colour);
}

/* Runs a verb with stdout and stderr in a file, and gives back what it said.  Verbs may write into
 * their argv. */
static char *run_verb(int (*verb)(int, char **), const char *const *args, int *ret_code)
{
	char *argv[8] = { 0 };
	int argc = 0;
	FILE *tmp = tmpfile();
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	char *text = NULL;
	size_t cap = 0;

	assert_non_null(tmp);
	for (; args[argc]; argc++) {
		assert_true(argc < 7);
		argv[argc] = strdup(args[argc]);
	}
	fflush(stdout);
	dup2(fileno(tmp), STDOUT_FILENO);
	dup2(fileno(tmp), STDERR_FILENO);
	*ret_code = verb(argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	while (argc)
		free(argv[--argc]);
	rewind(tmp);
	if (getdelim(&text, &cap, '\0', tmp) < 0 && text)
		*text = '\0';
	fclose(tmp);
	return text;
}

#define RUN_VERB(verb, code, ...) run_verb(verb, (const char *const[]){ __VA_ARGS__, NULL }, code)

static void fill_folder(const char *path, enum report_sample sample)
{
	struct report_run rr = report_run_new(sample, false);
	struct bo_err err = { 0 };

	bo_auto_fd int dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	assert_int_equal(bo_report_write_all(rr.run, dir, &err), 0);
	report_run_free(&rr);
}

static char folder_a[32], folder_b[32];

static int setup_folders(void **state)
{
	(void)state;
	strcpy(folder_a, "/tmp/brownout-verb-XXXXXX");
	strcpy(folder_b, "/tmp/brownout-verb-XXXXXX");
	return mkdtemp(folder_a) && mkdtemp(folder_b) ? 0 : -1;
}

/* Also after a failed assertion, which leaves the test by longjmp(). */
static int teardown_folders(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s %s", folder_a, folder_b);
	return system(cmd);
}

static void test_report_verb(void **state)
{
	const char *path = folder_a;
	char file[64];
	struct stat st;
	int code;

	(void)state;
	fill_folder(path, SAMPLE_FAIL);
	snprintf(file, sizeof(file), "%s/junit.xml", path);
	assert_int_equal(unlink(file), 0);

	bo_auto_free char *good = RUN_VERB(cmd_report, &code, "report", "--only", "junit,summary",
					   path);

	assert_int_equal(code, 0);
	assert_non_null(strstr(good, "3 of 6 budgets broken"));
	assert_int_equal(stat(file, &st), 0);

	bo_auto_free char *unknown = RUN_VERB(cmd_report, &code, "report", "--only", "junit,pdf",
					      path);

	assert_int_equal(code, 2);
	assert_non_null(strstr(unknown, "unknown report 'pdf'"));

	bo_auto_free char *missing = RUN_VERB(cmd_report, &code, "report", "/nonexistent/run");

	assert_int_equal(code, 2);
	assert_non_null(strstr(missing, "/nonexistent/run: No such file or directory"));

	bo_auto_free char *nothing = RUN_VERB(cmd_report, &code, "report");

	assert_int_equal(code, 2);
	assert_non_null(strstr(nothing, "expected the folder of one run"));
}

static void test_compare_verb(void **state)
{
	const char *a = folder_a, *b = folder_b;
	char file[64];
	int code;

	(void)state;
	fill_folder(a, SAMPLE_FAIL);
	fill_folder(b, SAMPLE_PASS);

	bo_auto_free char *text = RUN_VERB(cmd_compare, &code, "compare", a, b);

	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "A  FAIL  orders-db-slow"));
	assert_non_null(strstr(text, "B  PASS  orders-db-slow"));
	assert_non_null(
		strstr(text, "latency.p99 <= 1.2s in fault     FAIL 3.75s  PASS 1.00s  changed\n"));
	assert_non_null(strstr(text, "recovery <= 3s                   PASS 0.75s  PASS 0.75s\n"));
	assert_non_null(
		strstr(text, "  fault   goroutines max     1184     226        -958   -81%\n"));
	assert_null(strstr(text, "note:"));

	bo_auto_free char *one = RUN_VERB(cmd_compare, &code, "compare", a);

	assert_int_equal(code, 2);
	assert_non_null(strstr(one, "expected the folders of two runs"));
	snprintf(file, sizeof(file), "%s/run.json", b);
	assert_int_equal(truncate(file, 100), 0);

	bo_auto_free char *cut = RUN_VERB(cmd_compare, &code, "compare", a, b);

	assert_int_equal(code, 2);
	assert_non_null(strstr(cut, "run.json:1:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdict_table),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_reasons_are_indented),
		cmocka_unit_test(test_brief),
		cmocka_unit_test(test_no_budgets),
		cmocka_unit_test(test_words_stay_whole),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_terminal_stays_safe),
		cmocka_unit_test(test_colour),
		cmocka_unit_test_setup_teardown(test_report_verb, setup_folders, teardown_folders),
		cmocka_unit_test_setup_teardown(test_compare_verb, setup_folders, teardown_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
