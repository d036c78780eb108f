/* SPDX-License-Identifier: Apache-2.0 */
/* load_floor.c — see load_floor.h.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include "load_floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/model/hist.h"
#include "load_peers.h"

struct floor {
	int port;
	int seconds;
	double rate;
	struct bo_hist lag;
	struct floor_result *ret;
	int rc;
};

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return fd;
}

static double thread_cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int send_all(struct floor *f, const int *fds, int64_t n)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	int64_t t0 = bo_now_ns() + BO_NSEC_PER_MSEC;
	char answer[4096];

	for (int64_t i = 0; i < n; i++) {
		int64_t due = t0 + (int64_t)((double)i * 1e9 / f->rate);
		struct timespec at = bo_ns_to_timespec(due);

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		bo_hist_record(&f->lag, bo_now_ns() - due);
		if (send(fds[i % CONNS], request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			return -1;
		/* that of the request which went out longest ago */
		if (i >= CONNS - 1 &&
		    recv(fds[(i + 1) % CONNS], answer, sizeof(answer), MSG_DONTWAIT) == 0)
			return -1;
	}
	return 0;
}

static void *run(void *arg)
{
	struct floor *f = arg;
	int64_t n = (int64_t)(f->rate * f->seconds);
	int fds[CONNS];
	double cpu;

	prctl(PR_SET_TIMERSLACK, 1UL);
	f->rc = 0;
	for (int i = 0; i < CONNS; i++) {
		fds[i] = dial(f->port);
		f->rc = fds[i] < 0 ? -1 : f->rc;
	}
	cpu = thread_cpu_us();
	if (!f->rc)
		f->rc = send_all(f, fds, n);
	f->ret->cpu_us = (thread_cpu_us() - cpu) / (double)n;
	f->ret->per_s = f->rate;
	f->ret->lag_p50_us = (double)bo_hist_quantile(&f->lag, 0.50) / 1e3;
	f->ret->lag_p99_us = (double)bo_hist_quantile(&f->lag, 0.99) / 1e3;
	for (int i = 0; i < CONNS; i++)
		close(fds[i]);
	return NULL;
}

int floor_run(int port, int seconds, double rate, struct floor_result *ret)
{
	struct floor f = { .port = port, .seconds = seconds, .rate = rate, .ret = ret, .rc = -1 };
	pthread_t thread;

	if (bo_hist_init(&f.lag, NULL))
		return -1;
	if (!pthread_create(&thread, NULL, run, &f))
		pthread_join(thread, NULL);
	bo_hist_done(&f.lag);
	return f.rc;
}
