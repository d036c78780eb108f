/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_run.c — `brownout run`: from the command line to a run folder and an exit code.
 *
 * Order matters: the keeper is forked first, while there is nothing but this thread, and this process gives up every
 * privilege right then; only afterwards the scenario's Lua is run.  A scenario that is wrong ends the keeper before it
 * has done anything. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/log.h"
#include "brownout/report/report.h"
#include "harness/conductor.h"
#include "harness/console_table.h"
#include "harness/status.h"
#include "harness/scenario.h"
#include "harness/verbs.h"
#include "harness/version.h"

struct options {
	const char *path;
	const char *out;
	enum bo_driver driver;
	bool quiet;
	bool plain;
	struct bo_scenario_args args;
};

static void help(FILE *out)
{
	fputs("usage: brownout run [OPTIONS] SCENARIO\n\n"
	      "  --set KEY=VALUE   give the scenario a parameter (bo.param); may be repeated\n"
	      "  --seed N          seed of arrivals and packet fates (default: the scenario's, else 1)\n"
	      "  --driver NAME     auto, netem or wire (default: the scenario's, else auto)\n"
	      "  --out DIR         where the run's folder is made (default: reports/out)\n"
	      "  --plain           plain lines instead of a status line that redraws itself\n"
	      "  -q, --quiet       only the verdict\n\n"
	      "exit: 0 pass, 1 fail, 2 bad usage or scenario, 3 inconclusive, 4 aborted, 5 this machine cannot\n",
	      out);
}

static int bad_usage(const char *what)
{
	fprintf(stderr, "brownout run: %s; `brownout run --help` says more\n", what);
	return BO_EXIT_USAGE;
}

static int bad_argument(const char *what, const char *found)
{
	char text[256];

	snprintf(text, sizeof(text), "%s, found \"%.100s\"", what, found);
	return bad_usage(text);
}

static int take_driver(struct options *o, const char *arg)
{
	for (int d = BO_DRIVER_AUTO; d <= BO_DRIVER_WIRE; d++) {
		if (!strcmp(arg, bo_driver_name((enum bo_driver)d))) {
			o->driver = (enum bo_driver)d;
			return 0;
		}
	}
	return bad_argument("--driver expects auto, netem or wire", arg);
}

/* 0, or an exit code, or -1 when --help was asked for */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "set", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "driver", required_argument, NULL, 'd' },
		{ "out", required_argument, NULL, 'o' },
		{ "plain", no_argument, NULL, 'p' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct bo_err err = { 0 };
	int ch, r = 0;

	optind = 1;
	opterr = 0;
	while (!r && (ch = getopt_long(argc, argv, ":qh", longs, NULL)) != -1) {
		switch (ch) {
		case 's':
			if (bo_scenario_args_set(&o->args, optarg, &err) < 0)
				r = bad_usage(err.msg);
			break;
		case 'S':
			if (bo_scenario_args_seed(&o->args, optarg, &err) < 0)
				r = bad_usage(err.msg);
			break;
		case 'd':
			r = take_driver(o, optarg);
			break;
		case 'o':
			o->out = optarg;
			break;
		case 'p':
			o->plain = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			return -1;
		case ':':
			r = bad_argument("an option lacks its value", argv[optind - 1]);
			break;
		default:
			r = bad_argument("unknown option", argv[optind - 1]);
		}
	}
	if (!r && optind != argc - 1)
		r = optind == argc ? bad_usage("expected a scenario file")
				   : bad_argument("expected one scenario file", argv[optind + 1]);
	o->path = r ? NULL : argv[optind];
	return r;
}

static int load_plan(const struct options *o, struct bo_plan **ret, struct bo_err *err)
{
	struct bo_script_options so = { .seed = o->args.seed,
					.sets = o->args.sets,
					.nsets = o->args.nsets };
	struct bo_plan *plan = NULL;
	int r = bo_scenario_load(&plan, o->path, &so, err);

	if (!r)
		r = bo_scenario_resolve(plan, err);
	if (r < 0) {
		bo_plan_free(plan);
		return r;
	}
	if (o->driver != BO_DRIVER_AUTO)
		plan->driver = o->driver;
	*ret = plan;
	return 0;
}

