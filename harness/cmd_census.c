/* SPDX-License-Identifier: Apache-2.0 */
/* harness/cmd_census.c — `brownout census`: the goroutines of a live Go process, from outside.
 * Exit: 0 done, 2 bad usage, 5 the process cannot be read (gone, not Go, too old, no permission), said in one line.
 * Owns: the handle while it runs.  Threads: main.  Privilege: as started: PTRACE_MODE_ATTACH over the target. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/probe/gotree.h"
#include "harness/census_view.h"
#include "harness/verbs.h"

#define STUCK_INTERVAL_NS (250 * BO_NSEC_PER_MSEC)
#define WATCH_INTERVAL_NS BO_NSEC_PER_SEC
#define STW_INTERVAL_NS (20 * BO_NSEC_PER_MSEC)
/* Of a terminal that does not say. */
#define SCREEN_ROWS 24
#define DUMP_MAX 1000000

struct options {
	pid_t pid;
	bool watch, stuck, json, diff, count, system, why;
	const char *dump;
	const char *files[2];
	int64_t interval_ns;
};

static void help(FILE *out)
{
	fputs("usage: brownout census [OPTIONS] PID\n"
	      "       brownout census --diff BEFORE.json AFTER.json\n\n"
	      "Reads the goroutines of a live Go process (1.19 or later) out of its memory.  Nothing in it is stopped,\n"
	      "signalled or changed.\n\n"
	      "  --watch         refresh until interrupted\n"
	      "  --stuck         watch for a second, then show who has not moved: stuck, not merely idle\n"
	      "  --interval T    time between two looks (default 1s; 250ms with --stuck)\n"
	      "  --json          one JSON object per look, on one line each with --watch\n"
	      "  --dump FILE     every goroutine with its stack, in the form of pprof's goroutine?debug=2 (- for stdout)\n"
	      "  --count         the number alone\n"
	      "  --system        the runtime's own goroutines, too\n"
	      "  --why           how the tables were found, and why not in another way\n"
	      "  --diff A B      what grew and shrank between two files that --json wrote\n\n"
	      "exit: 0 done, 2 bad usage, 5 this process cannot be read\n",
	      out);
}

static int usage_error(const char *text, const char *what)
{
	fprintf(stderr, "brownout census: %s%s; `brownout census --help` says how\n", text, what);
	return BO_EXIT_USAGE;
}

/* 0, or an exit code + 1. */
static int parse_pid(const char *s, pid_t *ret)
{
	char *end;
	long pid = strtol(s, &end, 10);

	if (*end || end == s || pid <= 0 || pid > 1 << 22)
		return usage_error("not a process id: ", s) + 1;
	*ret = (pid_t)pid;
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	enum { WATCH, STUCK, INTERVAL, JSON, DUMP, COUNT, SYSTEM, WHY, DIFF, HELP };
	static const struct option names[] = {
		{ "watch", no_argument, NULL, WATCH },
		{ "stuck", no_argument, NULL, STUCK },
		{ "interval", required_argument, NULL, INTERVAL },
		{ "json", no_argument, NULL, JSON },
		{ "dump", required_argument, NULL, DUMP },
		{ "count", no_argument, NULL, COUNT },
		{ "system", no_argument, NULL, SYSTEM },
		{ "why", no_argument, NULL, WHY },
		{ "diff", no_argument, NULL, DIFF },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	struct bo_err err = { 0 };
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (c) {
		case WATCH:
			o->watch = true;
			break;
		case STUCK:
			o->stuck = true;
			break;
		case JSON:
			o->json = true;
			break;
		case COUNT:
			o->count = true;
			break;
		case SYSTEM:
			o->system = true;
			break;
		case WHY:
			o->why = true;
			break;
		case DIFF:
			o->diff = true;
			break;
		case DUMP:
			o->dump = optarg;
			break;
		case INTERVAL:
			if (bo_parse_duration(optarg, &o->interval_ns, &err) ||
			    o->interval_ns < BO_NSEC_PER_MSEC)
				return usage_error(err.msg[0]
							   ? err.msg
							   : "an interval of 1ms or more is needed",
						   "") +
				       1;
			break;
		case HELP:
		case 'h':
			help(stdout);
			return BO_EXIT_OK + 1;
		default:
			return usage_error("unknown or incomplete option ", argv[optind - 1]) + 1;
		}
	}
	argc -= optind;
	argv += optind;
	if (o->diff) {
		if (argc != 2)
			return usage_error("--diff needs two files", "") + 1;
		o->files[0] = argv[0];
		o->files[1] = argv[1];
		return 0;
	}
	if (argc != 1)
		return usage_error(argc ? "one process at a time" : "which process?", "") + 1;
	return parse_pid(argv[0], &o->pid);
}

