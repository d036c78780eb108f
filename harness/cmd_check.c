/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_check.c — `brownout check`: are these scenarios right?  Starts nothing, needs no privilege.
 * Owns: nothing.  Threads: main.  Privilege: none. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "brownout/base/log.h"
#include "harness/scenario.h"
#include "harness/verbs.h"

struct options {
	struct bo_scenario_args args;
	bool strict;
	bool quiet;
};

static void help(FILE *out)
{
	fputs("usage: brownout check [OPTIONS] SCENARIO...\n\n"
	      "Validates each scenario and prints one line for it: what it declares, or FILE:LINE and the mistake.\n"
	      "Programs that nodes start are looked up only with --strict.\n\n"
	      "  --set KEY=VALUE   give the scenarios a parameter (bo.param); may be repeated\n"
	      "  --seed N          seed, wins over the scenario's own\n"
	      "  --strict          programs and folders must exist here, and a warning counts as a mistake\n"
	      "  -q, --quiet       say nothing about scenarios that are right\n\n"
	      "exit: 0 all are right, 2 a mistake or bad usage\n",
	      out);
}

static int bad_usage(const char *what)
{
	fprintf(stderr, "brownout check: %s; `brownout check --help` says more\n", what);
	return BO_EXIT_USAGE;
}

/* 0, or an exit code, or -1 when --help was asked for */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "set", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'S' },
		{ "strict", no_argument, NULL, 'x' },    { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },      { NULL, 0, NULL, 0 },
	};
	struct bo_err err = { 0 };
	char what[160];
	int ch;

	optind = 1;
	opterr = 0;
	while ((ch = getopt_long(argc, argv, ":qh", longs, NULL)) != -1) {
		switch (ch) {
		case 's':
			if (bo_scenario_args_set(&o->args, optarg, &err))
				return bad_usage(err.msg);
			break;
		case 'S':
			if (bo_scenario_args_seed(&o->args, optarg, &err))
				return bad_usage(err.msg);
			break;
		case 'x':
			o->strict = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			return -1;
		default:
			snprintf(what, sizeof(what), "%s \"%.80s\"",
				 ch == ':' ? "a value is missing after" : "unknown option",
				 argv[optind - 1]);
			return bad_usage(what);
		}
	}
	return optind < argc ? 0 : bad_usage("expected at least one scenario file");
}

static void say_warning(void *arg, const char *line)
{
	(void)arg;
	/* "FILE:LINE: text" becomes "FILE:LINE: warning: text", as compilers write it and editors read it. */
	const char *text = strstr(line, ": ");

	fprintf(stderr, "%.*s: warning%s\n", (int)(text - line), line, text);
}

static void count(const char *word, size_t n, const char *end)
{
	printf("%zu %s%s%s", n, word, n == 1 ? "" : "s", end);
}

static int check_one(const struct options *o, const char *path)
{
	struct bo_script_options so = { .seed = o->args.seed,
					.sets = o->args.sets,
					.nsets = o->args.nsets };
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	int r = bo_scenario_load(&plan, path, &so, &err);

	if (!r && o->strict)
		r = bo_scenario_resolve(plan, &err);
	if (r)
		fprintf(stderr, "%s\n", err.msg);
	else if (bo_scenario_lint(plan, say_warning, NULL) && o->strict)
		r = -1;
	if (!r && !o->quiet) {
		printf("%s: ok (%s, ", path, plan->name);
		count("node", plan->nodes.len - 1, ", ");
		count("load", plan->loads.len, ", ");
		count("fault", plan->faults.len, ", ");
		count("budget", plan->budgets.len, ")\n");
	}
	bo_plan_free(plan);
	return r;
}

int cmd_check(int argc, char **argv)
{
	struct options o = { 0 };
	int r = parse_options(&o, argc, argv);

	if (r) {
		if (r < 0)
			help(stdout);
		return r < 0 ? BO_EXIT_OK : r;
	}
	bo_log_setup(BO_LOG_INFO, "brownout"); /* so that print() in a scenario is seen */
	for (int i = optind; i < argc; i++) {
		fflush(stdout); /* so that both streams keep their order in one log */
		if (check_one(&o, argv[i]))
			r = BO_EXIT_USAGE;
	}
	return r;
}
