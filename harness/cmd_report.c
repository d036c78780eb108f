/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_report.c — `brownout report`: render a run's reports again from its run.json, and say
 * the verdict.
 * Exit: 0 rendered (whatever the verdict was), 2 bad usage or no such run, 5 a report could not be
 * written.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "harness/console_table.h"
#include "harness/verbs.h"

#define MAX_NAMES 16

static void help(FILE *out)
{
	fputs("usage: brownout report [--only NAME,...] RUN_DIR\n\n"
	      "Renders the reports in RUN_DIR again from its run.json and prints the verdict.\n\n"
	      "  --only NAME,...   only these:",
	      out);
	for (const struct bo_report_kind *const *kind = bo_report_kinds(); *kind; kind++)
		if (!(*kind)->write_run)
			fprintf(out, " %s", (*kind)->name);
	fputs("\n\nexit: 0 rendered, 2 bad usage or no such run, 5 a report could not be written\n",
	      out);
}

static int complain(const char *what, const char *found)
{
	fprintf(stderr, "brownout report: %s%s%s; `brownout report --help` says more\n", what,
		found ? ": " : "", found ? found : "");
	return BO_EXIT_USAGE;
}

/* "html,junit" into names; modifies @arg */
static int split_names(char *arg, const char *names[MAX_NAMES + 1])
{
	size_t n = 0;

	for (char *save = NULL, *word = strtok_r(arg, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		if (n == MAX_NAMES)
			return -E2BIG;
		names[n++] = word;
	}
	names[n] = NULL;
	return n ? 0 : -EINVAL;
}

static int render(const char *path, const char *const *names)
{
	struct bo_console con = bo_console_for(stdout);
	struct bo_err err = { 0 };
	json_t *run = NULL;
	bo_auto_fd int dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	int code = BO_EXIT_OK, rc;

	if (dir < 0) {
		fprintf(stderr, "brownout report: %s: %s\n", path, strerror(errno));
		return BO_EXIT_USAGE;
	}
	rc = bo_report_load(&run, dir, &err);
	if (rc) {
		fprintf(stderr, "brownout report: %s: %s\n", path, err.msg);
		return BO_EXIT_USAGE;
	}
	rc = bo_report_render(dir, names, &err);
	if (rc) {
		fprintf(stderr, "brownout report: %s: %s\n", path, err.msg);
		code = rc == -EINVAL ? BO_EXIT_USAGE : BO_EXIT_CANNOT;
	}
	if (rc != -EINVAL)
		bo_console_verdict_json(&con, run, path);
	json_decref(run);
	return code;
}

int cmd_report(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "only", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *names[MAX_NAMES + 1], *const *only = NULL;
	int ch;

	optind = 0; /* glibc: start afresh, main() has used getopt before */
	opterr = 0;
	while ((ch = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (ch) {
		case 'o':
			if (split_names(optarg, names))
				return complain("--only expects names separated by commas", NULL);
			only = names;
			break;
		case 'h':
			help(stdout);
			return BO_EXIT_OK;
		case ':':
			return complain("an option lacks its value", argv[optind - 1]);
		default:
			return complain("unknown option", argv[optind - 1]);
		}
	}
	if (optind != argc - 1)
		return complain("expected the folder of one run",
				optind < argc ? argv[optind + 1] : NULL);
	return render(argv[optind], only);
}
