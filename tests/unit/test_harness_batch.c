/* SPDX-License-Identifier: Apache-2.0 */
/* Several runs: which exit code is the worst, and what stands in for a run that left nothing.
 * Owns: a temporary folder.  Threads: none.  Privilege: none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/report/view.h"
#include "harness/batch.h"
#include "harness/batch_report.h"

static void worst_code(void **state)
{
	/* as brownout(1) has it: usage before anything, then what is known to be bad, then what is not known */
	static const int order[] = { 2, 1, 4, 5, 3, 0 };

	(void)state;
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 6; k++)
			assert_int_equal(bo_batch_worse(order[i], order[k]), order[i < k ? i : k]);
}

static void stand_ins(void **state)
{
	struct bo_batch_result runs[] = {
		{ .name = "a", .path = "t/a.lua", .dir = "", .code = 5 },
		{ .name = "b", .path = "t/b.lua", .dir = "", .code = 4 },
		{ .name = "c", .path = "t/c.lua", .dir = "/nonexistent", .code = 3 },
		{ .name = "a", .path = "t/a.lua", .dir = "", .code = 5 },
	};
	char path[] = "/tmp/brownout-batch-XXXXXX", text[8192] = "";
	struct bo_err err = { 0 };
	int fd = mkstemp(path);
	FILE *file;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bo_batch_load(runs, 4, &err), 0);
	for (size_t i = 0; i < 4; i++) {
		const json_t *outcome = bo_view_get(runs[i].doc, "outcome");

		assert_int_equal((int)bo_view_num(outcome, "exit_code"), runs[i].code);
		assert_string_equal(bo_view_str(outcome, "verdict"),
				    i == 1 ? "ABORTED" : "INCONCLUSIVE");
		assert_string_equal(bo_view_str(runs[i].doc, "schema"), BO_RUN_SCHEMA);
	}
	/* none of them may look green */
	assert_int_equal(bo_batch_junit(path, runs, 4, &err), 0);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	assert_non_null(strstr(
		text, "<testsuites name=\"brownout\" tests=\"4\" failures=\"0\" errors=\"4\""));
	assert_non_null(strstr(text, "This machine cannot run it."));
	assert_non_null(strstr(text, "Never begun"));
	/* suites of one name would be merged */
	assert_non_null(strstr(text, "<testsuite name=\"brownout.a\""));
	assert_non_null(strstr(text, "<testsuite name=\"brownout.a [2]\""));
	fclose(file);
	close(fd);
	unlink(path);
	bo_batch_unload(runs, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(worst_code),
						   cmocka_unit_test(stand_ins) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
