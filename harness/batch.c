/* SPDX-License-Identifier: Apache-2.0 */
/* harness/batch.c — a parent that only starts, waits and forwards signals.
 *
 * Each run is a child in a process group of its own, so that Ctrl-C in a terminal reaches this process alone and is
 * handed on once: a child that got it twice would take it for the second one and leave without a verdict.  What a child
 * prints about itself while it runs goes to stderr, labelled; its verdict comes through a pipe and is printed in one
 * piece.  The pipe ends when the child's keeper has ended, too: only then the next run may take its place. */
#include "harness/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/log.h"
#include "brownout/base/strbuf.h"
#include "brownout/sys/caps.h"
#include "harness/batch_report.h"
#include "harness/run_one.h"
#include "harness/status.h"
#include "harness/verbs.h"

#define DIR_MAX 4200

/** struct job - @pid: 0 before it was started;  @fd: -1 unless it runs;  @said: folder, NUL, verdict */
struct job {
	const struct bo_file *file;
	long repetition;
	size_t group;
	char label[80];
	pid_t pid;
	int fd;
	int code;
	struct bo_strbuf said;
};

struct batch {
	const struct bo_options *o;
	struct job *jobs;
	size_t njobs;
	size_t next;
	size_t running;
	int sigfd;
	sigset_t old_mask;
	bool stopped;
};

int bo_batch_worse(int a, int b)
{
	static const int order[] = { BO_EXIT_USAGE, 1, 4, BO_EXIT_CANNOT, BO_EXIT_INCONCLUSIVE };

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return BO_EXIT_OK;
}

static int code_of(int status)
{
	/* whatever ended it, it has told us nothing */
	return WIFEXITED(status) && WEXITSTATUS(status) <= BO_EXIT_CANNOT ? WEXITSTATUS(status)
									  : BO_EXIT_INCONCLUSIVE;
}

/* ---- the check before anything is started ---- */

static int check_file(const struct bo_options *o, const struct bo_file *file)
{
	struct bo_options quiet = *o;
	struct bo_run_request req = {
		.o = &quiet, .path = file->path, .check_only = true, .out = stdout
	};
	char dir[DIR_MAX] = "";
	int status = 0;
	pid_t pid;

	quiet.quiet = true;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int code = bo_run_one(&req, dir, sizeof(dir));

		fflush(NULL);
		_exit(code);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		bo_log(BO_LOG_ERROR, "cannot start a process: %s", strerrordesc_np(errno));
		return BO_EXIT_CANNOT;
	}
	return code_of(status);
}

/* ---- one run ---- */

static void child_main(const struct batch *b, struct job *job, int fd)
{
	char dir[DIR_MAX] = "", *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *pipe_out = fdopen(fd, "w");
	struct bo_run_request req = { .o = b->o,
				      .path = job->file->path,
				      .label = job->label,
				      .repetition = job->repetition,
				      .parent = getppid(),
				      .out = out };
	struct bo_options o = *b->o;
	sigset_t mask = b->old_mask;
	char prefix[96];
	int code;

	setpgid(0, 0);
	close(b->sigfd);
	for (size_t i = 0; i < b->njobs; i++)
		if (b->jobs[i].fd >= 0)
			close(b->jobs[i].fd);
	/* not in the terminal's foreground: with stty tostop, what it prints would stop it */
	sigaddset(&mask, SIGTTOU);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (!out || !pipe_out)
		_exit(BO_EXIT_CANNOT);
	o.json = false; /* the parent prints the list */
	o.quiet = o.quiet || b->o->json;
	req.o = &o;
	snprintf(prefix, sizeof(prefix), "[%s] brownout", job->label);
	bo_log_setup(BO_LOG_WARN, prefix);
	code = bo_run_one(&req, dir, sizeof(dir));
	fclose(out);
	fwrite(dir, 1, strlen(dir) + 1, pipe_out);
	fwrite(text, 1, len, pipe_out);
	fflush(NULL);
	_exit(code);
}

static int start_job(struct batch *b, struct job *job)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	job->pid = fork();
	if (job->pid == 0) {
		close(pair[0]);
		child_main(b, job, pair[1]);
	}
	close(pair[1]);
	if (job->pid < 0) {
		int e = errno;

		close(pair[0]);
		return -e;
	}
	job->fd = pair[0];
	b->running++;
	return 0;
}

static void start_some(struct batch *b)
{
	for (; !b->stopped && b->next < b->njobs && b->running < (size_t)b->o->jobs; b->next++) {
		struct job *job = &b->jobs[b->next];
		int r = job->code == BO_EXIT_CANNOT ? 0 : start_job(b, job);

		if (r < 0) {
			bo_log(BO_LOG_ERROR, "%s: cannot start a process: %s", job->label,
			       strerrordesc_np(-r));
			job->code = BO_EXIT_CANNOT;
		}
	}
}

static const char *dir_of(const struct job *job)
{
	return bo_strbuf_str(&job->said);
}