static int fail(const struct bo_err *err)
{
	fprintf(stderr, "brownout census: %s\n", err->msg);
	return BO_EXIT_CANNOT;
}

/* A wrapper is not Go, but what it started may be. */
static int not_attached(pid_t pid, struct bo_err *err)
{
	struct bo_gotree tree;
	size_t len;

	if (err->code != ENOEXEC)
		return fail(err);
	bo_gotree_list(&tree, pid, 0, NULL);
	for (size_t i = 0; i < tree.n; i++) {
		len = strlen(err->msg);
		snprintf(err->msg + len, sizeof(err->msg) - len, "%s%s (pid %d)",
			 i ? ", " : "; below it there is: ", tree.procs[i].name,
			 (int)tree.procs[i].pid);
	}
	return fail(err);
}

static int run_diff(const struct options *o)
{
	struct bo_census_saved a = { 0 }, b = { 0 };
	bo_auto_free struct bo_census_change *changes = NULL;
	struct bo_err err = { 0 };
	size_t n = 0;
	int r = bo_census_saved_load(&a, o->files[0], &err);

	if (!r)
		r = bo_census_saved_load(&b, o->files[1], &err);
	if (!r)
		r = bo_census_diff(a.groups, a.ngroups, b.groups, b.ngroups, &changes, &n, &err);
	if (r) {
		fprintf(stderr, "brownout census: %s\n", err.msg);
		bo_census_saved_done(&a);
		return BO_EXIT_USAGE;
	}
	bo_census_view_changes(&a, &b, changes, n, stdout);
	bo_census_saved_done(&a);
	bo_census_saved_done(&b);
	return BO_EXIT_OK;
}

static int write_dump(struct bo_census *census, const char *path)
{
	struct bo_err err = { 0 };
	bool to_stdout = !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : fopen(path, "we");
	int r;

	if (!out) {
		fprintf(stderr, "brownout census: %s: %s\n", path, strerrordesc_np(errno));
		return BO_EXIT_USAGE;
	}
	r = bo_census_write_goroutines(census, out, DUMP_MAX, NULL, &err);
	if ((to_stdout ? fflush(out) : fclose(out)) && !r)
		r = bo_err_set(&err, errno, BO_SUBSYS_HARNESS, "%s could not be written", path);
	return r ? fail(&err) : BO_EXIT_OK;
}

static void print_why(const struct bo_census_info *info)
{
	for (size_t i = 0; i < info->nattempts; i++)
		printf("%s: %s\n", info->attempts[i].way,
		       info->attempts[i].reason[0] ? info->attempts[i].reason : "used");
}

/* The program's name, as its user knows it; a process may call itself what it wants, so it is shown as plain text. */
static void read_name(pid_t pid, char *buf, size_t size)
{
	char path[64];
	bo_auto_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(buf, (int)size, f))
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = 0;
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > 126)
			*p = '?';
}

/* Wait for the next look; false when somebody wants it to end. */
static bool wait_next(int signals, int64_t until_ns)
{
	struct pollfd pfd = { .fd = signals, .events = POLLIN };
	struct timespec left = bo_ns_to_timespec(until_ns - bo_now_ns());

	return ppoll(&pfd, 1, &left, NULL) == 0;
}

/* Of the terminal; nothing for a file or a pipe. */
static struct winsize screen(void)
{
	struct winsize ws = { 0 };

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws))
		return (struct winsize){ 0 };
	return ws;
}

struct looking {
	struct bo_census *census;
	const struct options *o;
	struct bo_census_snapshot snap;
	struct bo_census_stats stats, stats_before;
	char name[64];
	bool live;
};

