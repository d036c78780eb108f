/* SPDX-License-Identifier: Apache-2.0 */
/* harness/options.c — the table of options, and getopt_long(3) over the part of it that a verb has. */
#include "harness/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/units.h"
#include "harness/verbs.h"

#define ALL (BO_VERB_RUN | BO_VERB_CHECK | BO_VERB_PLAN)
#define FIRST_LONG \
	256 /* what getopt_long(3) returns for the first of the table; below are letters */

/** struct option_spec - @arg: NULL for none;  @take: "expected …, found …" in @err when @arg is not what it should be */
struct option_spec {
	const char *name;
	char letter;
	unsigned int verbs;
	const char *arg;
	const char *help;
	int (*take)(struct bo_options *o, char *arg, struct bo_err *err);
};

static int expected(struct bo_err *err, const char *what, const char *found)
{
	return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "expected %s, found \"%.100s\"", what,
			  found);
}

static int take_set(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_set(&o->args, arg, err);
}

static int take_seed(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_seed(&o->args, arg, err);
}

static int take_phase(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_phase(&o->args, arg, err);
}

static int take_rate(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_rate(&o->args, arg, err);
}

static int take_budget(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_budget(&o->args, arg, err);
}

static int take_tag(struct bo_options *o, char *arg, struct bo_err *err)
{
	return bo_scenario_args_tag(&o->args, arg, err);
}

static int take_driver(struct bo_options *o, char *arg, struct bo_err *err)
{
	for (int d = BO_DRIVER_AUTO; d <= BO_DRIVER_QUEUE; d++) {
		if (!strcmp(arg, bo_driver_name((enum bo_driver)d))) {
			o->driver = (enum bo_driver)d;
			return 0;
		}
	}
	return expected(err, "auto, netem, wire or queue", arg);
}

static int take_attach(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->attach = true;
	return 0;
}

static int take_timeout(struct bo_options *o, char *arg, struct bo_err *err)
{
	if (bo_parse_duration(arg, &o->timeout_ns, NULL) < 0 || o->timeout_ns <= 0)
		return expected(err, "a length above 0 such as 10m", arg);
	return bo_scenario_args_keep(&o->args, "timeout", arg, err);
}

static int take_count(const char *arg, long max, long *ret, struct bo_err *err)
{
	char what[64], *end;
	long n = strtol(arg, &end, 10);

	snprintf(what, sizeof(what), "a whole number from 1 to %ld", max);
	if (*arg < '0' || *arg > '9' || *end || n < 1 || n > max)
		return expected(err, what, arg);
	*ret = n;
	return 0;
}

static int take_jobs(struct bo_options *o, char *arg, struct bo_err *err)
{
	return take_count(arg, BO_MAX_JOBS, &o->jobs, err);
}

static int take_repeat(struct bo_options *o, char *arg, struct bo_err *err)
{
	return take_count(arg, BO_MAX_REPEAT, &o->repeat, err);
}

static int take_only(struct bo_options *o, char *arg, struct bo_err *err)
{
	if (!*arg)
		return expected(err, "a pattern such as 'timeouts/*'", arg);
	return bo_vec_push(&o->only, arg)
		       ? 0
		       : bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
}

static int take_path(const char **ret, char *arg, const char *what, struct bo_err *err)
{
	if (!*arg)
		return expected(err, what, arg);
	*ret = arg;
	return 0;
}

static int take_out(struct bo_options *o, char *arg, struct bo_err *err)
{
	return take_path(&o->out, arg, "a folder", err);
}

static int take_junit(struct bo_options *o, char *arg, struct bo_err *err)
{
	return take_path(&o->junit, arg, "a file", err);
}

static int take_json(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->json = true;
	return 0;
}

static int take_strict(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->strict = true;
	return 0;
}

static int take_stop_early(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->stop_early = true;
	return 0;
}

static int take_plain(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->plain = true;
	return 0;
}

static int take_quiet(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->quiet = true;
	return 0;
}

static int take_record(struct bo_options *o, char *arg, struct bo_err *err)
{
	(void)arg;
	(void)err;
	o->record = true;
	return 0;
}

