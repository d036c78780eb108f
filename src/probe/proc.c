/* SPDX-License-Identifier: Apache-2.0 */
/* probe/proc.c — resident memory and CPU of a node's whole process tree, from /proc.
 * RSS comes from statm, not smaps_rollup: that walks the page tables under the target's mmap
 * lock, and looking must not disturb.  Pages shared between processes of the tree count once in
 * each. CPU counts waited-for children too: when one exits, its time moves from itself to its
 * parent, so the sum over the tree neither jumps nor loses what short-lived children used.  The
 * kernel counts in ticks of 10 ms, so CPU is taken over a window that slides over the last half
 * second.
 * Owns: the list of processes and the window.  Threads: the sampler's.  Privilege: none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "probe-internal.h"

enum { RSS, CPU };

#define PIDS_MAX 1024
#define WINDOW_NS (BO_NSEC_PER_SEC / 2)
#define WINDOW_MAX 64
/* One file of children per thread: past this many threads the tree is walked once a second, not
 * at every sample. */
#define THREADS_MANY 256

struct cpu_point {
	int64_t t_ns;
	uint64_t ticks;
};

struct proc_state {
	uint32_t start;       /* of the target, for which the rest holds */
	uint64_t start_ticks; /* of the main process, so that a reused pid is seen */
	pid_t pids[PIDS_MAX];
	size_t npids;
	int64_t threads;
	int64_t walked_ns;
	struct cpu_point window[WINDOW_MAX];
	size_t nwindow;
};

int bo_proc_parse_stat(const char *text, struct bo_proc_stat *ret)
{
	/* The name, in parentheses, may itself hold blanks and parentheses: the last one ends
	 * it. */
	const char *at = strrchr(text, ')');
	uint64_t utime, stime, cutime, cstime;
	int n;

	if (!at)
		return -EBADMSG;
	/* Fields 3 (state), 14 to 17 (times), 20 (threads), 22 (start time). */
	n = sscanf(at + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %*d %*d %" SCNd64 " %*d %" SCNu64,
		   &ret->state, &utime, &stime, &cutime, &cstime, &ret->threads, &ret->start_ticks);
	if (n != 7)
		return -EBADMSG;
	ret->cpu_ticks = utime + stime + cutime + cstime;
	return 0;
}

int bo_proc_parse_statm(const char *text, int64_t *ret_pages)
{
	return sscanf(text, "%*u %" SCNd64, ret_pages) == 1 ? 0 : -EBADMSG;
}

static int read_proc(const char *path, char *buf, size_t size)
{
	bo_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	buf[n] = '\0';
	return 0;
}

int bo_proc_read_stat(pid_t pid, struct bo_proc_stat *ret)
{
	char path[64], text[1024];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = read_proc(path, text, sizeof(text));
	return r < 0 ? r : bo_proc_parse_stat(text, ret);
}

static int64_t read_rss(pid_t pid)
{
	char path[64], text[256];
	int64_t pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (read_proc(path, text, sizeof(text)) < 0 || bo_proc_parse_statm(text, &pages) < 0)
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Children hang on the thread that forked them. */
static void add_children(pid_t pid, pid_t *pids, size_t max, size_t *n)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	bo_auto(cleanup_dir) DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char file[96], text[4096];
		char *at = text, *next;

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "/proc/%d/task/%.16s/children", (int)pid, e->d_name);
		if (read_proc(file, text, sizeof(text)) < 0)
			continue;
		for (long child; (child = strtol(at, &next, 10)) > 0 && next != at; at = next) {
			if (*n < max)
				pids[(*n)++] = (pid_t)child;
		}
	}
}

/* The list is worked through while it grows, so it ends up holding the tree in breadth-first
 * order. */
size_t bo_proc_tree(pid_t root, pid_t *pids, size_t max)
{
	size_t n = 1;

	pids[0] = root;
	for (size_t i = 0; i < n; i++)
		add_children(pids[i], pids, max, &n);
	return n;
}

static void walk(struct proc_state *st, pid_t main_pid, int64_t now_ns)
{
	if (st->npids && st->threads > THREADS_MANY && now_ns - st->walked_ns < BO_NSEC_PER_SEC)
		return;
	st->npids = bo_proc_tree(main_pid, st->pids, PIDS_MAX);
	st->walked_ns = now_ns;
}

/* CPUs used since about half a second ago; false while there is nothing to compare with. */
static bool cpu_used(struct proc_state *st, int64_t now_ns, uint64_t ticks, double *ret)
{
	struct cpu_point *w = st->window;
	size_t old = 0;

	/* A grandchild that was adopted away took its time with it: start afresh rather than
	 * show less than nothing. */
	if (st->nwindow && ticks < w[st->nwindow - 1].ticks)
		st->nwindow = 0;
	while (old + 1 < st->nwindow &&
	       (now_ns - w[old + 1].t_ns >= WINDOW_NS || st->nwindow - old >= WINDOW_MAX))
		old++;
	st->nwindow -= old;
	memmove(w, w + old, st->nwindow * sizeof(*w));
	w[st->nwindow++] = (struct cpu_point){ now_ns, ticks };
	if (st->nwindow < 2 || now_ns <= w[0].t_ns)
		return false;
	*ret = (double)(ticks - w[0].ticks) / (double)sysconf(_SC_CLK_TCK) /
	       ((double)(now_ns - w[0].t_ns) / (double)BO_NSEC_PER_SEC);
	return true;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	char path[64];

	(void)err;
	/* Without CONFIG_PROC_CHILDREN there is no such file, and the tree is its root. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	snprintf(probe->source, sizeof(probe->source), "%s",
		 access(path, F_OK) == 0 ? "/proc" : "/proc, main process only");
	return 0;
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	struct proc_state *st = probe->state;
	pid_t pid = probe->target->pid;
	struct bo_proc_stat stat;
	uint64_t ticks = 0;
	int64_t rss = 0;
	double cpu;

	if (bo_proc_read_stat(pid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X' ||
	    (st->start == probe->target->start && stat.start_ticks != st->start_ticks)) {
		bo_probe_fail(probe, BO_PROBE_ALL, now_ns, "process is down");
		return;
	}
	if (st->start != probe->target->start) {
		st->start = probe->target->start;
		st->start_ticks = stat.start_ticks;
		st->npids = 0;
		st->nwindow = 0;
	}
	walk(st, pid, now_ns);
	st->threads = 0;
	for (size_t i = 0; i < st->npids; i++) {
		/* One that is gone by now is no failure: its parent has its time. */
		if (bo_proc_read_stat(st->pids[i], &stat) < 0)
			continue;
		ticks += stat.cpu_ticks;
		st->threads += stat.threads;
		rss += read_rss(st->pids[i]);
	}
	bo_probe_emit(probe, RSS, now_ns, (double)rss);
	if (cpu_used(st, now_ns, ticks, &cpu))
		bo_probe_emit(probe, CPU, now_ns, cpu);
}

static const struct bo_probe_series series[] = {
	[RSS] = { BO_SERIES_RSS, "bytes" },
	[CPU] = { BO_SERIES_CPU, "CPUs" },
	[CPU + 1] = { NULL, NULL },
};

const struct bo_probe_kind bo_probe_proc = {
	.name = "proc",
	.help = "resident memory and CPU of the whole process tree",
	.use = BO_PROBE_USE_EVERY,
	.needs_process = true,
	.series = series,
	.state_size = sizeof(struct proc_state),
	.attach = attach,
	.sample = sample,
};