static int look(struct looking *l, struct bo_err *err)
{
	unsigned detail = BO_CENSUS_STACKS | BO_CENSUS_LABELS | BO_CENSUS_TRACK |
			  (l->o->system ? BO_CENSUS_SYSTEM : 0);
	int r;

	l->stats_before = l->stats;
	/* Before and after: a stop of the world that outlives a census may well be one that does not come about. */
	r = bo_census_stats(l->census, &l->stats, err);
	if (!r)
		r = bo_census_snapshot(l->census, detail, &l->snap, err);
	return r ? r : bo_census_stats(l->census, &l->stats, err);
}

/* A stop of the world takes microseconds.  One that is under way is watched until it is over or called stuck, so that
 * a single look tells, too. */
static int watch_stop(struct looking *l, int signals, struct bo_err *err)
{
	int r = 0;

	while (!r && l->stats.stw_pending_ns > 0 &&
	       l->stats.stw_pending_ns < BO_CENSUS_VIEW_STW_NS &&
	       wait_next(signals, bo_now_ns() + STW_INTERVAL_NS))
		r = bo_census_stats(l->census, &l->stats, err);
	return r;
}

static int show(struct looking *l)
{
	struct winsize ws = screen();
	const struct bo_census_view view = {
		.info = bo_census_info(l->census),
		.name = l->name,
		.snap = &l->snap,
		.stats = &l->stats,
		.stats_before = &l->stats_before,
		.only_unmoved = l->o->stuck,
		.rows = !l->live    ? 0
			: ws.ws_row ? ws.ws_row
				    : SCREEN_ROWS,
		.columns = ws.ws_col,
	};

	if (l->o->json) {
		json_t *j = bo_census_json(&view);
		int r = j ? json_dumpf(j, stdout, l->o->watch ? JSON_COMPACT : JSON_INDENT(2)) : -1;

		json_decref(j);
		putchar('\n');
		return fflush(stdout) || r ? BO_EXIT_CANNOT : BO_EXIT_OK;
	}
	if (l->live)
		fputs("\033[H\033[2J", stdout);
	bo_census_view_print(&view, stdout);
	return fflush(stdout) ? BO_EXIT_CANNOT : BO_EXIT_OK;
}

static int run_looks(struct looking *l)
{
	const struct options *o = l->o;
	int64_t interval = o->interval_ns          ? o->interval_ns
			   : o->stuck && !o->watch ? STUCK_INTERVAL_NS
						   : WATCH_INTERVAL_NS;
	/* Three samples make somebody unmoved; one more, so that the first one is not the reference for all. */
	int looks = o->watch ? INT32_MAX : o->stuck ? BO_CENSUS_UNMOVED_SAMPLES + 1 : 1;
	struct bo_err err = { 0 };
	int64_t next = bo_now_ns();
	bo_auto_fd int signals = -1;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	for (int i = 0; i < looks; i++) {
		if (look(l, &err) || (i + 1 == looks && watch_stop(l, signals, &err))) {
			/* A process that ends while it is watched is no failure of the watch. */
			if (o->watch && i && err.code == ESRCH) {
				printf("%s\n", err.msg);
				return BO_EXIT_OK;
			}
			return fail(&err);
		}
		if ((o->watch || i + 1 == looks) && show(l))
			return BO_EXIT_CANNOT;
		next += interval;
		if (i + 1 < looks && !wait_next(signals, next))
			break;
	}
	return BO_EXIT_OK;
}

int cmd_census(int argc, char **argv)
{
	struct options o = { 0 };
	struct looking l = { .o = &o };
	struct bo_err err = { 0 };
	int64_t count;
	int r = parse(argc, argv, &o);

	if (r)
		return r - 1;
	if (o.diff)
		return run_diff(&o);
	if (bo_census_attach(&l.census, o.pid, 0, &err))
		return not_attached(o.pid, &err);
	read_name(o.pid, l.name, sizeof(l.name));
	l.live = o.watch && !o.json && isatty(STDOUT_FILENO);
	if (o.why)
		print_why(bo_census_info(l.census));
	if (o.count) {
		r = bo_census_count(l.census, &count, &err) ? fail(&err) : BO_EXIT_OK;
		if (!r)
			printf("%lld\n", (long long)count);
	} else if (o.dump) {
		r = write_dump(l.census, o.dump);
	} else {
		r = run_looks(&l);
	}
	bo_census_snapshot_done(&l.snap);
	bo_census_free(l.census);
	return r;
}