static int take_replay(struct bo_options *o, char *arg, struct bo_err *err)
{
	int r = take_path(&o->replay, arg, "the folder of a run", err);

	return r ? r : bo_scenario_args_keep(&o->args, "replay", arg, err);
}

static const struct option_spec specs[] = {
	{ "set", 0, ALL, "KEY=VALUE", "give the scenario a parameter (bo.param); may be repeated",
	  take_set },
	{ "seed", 0, ALL, "N",
	  "seed of arrivals and packet fates (default: the scenario's, else 1)", take_seed },
	{ "phase", 0, ALL, "PHASE=LENGTH",
	  "another length for a phase (fault=30s); may be repeated", take_phase },
	{ "rate", 0, ALL, "[LOAD=]RATE",
	  "another rate for one load or all (200/s), or a multiple (x2); may be repeated",
	  take_rate },
	{ "budget", 0, ALL, "TEXT",
	  "a budget more, or instead of the scenario's with the same subject; may be repeated",
	  take_budget },
	{ "tag", 0, ALL, "KEY=VALUE", "call the run something in its reports; may be repeated",
	  take_tag },
	{ "driver", 0, BO_VERB_RUN | BO_VERB_PLAN, "NAME",
	  "auto, netem, wire or queue (default: the scenario's, else auto)", take_driver },
	{ "attach", 0, BO_VERB_RUN, NULL,
	  "the scenario may put faults on services that run already (t:attach); needs root",
	  take_attach },
	{ "only", 0, BO_VERB_RUN | BO_VERB_CHECK, "PATTERN",
	  "of the files in folders only these ('timeouts/*'); may be repeated", take_only },
	{ "repeat", 0, BO_VERB_RUN, "N", "run each scenario N times, seeds SEED, SEED+1 ...",
	  take_repeat },
	{ "jobs", 0, BO_VERB_RUN, "N", "up to N runs at a time (default: 1)", take_jobs },
	{ "timeout", 0, BO_VERB_RUN, "LENGTH",
	  "end a run that takes longer, set-up included, as ABORTED", take_timeout },
	{ "record", 0, BO_VERB_RUN, NULL,
	  "keep every packet of every link, with its fate, in links/*.pcapng", take_record },
	{ "stop-early", 0, BO_VERB_RUN, NULL,
	  "end a run as soon as its verdict is certain, whatever else would come",
	  take_stop_early },
	{ "replay", 0, BO_VERB_RUN, "RUN_DIR",
	  "give packets the fates that a run with --record has kept", take_replay },
	{ "out", 0, BO_VERB_RUN, "DIR",
	  "where the folders of the runs are made (default: reports/out)", take_out },
	{ "junit", 0, BO_VERB_RUN, "FILE", "one JUnit file with all runs", take_junit },
	{ "json", 0, BO_VERB_RUN, NULL,
	  "print run.json, a list of them for several, and nothing else", take_json },
	{ "json", 0, BO_VERB_PLAN, NULL, "the plan as JSON, as a run keeps it in plan.json",
	  take_json },
	{ "strict", 0, BO_VERB_CHECK, NULL,
	  "programs and folders must exist here, and a warning counts as a mistake", take_strict },
	{ "plain", 0, BO_VERB_RUN, NULL, "plain lines instead of a status line that redraws itself",
	  take_plain },
	{ "quiet", 'q', BO_VERB_RUN, NULL,
	  "a line per run, and for one that did not pass the reasons", take_quiet },
	{ "quiet", 'q', BO_VERB_CHECK, NULL, "say nothing about scenarios that are right",
	  take_quiet },
};
#define NSPECS (sizeof(specs) / sizeof(*specs))

struct verb_text {
	const char *name;
	const char *usage;
	const char *about;
	const char *exit;
};

