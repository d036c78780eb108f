/* SPDX-License-Identifier: Apache-2.0 */
/* harness/main.c — the verb table.  Nothing else happens here: main() runs with whatever privilege the user gave. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/log.h"
#include "brownout/base/nearest.h"
#include "harness/verbs.h"
#include "harness/version.h"

struct verb {
	const char *name;
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
	{ "run", "[OPTIONS] SCENARIO...",
	  "run scenarios and judge them (exit 0 pass, 1 fail, 3 inconclusive)", cmd_run },
	{ "check", "[OPTIONS] SCENARIO...",
	  "validate scenarios; starts nothing, needs no privilege", cmd_check },
	{ "plan", "[OPTIONS] SCENARIO", "show timeline, topology and budgets of a scenario",
	  cmd_plan },
	{ "doctor", "", "what this machine can do, what is missing, and how to get it",
	  cmd_doctor },
	{ "report", "[OPTIONS] RUN_DIR", "render the reports of a run again", cmd_report },
	{ "compare", "A [A... --] B...", "two runs, or two sets of runs, side by side",
	  cmd_compare },
	{ "census", "[OPTIONS] PID", "the goroutines of a live Go process, without stopping it",
	  cmd_census },
	{ "sweep", "[--dry-run]", "take back what a killed run left behind", cmd_sweep },
};

static void usage(FILE *out)
{
	fprintf(out,
		"brownout %s - chaos and fault-injection tests for Go services\n\nusage: brownout VERB ...\n\n",
		BO_VERSION);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(out, "  %-8s %-21s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	fprintf(out,
		"\n`brownout VERB --help` says more.  Exit codes: 0 pass, 1 fail, 2 bad usage or scenario,\n"
		"3 inconclusive, 4 aborted, 5 this machine cannot.\n");
}

static int unknown_verb(const char *name)
{
	const char *names[sizeof(verbs) / sizeof(*verbs) + 1] = { 0 };
	const char *near;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		names[i] = verbs[i].name;
	near = bo_nearest(name, names);
	fprintf(stderr, "brownout: unknown verb \"%s\"%s%s%s; `brownout --help` lists them\n", name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return BO_EXIT_USAGE;
}

static int run_verb(const char *name, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(name, verbs[i].name))
			return verbs[i].run(argc, argv);
	return unknown_verb(name);
}

/* `brownout help run` */
static int help_of(char *verb)
{
	char option[] = "--help", *argv[] = { verb, option, NULL };

	return run_verb(verb, 2, argv);
}

/* Where the caller left 0, 1 or 2 closed, the next socket would take the place, and what is printed would go into it. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	fill_standard_fds();
	bo_log_setup(BO_LOG_WARN, "brownout");
	if (argc < 2) {
		usage(stderr);
		return BO_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") && argc > 2)
		return help_of(argv[2]);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return BO_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		printf("brownout %s\n", BO_VERSION);
		return BO_EXIT_OK;
	}
	return run_verb(argv[1], argc - 1, argv + 1);
}
