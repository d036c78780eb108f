/* SPDX-License-Identifier: Apache-2.0 */
/* harness/logpump.c — one thread drains every node's pipe.
 *
 * Theory of operation: the pump keeps the write end of each pipe open itself, so a node may die and be started again
 * on the same pipe.  A node that prints faster than a disk takes must not be slowed down by us (its callers would
 * see the latency), so beyond BO_LOG_KEEP_BYTES output is read and only counted. */
#include "harness/logpump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"

#define LINE_BYTES 1024

struct stream {
	int rd, wr, log;
	bool has_regex;
	regex_t regex;
	bool matched;
	char line[LINE_BYTES]; /* the line being read */
	size_t line_len;
	char last[LINE_BYTES]; /* the last complete non-empty line */
	struct bo_logpump_stats stats;
};

struct bo_logpump {
	pthread_mutex_t lock; /* guards every stream's fields but the descriptors */
	pthread_t thread;
	bool running;
	int stop_fd;
	size_t nnodes;
	struct stream *streams;
	struct pollfd *polls;
};

int bo_logpump_new(struct bo_logpump **ret, size_t nnodes, struct bo_err *err)
{
	struct bo_logpump *p = calloc(1, sizeof(*p));

	if (!p)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	pthread_mutex_init(&p->lock, NULL);
	p->nnodes = nnodes;
	p->streams = calloc(nnodes, sizeof(*p->streams));
	p->polls = calloc(nnodes + 1, sizeof(*p->polls));
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!p->streams || !p->polls || p->stop_fd < 0) {
		bo_logpump_free(p);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "cannot set up the log reader");
	}
	for (size_t i = 0; i < nnodes; i++)
		p->streams[i].rd = p->streams[i].wr = p->streams[i].log = -1;
	*ret = p;
	return 0;
}

int bo_logpump_add(struct bo_logpump *pump, int node, int log_fd, const char *pattern,
		   int *ret_write_fd, struct bo_err *err)
{
	struct stream *s = &pump->streams[node];
	int fds[2];

	s->log = log_fd;
	if (pattern) {
		int r = regcomp(&s->regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);

		if (r) {
			char why[128];

			regerror(r, &s->regex, why, sizeof(why));
			return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
					  "readiness pattern \"%s\": %s", pattern, why);
		}
		s->has_regex = true;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "pipe for a node's output");
	/* The read end alone is non-blocking: the flag belongs to the open file, and each end has its own. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
	s->rd = fds[0];
	s->wr = fds[1];
	*ret_write_fd = s->wr;
	return 0;
}

static void keep(struct stream *s, const char *buf, size_t n)
{
	size_t room;

	s->stats.bytes += n;
	if (s->stats.write_errno || s->log < 0 || s->stats.kept >= (uint64_t)BO_LOG_KEEP_BYTES)
		return;
	room = (size_t)((uint64_t)BO_LOG_KEEP_BYTES - s->stats.kept);
	if (n > room)
		n = room;
	while (n) {
		ssize_t w = write(s->log, buf, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			s->stats.write_errno = w < 0 ? errno : ENOSPC;
			return;
		}
		s->stats.kept += (uint64_t)w;
		buf += w;
		n -= (size_t)w;
	}
	if (s->stats.kept == (uint64_t)BO_LOG_KEEP_BYTES) {
		static const char cut[] =
			"\n[brownout: this log is cut here; more was printed and not kept]\n";

		if (write(s->log, cut, sizeof(cut) - 1) < 0)
			s->stats.write_errno = errno;
	}
}

static void end_line(struct stream *s)
{
	s->line[s->line_len] = '\0';
	if (s->line_len) {
		memcpy(s->last, s->line, s->line_len + 1);
		if (s->has_regex && !s->matched && !regexec(&s->regex, s->line, 0, NULL, 0))
			s->matched = true;
	}
	s->line_len = 0;
}

static void scan(struct stream *s, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n')
			end_line(s);
		else if (s->line_len < LINE_BYTES - 1 && buf[i] != '\r' && buf[i])
			s->line[s->line_len++] = buf[i];
	}
}

/* Reading is under the lock, too: the pump's thread and one that asks for the last line may both do it. */
static void drain(struct bo_logpump *pump, struct stream *s, int max_reads)
{
	char buf[65536];

	while (max_reads--) {
		ssize_t n;

		pthread_mutex_lock(&pump->lock);
		n = read(s->rd, buf, sizeof(buf));
		if (n <= 0) {
			pthread_mutex_unlock(&pump->lock);
			return;
		}
		keep(s, buf, (size_t)n);
		/* what nobody will read need not be looked at line by line: only the tail can be shown */
		scan(s, s->has_regex || n < LINE_BYTES ? buf : buf + n - LINE_BYTES,
		     s->has_regex || n < LINE_BYTES ? (size_t)n : LINE_BYTES);
		pthread_mutex_unlock(&pump->lock);
	}
}