static int make_dirs(const char *path)
{
	bo_auto_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *s = strchr(copy + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* the run's folder: <out>/<scenario>-<UTC time>[-<n>]; mkdir decides who gets a name when two start at once */
static int make_run_dir(const struct options *o, struct bo_run *run, char *path, size_t size,
			struct bo_err *err)
{
	const char *out = o->out ? o->out : "reports/out";
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32];
	int fd, r = make_dirs(out);

	if (r < 0)
		return bo_err_set(
			err, -r, BO_SUBSYS_HARNESS,
			"cannot make the folder for reports, %s: %s; --out names another one", out,
			strerrordesc_np(-r));
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	for (int n = 1; n < 1000; n++) {
		if (n == 1)
			snprintf(run->id, sizeof(run->id), "%.40s-%s", run->plan->name, stamp);
		else
			snprintf(run->id, sizeof(run->id), "%.36s-%s-%d", run->plan->name, stamp,
				 n);
		snprintf(path, size, "%s/%s", out, run->id);
		if (!mkdir(path, 0755))
			break;
		if (errno != EEXIST)
			return bo_err_errno(err, BO_SUBSYS_HARNESS,
					    "cannot make the run's folder %s", path);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? bo_err_errno(err, BO_SUBSYS_HARNESS, "cannot open the run's folder %s",
				     path)
		      : fd;
}

static void describe_machine(struct bo_run *run, const struct bo_machine *machine)
{
	struct utsname u;

	uname(&u);
	snprintf(run->machine, sizeof(run->machine), "%.20s %.50s %.20s, %ld CPUs", u.sysname,
		 u.release, u.machine, sysconf(_SC_NPROCESSORS_ONLN));
	if (machine->cgroup_memory_version)
		snprintf(run->cgroup, sizeof(run->cgroup), "v%d", machine->cgroup_memory_version);
	else
		snprintf(run->cgroup, sizeof(run->cgroup), "none");
	snprintf(run->version, sizeof(run->version), "%s", BO_VERSION);
}

static int cannot(const struct bo_err *err)
{
	bo_status_clear();
	fprintf(stderr, "brownout: %s\n", err->msg);
	return BO_EXIT_CANNOT;
}

static int usage_error(const struct bo_err *err)
{
	bo_status_clear();
	fprintf(stderr, "%s\n", err->msg);
	return BO_EXIT_USAGE;
}

static int run_plan(const struct options *o, struct bo_keeper *keeper, const struct bo_plan *plan)
{
	struct bo_run *run = bo_run_new(plan);
	struct bo_machine machine = { 0 };
	struct bo_err err = { 0 };
	bo_auto_fd int dir = -1;
	char path[4200] = "";
	int code;

	if (!run || bo_keeper_machine(keeper, &machine, &err) < 0 ||
	    bo_conductor_supported(plan, &machine, &err) < 0) {
		bo_run_free(run);
		return cannot(&err);
	}
	dir = make_run_dir(o, run, path, sizeof(path), &err);
	if (dir < 0) {
		bo_run_free(run);
		return usage_error(&err);
	}
	describe_machine(run, &machine);
	bo_status_note(INT64_MIN, "%s: seed %" PRIu64 ", %.1fs planned, run folder %s", plan->name,
		       plan->seed, (double)bo_plan_total(plan) / 1e9, path);
	if (bo_conductor_run(keeper, &machine, run, dir, &err) < 0) {
		bo_status_clear();
		bo_log(BO_LOG_ERROR, "no verdict: %s", err.msg);
		code = BO_EXIT_INCONCLUSIVE;
	} else {
		bo_status_clear();
		code = bo_outcome_exit(run->verdict.outcome);
		if (bo_report_write_all(run, dir, &err) < 0) {
			bo_log(BO_LOG_ERROR, "reports are incomplete: %s", err.msg);
			if (code == BO_EXIT_OK)
				code = BO_EXIT_INCONCLUSIVE;
		}
		bo_console_verdict(run, path, stdout);
	}
	bo_run_free(run);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct options o = { 0 };
	struct bo_keeper *keeper = NULL;
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 }, no_keeper = { 0 };
	int r = parse_options(&o, argc, argv);

	if (r) {
		if (r < 0)
			help(stdout);
		return r < 0 ? BO_EXIT_OK : r;
	}
	bo_status_init(o.quiet ? BO_STATUS_QUIET : o.plain ? BO_STATUS_LINES : BO_STATUS_TTY);
	/* a machine that cannot still tells what is wrong with the scenario first */
	(void)!bo_keeper_start(&keeper, &no_keeper);
	if (load_plan(&o, &plan, &err) < 0)
		r = usage_error(&err);
	else if (!keeper)
		r = cannot(&no_keeper);
	else
		r = run_plan(&o, keeper, plan);
	bo_keeper_free(keeper);
	bo_plan_free(plan);
	return r;
}
