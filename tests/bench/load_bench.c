/* SPDX-License-Identifier: Apache-2.0 */
/* load_bench — what the load engine costs and how exactly it keeps its schedule, beside wrk(1) in
 * the same run. usage: load_bench [-s SERVER] [-d SECONDS] [-n ROUNDS] [-r RATE]
 *        SERVER prints its port on 127.0.0.1 and ends with its standard input; default:
 * bench_server beside load_bench exit 0 measured, 1 something could not be measured, 2 usage
 * Rounds take turns so that a noisy machine disturbs all alike; medians are printed.  With four
 * CPUs or more the server has the first two and the generators the third.
 * Owns: the server and wrk as child processes.  Threads: the load's.  Privilege: none. */
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

#define MAX_ROUNDS 25
#define CONNS 64

struct options {
	char server[PATH_MAX];
	int seconds;
	int rounds;
	double rate;
};

struct measure {
	double per_s;
	double cpu_us; /* generator's, per request */
	double lag_p50_us, lag_p99_us;
	double lat_p50_us, lat_p99_us; /* from the intended time */
	double lost;                   /* share of offered requests that did not end well */
};

static void pin(int first, int last)
{
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		return;
	CPU_ZERO(&set);
	for (int cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static double cpu_us(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* Run a child with its standard output (and input, if @ret_in) on pipes. */
static pid_t spawn(const char *const argv[], int *ret_in, FILE **ret_out, int first_cpu,
		   int last_cpu)
{
	int in[2] = { -1, -1 }, out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || (ret_in && pipe2(in, O_CLOEXEC)))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(first_cpu, last_cpu);
		dup2(out[1], STDOUT_FILENO);
		if (ret_in)
			dup2(in[0], STDIN_FILENO);
		execvp(argv[0], (char *const *)(uintptr_t)argv); /* it does not write to them */
		_exit(127);
	}
	close(out[1]);
	if (ret_in) {
		close(in[0]);
		*ret_in = in[1];
	}
	*ret_out = fdopen(out[0], "r");
	return pid;
}

static int measure_wrk(const struct options *o, int port, struct measure *ret)
{
	char duration[16], conns[16], url[64], line[256];
	const char *const argv[] = { "wrk", "-t1", conns, duration, url, NULL };
	double before = cpu_us(RUSAGE_CHILDREN);
	FILE *out;
	int status;
	pid_t pid;

	snprintf(duration, sizeof(duration), "-d%ds", o->seconds);
	snprintf(conns, sizeof(conns), "-c%d", CONNS);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	pid = spawn(argv, NULL, &out, 2, 2);
	if (pid < 0 || !out)
		return -1;
	ret->per_s = 0;
	while (fgets(line, sizeof(line), out)) {
		if (!strncmp(line, "Requests/sec:", 13))
			ret->per_s = strtod(line + 13, NULL);
	}
	fclose(out);
	if (waitpid(pid, &status, 0) != pid || status || ret->per_s <= 0)
		return -1;
	ret->cpu_us = (cpu_us(RUSAGE_CHILDREN) - before) / (ret->per_s * o->seconds);
	return 0;
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
	ret->lost = 1 - (double)n / (double)run->requests.len;
	free(lat);
}

static int measure_load(const struct options *o, int port, double rate, struct measure *ret)
{
	int64_t t0 = bo_now_ns() + 50 * BO_NSEC_PER_MSEC;
	struct bo_load_window window = { t0, t0 + o->seconds * BO_NSEC_PER_SEC };
	struct bo_load_spec spec = { .name = "bench",
				     .method = "GET",
				     .path = "/",
				     .rate_per_s = rate,
				     .timeout_ns = 5 * BO_NSEC_PER_SEC,
				     .max_inflight = CONNS,
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
	if (plan && bo_vec_push(&plan->loads, spec))
		run = bo_run_new(plan);
	if (run && !bo_load_new(&load, &config, &err) && !bo_load_start(load, &err)) {
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

static int measure_all(const struct options *o, int port, bool with_wrk)
{
	struct measure wrk[MAX_ROUNDS], full[MAX_ROUNDS], open[MAX_ROUNDS];
	double offer = 120000;

	for (int i = 0; i < o->rounds; i++) {
		if (with_wrk && measure_wrk(o, port, &wrk[i]))
			return fprintf(stderr, "load_bench: wrk failed\n"), 1;
		/* An open loop has no "as fast as it goes"; offer somewhat more than can be done,
		 * and shed the rest. */
		if (with_wrk)
			offer = wrk[i].per_s * 1.3;
		if (measure_load(o, port, offer, &full[i]) ||
		    measure_load(o, port, o->rate, &open[i]))
			return 1;
	}
	printf("%d rounds of %d s, %d connections, medians\n", o->rounds, o->seconds, CONNS);
	printf("saturated   brownout %8.0f req/s %6.2f us CPU per request\n", MEDIAN(full, per_s),
	       MEDIAN(full, cpu_us));
	if (with_wrk) {
		printf("            wrk      %8.0f req/s %6.2f us CPU per request\n",
		       MEDIAN(wrk, per_s), MEDIAN(wrk, cpu_us));
		printf("            ratio    %8.2f       %6.2f\n",
		       MEDIAN(full, per_s) / MEDIAN(wrk, per_s),
		       MEDIAN(full, cpu_us) / MEDIAN(wrk, cpu_us));
	} else {
		printf("            wrk      not installed (apt-get install wrk)\n");
	}
	printf("open loop   brownout %8.0f req/s %6.2f us CPU per request, offered %.0f/s, %.3f%% not answered\n",
	       MEDIAN(open, per_s), MEDIAN(open, cpu_us), o->rate, 100 * MEDIAN(open, lost));
	printf("            send error   p50 %8.1f us  p99 %8.1f us\n", MEDIAN(open, lag_p50_us),
	       MEDIAN(open, lag_p99_us));
	printf("            latency      p50 %8.1f us  p99 %8.1f us (from the intended time)\n",
	       MEDIAN(open, lat_p50_us), MEDIAN(open, lat_p99_us));
	return 0;
}

static bool have_wrk(void)
{
	const char *const argv[] = { "sh", "-c", "command -v wrk", NULL };
	char line[PATH_MAX];
	FILE *out;
	pid_t pid = spawn(argv, NULL, &out, 0, 0);
	bool found;

	if (pid < 0 || !out)
		return false;
	found = fgets(line, sizeof(line), out) != NULL;
	fclose(out);
	waitpid(pid, NULL, 0);
	return found;
}

static int parse(int argc, char **argv, struct options *o)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int ch;

	self[n > 0 ? n : 0] = '\0';
	snprintf(o->server, sizeof(o->server), "%.*s/bench_server", PATH_MAX - 16, dirname(self));
	while ((ch = getopt(argc, argv, "s:d:n:r:")) != -1) {
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
		default:
			return -1;
		}
	}
	return o->seconds < 1 || o->rounds < 1 || o->rounds > MAX_ROUNDS || o->rate < 1 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .seconds = 3, .rounds = 5, .rate = 10000 };
	const char *const server[] = { o.server, NULL };
	int stdin_fd = -1, port = 0, rc = 1;
	bool with_wrk;
	FILE *out = NULL;
	pid_t pid;

	if (parse(argc, argv, &o)) {
		fprintf(stderr,
			"usage: load_bench [-s SERVER] [-d SECONDS] [-n ROUNDS (1-%d)] [-r RATE]\n",
			MAX_ROUNDS);
		return 2;
	}
	with_wrk = have_wrk();
	pid = spawn(server, &stdin_fd, &out, 0, 1);
	if (pid > 0 && out && fscanf(out, "%d", &port) == 1) {
		pin(2, 2);
		rc = measure_all(&o, port, with_wrk);
	} else {
		fprintf(stderr, "load_bench: %s does not start\n", o.server);
	}
	if (pid > 0) {
		close(stdin_fd);
		waitpid(pid, NULL, 0);
	}
	if (out)
		fclose(out);
	return rc;
}
