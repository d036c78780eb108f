/* SPDX-License-Identifier: Apache-2.0 */
/* harness/run_one.c — one run.
 *
 * Order matters: the keeper is forked first, while there is nothing but this thread, and this process gives up every
 * privilege right then; only afterwards the scenario's Lua is run.  A scenario that is wrong ends the keeper before it
 * has done anything. */
#include "harness/run_one.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/log.h"
#include "brownout/report/report.h"
#include "harness/batch.h"
#include "harness/conductor.h"
#include "harness/console_table.h"
#include "harness/recordings.h"
#include "harness/scenario.h"
#include "harness/status.h"
#include "harness/supported.h"
#include "harness/verbs.h"
#include "harness/version.h"

/* The n-th repetition has the n-th seed.  A scenario that names its own says so only when it has run, and may be another
 * one with another seed (math.random): so it is run once more. */
static int load_seeded(struct bo_plan **ret, const struct bo_run_request *req, struct bo_err *err)
{
	struct bo_scenario_args args = req->o->args; /* its lists stay those of the options */
	struct bo_plan *plan = NULL;
	int r = bo_scenario_load(&plan, req->path, &args, NULL, err);

	if (!r && req->repetition) {
		args.seed = plan->seed + (uint64_t)req->repetition;
		args.seed += !args.seed; /* 0 is no seed */
		bo_plan_free(plan);
		plan = NULL;
		r = bo_scenario_load(&plan, req->path, &args, NULL, err);
	}
	*ret = plan;
	return r;
}

/* Whether services that run already may be touched is for the person at the command line to say, not for a file. */
static int check_attach(const struct bo_plan *plan, bool said, struct bo_err *err)
{
	if (bo_plan_attached(plan) == said)
		return 0;
	if (said)
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_HARNESS,
			"%s:%d: --attach is for scenarios that attach to running services; "
			"this one has no t:attach",
			plan->src.file, plan->src.line);
	return bo_err_set(
		err, EINVAL, BO_SUBSYS_HARNESS,
		"%s:%d: the scenario puts faults on services that run already; if that is "
		"meant, run it with --attach",
		plan->src.file, plan->src.line);
}