static const struct verb_text *text_of(enum bo_verb verb)
{
	static const struct verb_text run = {
		"run",
		"SCENARIO|FOLDER...",
		"Runs each scenario and judges it; of a folder, every *.lua file in it but those below lib/.",
		"0 pass, 1 fail, 2 bad usage or scenario, 3 inconclusive, 4 aborted, 5 this machine cannot;\n"
		"      of several runs the worst: 1, then 4, 5, 3, 0",
	};
	static const struct verb_text check = {
		"check",
		"SCENARIO|FOLDER...",
		"Validates each scenario and prints one line for it: what it declares, or FILE:LINE and the mistake.\n"
		"Of a folder, every *.lua file in it but those below lib/.  Programs that nodes start are looked up\n"
		"only with --strict.",
		"0 all are right, 2 a mistake or bad usage",
	};
	static const struct verb_text plan = {
		"plan",
		"SCENARIO",
		"Shows what a scenario would do: timeline, topology, budgets, and what it needs of the machine.",
		"0 the scenario is right, 2 a mistake or bad usage",
	};

	return verb == BO_VERB_RUN ? &run : verb == BO_VERB_CHECK ? &check : &plan;
}

int bo_options_usage(const struct bo_options *o, const char *fmt, ...)
{
	const char *verb = text_of(o->verb)->name;
	struct bo_err err = { 0 };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bo_err_set(&err, EINVAL, BO_SUBSYS_HARNESS, "%s", text); /* what it quotes, made harmless */
	fprintf(stderr, "brownout %s: %s; `brownout %s --help` says more\n", verb, err.msg, verb);
	return BO_EXIT_USAGE;
}

static void help(enum bo_verb verb)
{
	const struct verb_text *text = text_of(verb);

	printf("usage: brownout %s [OPTIONS] %s\n\n%s\n\n", text->name, text->usage, text->about);
	for (size_t i = 0; i < NSPECS; i++) {
		const struct option_spec *s = &specs[i];
		char left[48];

		if (!(s->verbs & verb))
			continue;
		snprintf(left, sizeof(left), "%s%.1s%s--%s%s%s", s->letter ? "-" : "",
			 s->letter ? &s->letter : "", s->letter ? ", " : "", s->name,
			 s->arg ? " " : "", s->arg ? s->arg : "");
		printf("  %-21s %s\n", left, s->help);
	}
	printf("\nexit: %s\n", text->exit);
}

static int parse(struct bo_options *o, int argc, char **argv)
{
	struct option longs[NSPECS + 2] = { { "help", no_argument, NULL, 'h' } };
	char letters[NSPECS + 4] = ":h";
	struct bo_err err = { 0 };
	int ch;

	for (size_t i = 0, n = 1; i < NSPECS; i++) {
		if (!(specs[i].verbs & o->verb))
			continue;
		longs[n++] = (struct option){ specs[i].name,
					      specs[i].arg ? required_argument : no_argument, NULL,
					      FIRST_LONG + (int)i };
		if (specs[i].letter)
			strncat(letters, &specs[i].letter, 1);
	}
	optind = 1;
	opterr = 0;
	while ((ch = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_spec *s = ch >= FIRST_LONG ? &specs[ch - FIRST_LONG] : NULL;

		if (ch == 'h')
			return -1;
		if (ch == ':')
			return bo_options_usage(o, "a value is missing after \"%.80s\"",
						argv[optind - 1]);
		for (size_t i = 0; !s && ch != '?' && i < NSPECS; i++)
			if (specs[i].letter == ch && (specs[i].verbs & o->verb))
				s = &specs[i];
		if (!s)
			return bo_options_usage(o, "unknown option \"%.80s\"", argv[optind - 1]);
		if (s->take(o, optarg, &err))
			return bo_options_usage(o, "--%s: %s", s->name, err.msg);
	}
	return 0;
}

int bo_options_parse(struct bo_options *o, enum bo_verb verb, int argc, char **argv)
{
	int r;

	o->verb = verb;
	o->args.verb = text_of(verb)->name;
	o->jobs = o->repeat = 1;
	r = parse(o, argc, argv);
	if (r == -1)
		help(verb);
	if (r)
		return r;
	o->paths = argv + optind;
	o->npaths = (size_t)(argc - optind);
	if (!o->npaths)
		return bo_options_usage(o, verb == BO_VERB_PLAN
						   ? "expected a scenario file"
						   : "expected at least one scenario file");
	if (verb == BO_VERB_PLAN && o->npaths > 1)
		return bo_options_usage(o, "expected one scenario file, found \"%.100s\", too",
					o->paths[1]);
	return 0;
}

void bo_options_done(struct bo_options *o)
{
	bo_scenario_args_done(&o->args);
	bo_vec_done(&o->only);
}
