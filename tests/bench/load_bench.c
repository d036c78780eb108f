/* SPDX-License-Identifier: Apache-2.0 */
/* load_bench — what the load engine costs and how exactly it keeps its schedule, beside other
 * generators in the same run.
 * usage: load_bench [-s SERVER] [-d SECONDS] [-n ROUNDS] [-r RATE] [-p DIR] [-f] [closed|open|stall]...
 *        SERVER prints its port on 127.0.0.1 and ends with its standard input; default:
 *        bench_server beside load_bench.  DIR has generators that are not in PATH;
 *        -f: SCHED_FIFO for the load's thread (CAP_SYS_NICE), which a run does not have.
 * exit 0 measured, 1 something could not be measured, 2 usage
 * Rounds take turns so that a noisy machine disturbs all alike; medians are printed.  With four
 * CPUs or more the server has the first two and the generators the third.
 * Owns: the server and the generators as child processes.  Threads: the load's.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/load/load.h"
#include "load_floor.h"
#include "load_peers.h"

#define MAX_ROUNDS 25
#define MAX_PEERS 8

struct options {
	char server[PATH_MAX];
	int seconds;
	int rounds;
	int max_inflight;
	double rate;
	const char *peers; /* where to look for them beside PATH */
	bool closed;
	bool open;
	bool stall;
	bool fifo; /* the load's thread goes before everything else on its CPU */
};

struct measure {
	double per_s;
	double cpu_us; /* generator's, per request */
	double lag_p50_us, lag_p99_us;
	double lat_p50_us, lat_p99_us, lat_p999_us; /* from the intended time */
	double lost; /* share of offered requests that did not end well */
};

static double cpu_us(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double q)
{
	qsort(values, n, sizeof(*values), by_value);
	return n ? values[(size_t)(q * (double)(n - 1))] : 0;
}

static void summarise(const struct bo_run *run, const struct options *o, double cpu,
		      struct measure *ret)
{
	const struct bo_load_record *record = &run->loads.items[0];
	double *lat = calloc(run->requests.len + 1, sizeof(*lat));
	size_t n = 0;

	if (!lat)
		abort();
	bo_vec_foreach(r, &run->requests) {
		if (r->cls == BO_REQ_OK)
			lat[n++] = (double)(r->end_ns - r->intended_ns) / 1e3;
	}
	ret->per_s = (double)n / o->seconds;
	ret->cpu_us = n ? cpu / (double)n : 0;
	ret->lag_p50_us = (double)record->lag_p50_ns / 1e3;
	ret->lag_p99_us = (double)record->lag_p99_ns / 1e3;
	ret->lat_p50_us = quantile(lat, n, 0.50);
	ret->lat_p99_us = quantile(lat, n, 0.99);
	ret->lat_p999_us = quantile(lat, n, 0.999);
	ret->lost = 1 - (double)n / (double)run->requests.len;
	free(lat);
}

/* The load's thread inherits what the caller has at this moment; peers, started later, do not. */
static int start_load(const struct options *o, struct bo_load *load, struct bo_err *err)
{
	const struct sched_param first = { .sched_priority = 1 }, none = { 0 };
	int rc;

	if (o->fifo && sched_setscheduler(0, SCHED_FIFO, &first))
		return bo_err_errno(err, BO_SUBSYS_LOAD, "SCHED_FIFO");
	rc = bo_load_start(load, err);
	if (o->fifo)
		sched_setscheduler(0, SCHED_OTHER, &none);
	return rc;
}

/* @rate 0: a closed loop */
static int measure_load(const struct options *o, int port, double rate, struct measure *ret)
{
	int64_t t0 = bo_now_ns() + 50 * BO_NSEC_PER_MSEC;
	struct bo_load_window window = { t0, t0 + o->seconds * BO_NSEC_PER_SEC };
	struct bo_load_spec spec = { .name = "bench",
				     .method = "GET",
				     .path = "/",
				     .rate_per_s = rate,
				     .timeout_ns = 5 * BO_NSEC_PER_SEC,
				     .keepalive = true };
	struct bo_load_config config = { .spec = &spec,
					 .addr_len = sizeof(struct sockaddr_in),
					 .t0_ns = t0,
					 .host_header = "bench",
					 .windows = &window,
					 .nwindows = 1,
					 .seed = 1 };
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timespec until = bo_ns_to_timespec(window.until_ns + 50 * BO_NSEC_PER_MSEC);
	struct bo_plan *plan = bo_plan_new();
	struct bo_run *run = NULL;
	struct bo_load *load = NULL;
	struct bo_err err = { 0 };
	double before = cpu_us(RUSAGE_SELF);
	int rc = -1;

	memcpy(&config.addr, &addr, sizeof(addr));
	if (rate > 0) {
		spec.max_inflight = o->max_inflight;
	} else {
		spec.arrivals = BO_ARRIVALS_CLOSED;
		spec.clients = CONNS;
	}
	if (plan && bo_vec_push(&plan->loads, spec))
		run = bo_run_new(plan);
	if (run && !bo_load_new(&load, &config, &err) && !start_load(o, load, &err)) {
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		rc = bo_load_finish(load, run, &err);
	}
	if (rc)
		fprintf(stderr, "load_bench: %s\n", err.msg);
	else
		summarise(run, o, cpu_us(RUSAGE_SELF) - before, ret);
	bo_load_free(load);
	bo_run_free(run);
	bo_plan_free(plan);
	return rc;
}

