/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_sweep.c — `brownout sweep`: take back what runs that were killed left behind.  Every run does this at its
 * start; the verb is for a runner that will not start another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "brownout/lab/sweep.h"
#include "harness/verbs.h"

static void help(FILE *out)
{
	fputs("usage: brownout sweep [--dry-run]\n\n"
	      "Takes back what killed runs left behind: their cgroups; and of services that run already, the\n"
	      "rules of their faults and a pause. Runs that are alive are never touched.\n\n"
	      "  --dry-run  only list what would be taken back\n\n"
	      "exit: 0 nothing is left, 1 something could not be taken back, 5 could not look\n",
	      out);
}

int cmd_sweep(int argc, char **argv)
{
	struct bo_sweep_report report = { 0 };
	struct bo_err err = { 0 };
	bool dry_run = false;
	size_t failed = 0;

	for (int i = 1; i < argc; i++) {
		bool ask = !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");

		if (!strcmp(argv[i], "--dry-run") || !strcmp(argv[i], "-n")) {
			dry_run = true;
			continue;
		}
		if (!ask)
			fprintf(stderr, "brownout sweep: unknown argument \"%s\"\n", argv[i]);
		help(ask ? stdout : stderr);
		return ask ? BO_EXIT_OK : BO_EXIT_USAGE;
	}
	if (bo_sweep(dry_run, &report, &err) < 0) {
		fprintf(stderr, "brownout: %s\n", err.msg);
		return BO_EXIT_CANNOT;
	}
	bo_vec_foreach(s, &report.found) {
		failed += s->code != 0;
		if (s->code)
			printf("could not remove %s: %s%s\n", s->path, strerrordesc_np(s->code),
			       s->code == EACCES || s->code == EPERM ? "; try sudo brownout sweep"
								     : "");
		else
			printf("%s %s%s\n", dry_run ? "would remove" : "removed", s->path,
			       s->killed ? " and killed what was in it" : "");
	}
	if (!report.found.len)
		printf("nothing to sweep: no run has left anything behind\n");
	bo_sweep_report_done(&report);
	return failed ? 1 : BO_EXIT_OK;
}