static int load_plan(struct bo_plan **ret, const struct bo_run_request *req, struct bo_err *err)
{
	struct bo_plan *plan = NULL;
	int r = load_seeded(&plan, req, err);

	if (!r)
		r = bo_scenario_resolve(plan, err);
	if (!r && req->o->record)
		bo_scenario_record_all(plan);
	if (!r)
		plan->replay_dir = req->o->replay;
	if (!r)
		r = bo_scenario_choose_driver(plan, req->o->driver, err);
	if (!r)
		r = bo_recordings_check(plan, err);
	if (!r)
		r = check_attach(plan, req->o->attach, err);
	if (r < 0) {
		bo_plan_free(plan);
		return r;
	}
	plan->limit_ns = req->o->timeout_ns;
	plan->stop_early = req->o->stop_early;
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
static int make_run_dir(const struct bo_options *o, struct bo_run *run, char *path, size_t size,
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

static int complain(const struct bo_run_request *req, const char *who, const struct bo_err *err,
		    int code)
{
	bo_status_clear();
	fprintf(stderr, "%s%s%s%s%s\n", req->label ? "[" : "", req->label ? req->label : "",
		req->label ? "] " : "", who, err->msg);
	return code;
}

static int cannot(const struct bo_run_request *req, const struct bo_err *err)
{
	return complain(req, "brownout: ", err, BO_EXIT_CANNOT);
}

static int usage_error(const struct bo_run_request *req, const struct bo_err *err)
{
	return complain(req, "", err, BO_EXIT_USAGE);
}

/* What is printed is what the reports hold: one document for both. */
static void present(const struct bo_run_request *req, const struct bo_run *run, const char *path)
{
	struct bo_console con = bo_console_for(stdout);
	struct bo_err err = { 0 };
	json_t *doc = NULL;

	con.out = req->out;
	if (bo_report_json(&doc, run, &err)) {
		fprintf(con.out, "%s (%s)\n", bo_outcome_name(run->verdict.outcome), err.msg);
		return;
	}
	if (req->o->json)
		(void)!bo_report_dump(doc, con.out);
	else if (req->o->quiet)
		bo_console_brief_json(&con, doc, path);
	else
		bo_console_verdict_json(&con, doc, path);
	json_decref(doc);
}

static int write_junit(const struct bo_run_request *req, const struct bo_run *run,
		       struct bo_err *err)
{
	json_t *doc = NULL;
	int r = bo_report_json(&doc, run, err);

	if (!r)
		r = bo_report_junit_file(req->o->junit, (const json_t *const[]){ doc }, 1, err);
	json_decref(doc);
	return r;
}

static int finish_run(const struct bo_run_request *req, const struct bo_run *run, int dir,
		      const char *path)
{
	int code = bo_outcome_exit(run->verdict.outcome);
	struct bo_err err = { 0 };
	bool whole;

	bo_status_clear();
	whole = bo_report_write_all(run, dir, &err) == 0;
	if (!whole) {
		bo_log(BO_LOG_ERROR, "reports in %s are incomplete: %s", path, err.msg);
		if (code == BO_EXIT_OK)
			code = BO_EXIT_INCONCLUSIVE;
	}
	present(req, run, whole ? path : NULL); /* nobody is sent to a file that may not be there */
	if (!req->label && req->o->junit && write_junit(req, run, &err) < 0) {
		bo_log(BO_LOG_ERROR, "reports are incomplete: %s", err.msg);
		code = bo_batch_worse(code, BO_EXIT_INCONCLUSIVE);
	}
	return code;
}

static int run_plan(const struct bo_run_request *req, struct bo_keeper *keeper,
		    const struct bo_plan *plan, const struct bo_machine *machine, char *path,
		    size_t size)
{
	struct bo_run *run = bo_run_new(plan);
	struct bo_err err = { 0 };
	bo_auto_fd int dir = -1;
	int code;

	if (!run) {
		(void)bo_err_set(&err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
		return cannot(req, &err);
	}
	dir = make_run_dir(req->o, run, path, size, &err);
	if (dir < 0) {
		bo_run_free(run);
		return usage_error(req, &err);
	}
	describe_machine(run, machine);
	bo_status_note(INT64_MIN, "%s: seed %" PRIu64 ", %.1fs planned, run folder %s", plan->name,
		       plan->seed, (double)bo_plan_total(plan) / 1e9, path);
	if (bo_conductor_run(keeper, machine, run, dir, &err) < 0) {
		bo_status_clear();
		bo_log(BO_LOG_ERROR, "no verdict: %s", err.msg);
		code = BO_EXIT_INCONCLUSIVE;
	} else {
		code = finish_run(req, run, dir, path);
	}
	bo_run_free(run);
	return code;
}

/* A run of several ends with who started it; the change of credentials at the keeper's start forgot that. */
static int follow_parent(const struct bo_run_request *req)
{
	if (!req->parent)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == req->parent ? 0 : -ESRCH;
}

int bo_run_one(const struct bo_run_request *req, char *path, size_t size)
{
	struct bo_keeper *keeper = NULL;
	struct bo_plan *plan = NULL;
	struct bo_machine machine = { 0 };
	struct bo_err err = { 0 }, no_keeper = { 0 };
	int r;

	bo_status_init(req->o->quiet                 ? BO_STATUS_QUIET
		       : req->o->plain || req->label ? BO_STATUS_LINES
						     : BO_STATUS_TTY,
		       req->label);
	/* a machine that cannot still tells what is wrong with the scenario first */
	(void)!(req->o->attach ? bo_keeper_start_attached(&keeper, &no_keeper)
			       : bo_keeper_start(&keeper, &no_keeper));
	if (load_plan(&plan, req, &err) < 0)
		r = usage_error(req, &err);
	else if (!keeper)
		r = cannot(req, &no_keeper);
	else if (bo_keeper_machine(keeper, &machine, &err) < 0 ||
		 bo_supported(plan, &machine, &err) < 0)
		r = cannot(req, &err);
	else if (bo_plan_attached(plan) && bo_keeper_attach_all(keeper, plan, &err) < 0)
		r = err.code == ENOTSUP ? cannot(req, &err) : usage_error(req, &err);
	else if (req->check_only || follow_parent(req) < 0)
		r = BO_EXIT_OK;
	else
		r = run_plan(req, keeper, plan, &machine, path, size);
	bo_keeper_free(keeper);
	bo_plan_free(plan);
	return r;
}