static double median(const struct measure *m, int n, size_t field)
{
	double values[MAX_ROUNDS];

	for (int i = 0; i < n; i++)
		memcpy(&values[i], (const char *)&m[i] + field, sizeof(double));
	return quantile(values, (size_t)n, 0.5);
}
#define MEDIAN(m, field) median(m, o->rounds, offsetof(struct measure, field))

static void print_peer(const struct peer *p, const struct measure *ours, const struct measure *m,
		       const struct options *o)
{
	double p99 = MEDIAN(m, lat_p99_us);

	printf("            %-11s %8.0f req/s %7.2f us CPU per request, ours is %.2f of it",
	       p->name, MEDIAN(m, per_s), MEDIAN(m, cpu_us),
	       MEDIAN(ours, cpu_us) / MEDIAN(m, cpu_us));
	if (p99 > 0)
		printf("; latency p50 %.0f us, p99 %.0f us", MEDIAN(m, lat_p50_us), p99);
	printf("\n");
}

static int measure_floor(const struct options *o, int port, double rate, struct measure *ret)
{
	struct floor_result r = { 0 };

	if (floor_run(port, o->seconds, rate, &r))
		return fprintf(stderr, "load_bench: the floor failed\n"), -1;
	*ret = (struct measure){ .per_s = r.per_s,
				 .cpu_us = r.cpu_us,
				 .lag_p50_us = r.lag_p50_us,
				 .lag_p99_us = r.lag_p99_us };
	return 0;
}

static void print_floor(const struct measure *least, const struct measure *ours,
			const struct options *o)
{
	printf("\n            floor       %8.0f req/s %7.2f us CPU per request, ours is %.2f of it; "
	       "send error p50 %.1f us, p99 %.1f us",
	       MEDIAN(least, per_s), MEDIAN(least, cpu_us),
	       MEDIAN(ours, cpu_us) / MEDIAN(least, cpu_us), MEDIAN(least, lag_p50_us),
	       MEDIAN(least, lag_p99_us));
}

/* One round after another, all generators in each. */
static int measure_mode(const struct options *o, int port, double rate, struct peer *peers,
			size_t npeers)
{
	struct measure ours[MAX_ROUNDS], theirs[MAX_PEERS][MAX_ROUNDS], least[MAX_ROUNDS];
	bool open = rate > 0;

	peers_find(peers, npeers, o->peers);
	for (int i = 0; i < o->rounds; i++) {
		if (measure_load(o, port, rate, &ours[i]))
			return -1;
		if (open && measure_floor(o, port, rate, &least[i]))
			return -1;
		for (size_t k = 0; k < npeers; k++) {
			struct peer_result r;

			if (!peers[k].path[0])
				continue;
			if (peer_run(&peers[k], port, o->seconds, rate, &r)) {
				fprintf(stderr, "load_bench: %s failed\n", peers[k].path);
				return -1;
			}
			theirs[k][i] = (struct measure){ .per_s = r.per_s,
							 .cpu_us = r.cpu_us,
							 .lat_p50_us = r.p50_us,
							 .lat_p99_us = r.p99_us };
		}
	}
	printf("%-11s %-11s %8.0f req/s %7.2f us CPU per request",
	       open ? "open loop" : "closed loop", "brownout", MEDIAN(ours, per_s),
	       MEDIAN(ours, cpu_us));
	if (open) {
		printf(", offered %.0f/s, %.3f%% not answered\n", rate, 100 * MEDIAN(ours, lost));
		printf("            send error  p50 %8.1f us  p99 %8.1f us\n",
		       MEDIAN(ours, lag_p50_us), MEDIAN(ours, lag_p99_us));
		printf("            latency     p50 %8.1f us  p99 %8.1f us (from the intended time)",
		       MEDIAN(ours, lat_p50_us), MEDIAN(ours, lat_p99_us));
		print_floor(least, ours, o);
	}
	printf("\n");
	for (size_t k = 0; k < npeers; k++) {
		if (peers[k].path[0])
			print_peer(&peers[k], ours, theirs[k], o);
		else
			printf("            %-11s not found\n", peers[k].name);
	}
	return 0;
}