static void end_job(struct batch *b, struct job *job)
{
	const char *dir = dir_of(job);
	size_t dir_len = strlen(dir);
	int status = 0;

	bo_close(&job->fd);
	b->running--;
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	job->code = code_of(status);
	if (WIFSIGNALED(status))
		bo_log(BO_LOG_ERROR, "%s was killed by signal %d (%s)", job->label,
		       WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
	if (job->said.len > dir_len + 1 && !b->o->json) {
		fwrite(dir + dir_len + 1, 1, job->said.len - dir_len - 1, stdout);
		fflush(stdout);
	}
}

static void read_job(struct batch *b, struct job *job)
{
	char buf[4096];
	ssize_t n = read(job->fd, buf, sizeof(buf));

	if (n > 0)
		bo_strbuf_add(&job->said, buf, (size_t)n);
	else if (n == 0 || errno != EINTR)
		end_job(b, job);
}

static void forward_signals(struct batch *b)
{
	struct signalfd_siginfo si;

	while (read(b->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		b->stopped = true;
		for (size_t i = 0; i < b->njobs; i++)
			if (b->jobs[i].fd >= 0)
				kill(b->jobs[i].pid, (int)si.ssi_signo);
	}
}

static int wait_some(struct batch *b)
{
	bo_auto_free struct pollfd *fds = calloc(b->njobs + 1, sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	fds[b->njobs] = (struct pollfd){ .fd = b->sigfd, .events = POLLIN };
	for (size_t i = 0; i < b->njobs; i++)
		fds[i] = (struct pollfd){ .fd = b->jobs[i].fd, .events = POLLIN };
	if (poll(fds, b->njobs + 1, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < b->njobs; i++)
		if (b->jobs[i].fd >= 0 && fds[i].revents)
			read_job(b, &b->jobs[i]);
	forward_signals(b);
	return 0;
}

/* ---- all of them ---- */

static int open_signals(struct batch *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &b->old_mask);
	b->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->sigfd < 0 ? -errno : 0;
}

static int run_all(struct batch *b)
{
	int r = open_signals(b);

	for (start_some(b); !r && b->running; start_some(b))
		r = wait_some(b);
	if (r)
		bo_log(BO_LOG_ERROR, "cannot wait for the runs: %s", strerrordesc_np(-r));
	for (size_t i = 0; i < b->njobs; i++)
		if (!b->jobs[i].pid && b->jobs[i].code == BO_EXIT_OK)
			b->jobs[i].code = 4; /* never begun: ABORTED */
	bo_close(&b->sigfd);
	return r;
}

static void make_jobs(struct batch *b, const struct bo_filelist *list)
{
	for (size_t f = 0; f < list->files.len; f++) {
		for (long n = 0; n < b->o->repeat; n++) {
			struct job *job = &b->jobs[b->njobs++];

			*job = (struct job){
				.file = &list->files.items[f], .repetition = n, .group = f, .fd = -1
			};
			snprintf(job->label, sizeof(job->label), "%.60s", job->file->name);
			if (b->o->repeat > 1)
				snprintf(job->label, sizeof(job->label), "%.60s #%ld",
					 job->file->name, n + 1);
		}
	}
}

/* Are they all right?  The worst of USAGE, CANNOT and OK; those that cannot are marked. */
static int check_all(struct batch *b, const struct bo_filelist *list)
{
	int worst = BO_EXIT_OK;

	for (size_t f = 0; f < list->files.len; f++) {
		int code = check_file(b->o, &list->files.items[f]);

		worst = code == BO_EXIT_OK ? worst : bo_batch_worse(worst, code);
		for (size_t i = 0; i < b->njobs; i++)
			if (b->jobs[i].group == f)
				b->jobs[i].code = code;
	}
	return worst;
}

/* Nothing privileged is left to do, and what comes now reads what runs have written. */
static int give_up_privilege(struct bo_err *err)
{
	struct bo_user user = { 0 };
	int r = bo_user_from_sudo(&user, err);

	return r < 0 ? r : bo_user_become(&user, err);
}

static int report(const struct batch *b)
{
	bo_auto_free struct bo_batch_result *runs = calloc(b->njobs, sizeof(*runs));
	struct bo_err err = { 0 };
	int code = BO_EXIT_OK, r;

	for (size_t i = 0; i < b->njobs; i++) {
		const struct job *job = &b->jobs[i];

		code = bo_batch_worse(code, job->code);
		if (runs)
			runs[i] = (struct bo_batch_result){ .name = job->label,
							    .path = job->file->path,
							    .dir = dir_of(job),
							    .code = job->code,
							    .group = job->group };
	}
	r = runs ? give_up_privilege(&err)
		 : bo_err_set(&err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	if (!r)
		r = bo_batch_load(runs, b->njobs, &err);
	if (!r) {
		bo_batch_print(b->o, runs, b->njobs);
		if (b->o->junit)
			r = bo_batch_junit(b->o->junit, runs, b->njobs, &err);
	}
	if (r)
		bo_log(BO_LOG_ERROR, "reports are incomplete: %s", err.msg);
	if (runs)
		bo_batch_unload(runs, b->njobs);
	return r ? bo_batch_worse(code, BO_EXIT_INCONCLUSIVE) : code;
}

int bo_batch_run(const struct bo_options *o, const struct bo_filelist *list)
{
	struct batch b = { .o = o, .sigfd = -1 };
	int code;

	b.jobs = calloc(list->files.len * (size_t)o->repeat, sizeof(*b.jobs));
	if (!b.jobs)
		return bo_options_usage(o, "out of memory");
	make_jobs(&b, list);
	code = check_all(&b, list);
	if (code != BO_EXIT_USAGE) {
		code = run_all(&b) < 0 ? BO_EXIT_INCONCLUSIVE : BO_EXIT_OK;
		code = bo_batch_worse(code, report(&b));
	}
	for (size_t i = 0; i < b.njobs; i++)
		bo_strbuf_done(&b.jobs[i].said);
	free(b.jobs);
	return code;
}
