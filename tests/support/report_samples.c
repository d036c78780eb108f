/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/report_samples.c — report_samples DIR: write the reports of every made-up run below
 * DIR. For checks by independent readers (tests/unit/check_report_files.py) and for looking at
 * them.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "report_run.h"

static int write_sample(int top, const char *name, enum report_sample sample, bool hostile)
{
	struct report_run rr = report_run_new(sample, hostile);
	struct bo_err err = { 0 };
	int rc = mkdirat(top, name, 0755);
	bo_auto_fd int dir = openat(top, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (rc || dir < 0)
		perror(name);
	else
		rc = bo_report_write_all(rr.run, dir, &err);
	if (rc)
		fprintf(stderr, "%s: %s\n", name, err.msg);
	report_run_free(&rr);
	return rc;
}

int main(int argc, char **argv)
{
	static const char *const names[][2] = { { "fail", "hostile-fail" },
						{ "pass", "hostile-pass" },
						{ "inconclusive", "hostile-inconclusive" },
						{ "aborted", "hostile-aborted" } };
	bo_auto_fd int top = argc == 2 ? open(argv[1], O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1;
	int failed = 0;

	if (top < 0) {
		fputs("usage: report_samples EXISTING_DIR\n", stderr);
		return 2;
	}
	for (int s = SAMPLE_FAIL; s <= SAMPLE_ABORTED; s++)
		for (int hostile = 0; hostile < 2; hostile++)
			failed |= write_sample(top, names[s][hostile], (enum report_sample)s,
					       hostile) != 0;
	return failed;
}