/* wrk2 throws its first ten seconds away. */
#define STALL_PEER_SECONDS 20

/* A service that answers nothing for 0.5 s in every 2.5 s.  The quantile q of an open loop is then
 * 500 - (1 - q) 2500 ms; connections are opened as they are needed. */
static int measure_stall(const struct options *asked, int port)
{
	struct options o = *asked;
	struct measure open, closed;
	struct peer_result r;

	o.seconds = 5;
	o.max_inflight = 1000;
	peers_find(peers_open, npeers_open, o.peers);
	if (measure_load(&o, port, 1000, &open) || measure_load(&o, port, 0, &closed))
		return -1;
	printf("stalls of 0.5 s in 2.5 s, 1000 req/s       p99 %8.1f ms  p99.9 %8.1f ms\n", 475.0,
	       497.5);
	printf("            brownout                       p99 %8.1f ms  p99.9 %8.1f ms  ratio %.3f  %.3f\n",
	       open.lat_p99_us / 1e3, open.lat_p999_us / 1e3, open.lat_p99_us / 475e3,
	       open.lat_p999_us / 497.5e3);
	printf("            brownout, closed loop          p99 %8.1f ms  (coordinated omission)\n",
	       closed.lat_p99_us / 1e3);
	for (size_t i = 0; i < npeers_open; i++) {
		const struct peer *p = &peers_open[i];

		if (!p->p99)
			continue;
		if (!p->path[0])
			printf("            %-30s not found\n", p->name);
		else if (peer_run(p, port, STALL_PEER_SECONDS, 1000, &r))
			return fprintf(stderr, "load_bench: %s failed\n", p->path), -1;
		else
			printf("            %-30s p99 %8.1f ms\n", p->name, r.p99_us / 1e3);
	}
	return 0;
}

/* Start a server, which the first two CPUs are for, measure, end it. */
static int with_server(const struct options *o, const char *const argv[],
		       int (*measure)(const struct options *o, int port))
{
	int stdin_fd = -1, port = 0, rc = -1;
	FILE *out = NULL;
	pid_t pid = spawn(argv, &stdin_fd, &out, 0, 1);

	if (pid > 0 && out && fscanf(out, "%d", &port) == 1)
		rc = measure(o, port);
	else
		fprintf(stderr, "load_bench: %s does not start\n", o->server);
	if (pid > 0) {
		close(stdin_fd);
		waitpid(pid, NULL, 0);
	}
	if (out)
		fclose(out);
	return rc;
}

static int measure_steady(const struct options *o, int port)
{
	printf("%d rounds of %d s, %d connections, medians\n", o->rounds, o->seconds, CONNS);
	if (o->closed && measure_mode(o, port, 0, peers_closed, npeers_closed))
		return -1;
	return o->open ? measure_mode(o, port, o->rate, peers_open, npeers_open) : 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int ch;

	self[n > 0 ? n : 0] = '\0';
	snprintf(o->server, sizeof(o->server), "%.*s/bench_server", PATH_MAX - 16, dirname(self));
	while ((ch = getopt(argc, argv, "s:d:n:r:p:f")) != -1) {
		switch (ch) {
		case 's':
			snprintf(o->server, sizeof(o->server), "%s", optarg);
			break;
		case 'd':
			o->seconds = atoi(optarg);
			break;
		case 'n':
			o->rounds = atoi(optarg);
			break;
		case 'r':
			o->rate = strtod(optarg, NULL);
			break;
		case 'f':
			o->fifo = true;
			break;
		case 'p':
			o->peers = optarg;
			break;
		default:
			return -1;
		}
	}
	for (; optind < argc; optind++) {
		if (!strcmp(argv[optind], "closed"))
			o->closed = true;
		else if (!strcmp(argv[optind], "open"))
			o->open = true;
		else if (!strcmp(argv[optind], "stall"))
			o->stall = true;
		else
			return -1;
	}
	if (!o->closed && !o->open && !o->stall)
		o->closed = o->open = o->stall = true;
	return o->seconds < 1 || o->rounds < 1 || o->rounds > MAX_ROUNDS || o->rate < 1 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .seconds = 3, .rounds = 5, .max_inflight = CONNS, .rate = 10000 };
	const char *const steady[] = { o.server, NULL };
	const char *const stalling[] = { o.server, "500ms", "2500ms", NULL };

	if (parse(argc, argv, &o)) {
		fprintf(stderr,
			"usage: load_bench [-s SERVER] [-d SECONDS] [-n ROUNDS (1-%d)] [-r RATE] "
			"[-p DIR] [-f] [closed|open|stall]...\n",
			MAX_ROUNDS);
		return 2;
	}
	pin(2, 2);
	if ((o.closed || o.open) && with_server(&o, steady, measure_steady))
		return 1;
	return o.stall && with_server(&o, stalling, measure_stall) ? 1 : 0;
}