static void *pump_main(void *arg)
{
	struct bo_logpump *p = arg;
	bool stop = false;

	pthread_setname_np(pthread_self(), "bo-logs");
	while (!stop) {
		for (size_t i = 0; i < p->nnodes; i++)
			p->polls[i] = (struct pollfd){ .fd = p->streams[i].rd, .events = POLLIN };
		p->polls[p->nnodes] = (struct pollfd){ .fd = p->stop_fd, .events = POLLIN };
		if (poll(p->polls, p->nnodes + 1, -1) < 0 && errno != EINTR)
			return NULL;
		stop = p->polls[p->nnodes].revents;
		for (size_t i = 0; i < p->nnodes; i++)
			if (p->polls[i].revents || (stop && p->streams[i].rd >= 0))
				drain(p, &p->streams[i], stop ? 1024 : 16);
	}
	return NULL;
}

int bo_logpump_start(struct bo_logpump *pump, struct bo_err *err)
{
	int r = pthread_create(&pump->thread, NULL, pump_main, pump);

	if (r)
		return bo_err_set(err, r, BO_SUBSYS_HARNESS, "cannot start the log reader: %s",
				  strerror(r));
	pump->running = true;
	return 0;
}

bool bo_logpump_matched(struct bo_logpump *pump, int node)
{
	bool m;

	pthread_mutex_lock(&pump->lock);
	m = pump->streams[node].matched;
	pthread_mutex_unlock(&pump->lock);
	return m;
}

void bo_logpump_rearm(struct bo_logpump *pump, int node)
{
	pthread_mutex_lock(&pump->lock);
	pump->streams[node].matched = false;
	pthread_mutex_unlock(&pump->lock);
}

void bo_logpump_last_line(struct bo_logpump *pump, int node, char *buf, size_t size)
{
	/* Of a node that has just ended the pump may not have read the last words yet. */
	if (pump->streams[node].rd >= 0)
		drain(pump, &pump->streams[node], 16);
	pthread_mutex_lock(&pump->lock);
	snprintf(buf, size, "%s", pump->streams[node].last);
	pthread_mutex_unlock(&pump->lock);
}

void bo_logpump_stats(struct bo_logpump *pump, int node, struct bo_logpump_stats *ret)
{
	pthread_mutex_lock(&pump->lock);
	*ret = pump->streams[node].stats;
	pthread_mutex_unlock(&pump->lock);
}

void bo_logpump_free(struct bo_logpump *pump)
{
	if (!pump)
		return;
	if (pump->running) {
		eventfd_write(pump->stop_fd, 1);
		pthread_join(pump->thread, NULL);
	}
	for (size_t i = 0; pump->streams && i < pump->nnodes; i++) {
		struct stream *s = &pump->streams[i];

		bo_close(&s->rd);
		bo_close(&s->wr);
		bo_close(&s->log);
		if (s->has_regex)
			regfree(&s->regex);
	}
	bo_close(&pump->stop_fd);
	pthread_mutex_destroy(&pump->lock);
	free(pump->polls);
	free(pump->streams);
	free(pump);
}
