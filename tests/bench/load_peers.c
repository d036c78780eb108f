/* SPDX-License-Identifier: Apache-2.0 */
/* load_peers.c — what each generator is called, how it is asked for the same load, and where its
 * output says what it did.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "load_peers.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every one has the single CPU of the generator, so those written in Go and Rust run as many
 * threads as that.  vegeta's report is a program of its own and counted with it. */
#define VEGETA "echo \"GET $1\" | \"$0\" attack -duration=${2}s -max-workers=64 -workers=64 "
#define K6                                                                                         \
	"export K6_NO_USAGE_REPORT=true; echo 'import http from \"k6/http\"; "                     \
	"export default function () { http.get(__ENV.U); }' | exec \"$0\" run --quiet --no-color " \
	"-e U=\"$1\" --vus 64 --duration ${2}s -"

struct peer peers_closed[] = {
	{ .name = "wrk",
	  .program = "wrk",
	  .script = "exec \"$0\" -t1 -c64 -d${2}s \"$1\"",
	  .per_s = "Requests/sec:" },
	{ .name = "h2load --h1",
	  .program = "h2load",
	  .script = "exec \"$0\" --h1 -t1 -c64 -D$2 \"$1\"",
	  .per_s = "finished in" },
	{ .name = "hey",
	  .program = "hey",
	  .script = "exec \"$0\" -cpus 1 -c 64 -z ${2}s \"$1\"",
	  .per_s = "Requests/sec:" },
	{ .name = "oha",
	  .program = "oha",
	  .script = "exec \"$0\" --no-tui -c 64 -z ${2}s \"$1\"",
	  .per_s = "Requests/sec:" },
	{ .name = "vegeta",
	  .program = "vegeta",
	  .script = VEGETA "-rate=0 | \"$0\" report",
	  .per_s = "[total, rate, throughput]" },
	{ .name = "k6", .program = "k6", .script = K6, .requests = "http_reqs" },
};
const size_t npeers_closed = sizeof(peers_closed) / sizeof(peers_closed[0]);

struct peer peers_open[] = {
	{ .name = "wrk2",
	  .program = "wrk2",
	  .script = "exec \"$0\" -t1 -c64 -d${2}s -R$3 -L \"$1\"",
	  .per_s = "Requests/sec:",
	  .p50 = "50.000%",
	  .p99 = "99.000%" },
	{ .name = "vegeta",
	  .program = "vegeta",
	  .script = VEGETA "-rate=$3/1s | \"$0\" report",
	  .per_s = "[total, rate, throughput]" },
	/* Its rate is one worker's, in whole requests, so it gets a number of workers that divides. */
	{ .name = "hey -q",
	  .program = "hey",
	  .script = "exec \"$0\" -cpus 1 -c 50 -q $(($3 / 50)) -z ${2}s \"$1\"",
	  .per_s = "Requests/sec:",
	  .p50 = "50%% in",
	  .p99 = "99%% in" },
	{ .name = "oha -q",
	  .program = "oha",
	  .script = "exec \"$0\" --no-tui --latency-correction -c 64 -q $3 -z ${2}s \"$1\"",
	  .per_s = "Requests/sec:",
	  .p50 = "50.00% in",
	  .p99 = "99.00% in" },
};
const size_t npeers_open = sizeof(peers_open) / sizeof(peers_open[0]);

void pin(int first, int last)
{
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		return;
	CPU_ZERO(&set);
	for (int cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

pid_t spawn(const char *const argv[], int *ret_in, FILE **ret_out, int first_cpu, int last_cpu)
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

/* ---- where ---- */

static bool take_if_runs(struct peer *p, const char *dir, const char *below, const char *name)
{
	struct stat st;
	int n = snprintf(p->path, sizeof(p->path), "%s%s%s/%s", dir, *below ? "/" : "", below,
			 name);

	if (n < (int)sizeof(p->path) && !stat(p->path, &st) && S_ISREG(st.st_mode) &&
	    !access(p->path, X_OK))
		return true;
	p->path[0] = '\0';
	return false;
}

/* wrk2's Makefile makes a program called wrk, so in a directory called wrk2 that is it. */
static bool find_below(struct peer *p, const char *dir)
{
	return take_if_runs(p, dir, "", p->program) || take_if_runs(p, dir, "bin", p->program) ||
	       take_if_runs(p, dir, p->program, p->program) ||
	       (!strcmp(p->program, "wrk2") && take_if_runs(p, dir, "wrk2", "wrk"));
}

void peers_find(struct peer *peers, size_t n, const char *dir)
{
	const char *path = getenv("PATH");

	for (size_t i = 0; i < n; i++) {
		char *all = strdup(path ? path : ""), *save = NULL;
		bool found = dir && find_below(&peers[i], dir);

		if (!all)
			abort();
		for (char *d = strtok_r(all, ":", &save); d && !found;
		     d = strtok_r(NULL, ":", &save))
			found = take_if_runs(&peers[i], d, "", peers[i].program);
		free(all);
	}
}

/* ---- running ---- */

/* The number after @key, or NAN.  Colons, dots and blanks between are decoration. */
static double number_after(const char *line, const char *key, const char **ret_unit)
{
	const char *at = key ? strstr(line, key) : NULL;
	char *end;
	double value;

	if (!at)
		return NAN;
	at += strlen(key);
	while (*at && !isdigit((unsigned char)*at))
		at++;
	value = strtod(at, &end);
	if (end == at)
		return NAN;
	while (*end == ' ')
		end++;
	*ret_unit = end;
	return value;
}

static double in_us(double value, const char *unit)
{
	if (!strncmp(unit, "us", 2))
		return value;
	return value * (!strncmp(unit, "ms", 2) ? 1e3 : 1e6);
}

static void read_line(const struct peer *p, const char *line, int seconds, struct peer_result *r)
{
	const char *unit;
	double v = number_after(line, p->requests, &unit);

	if (!isnan(v))
		r->per_s = v / seconds;
	v = number_after(line, p->per_s, &unit);
	/* "finished in 2.00s, 71331.50 req/s", "… 200000, 99999.5, …": the rate is the second */
	if (!isnan(v) && (unit = strchr(unit, ',')) && isdigit((unsigned char)unit[2]))
		r->per_s = strtod(unit + 2, NULL);
	else if (!isnan(v))
		r->per_s = v;
	v = number_after(line, p->p50, &unit);
	if (!isnan(v) && r->p50_us <= 0)
		r->p50_us = in_us(v, unit);
	v = number_after(line, p->p99, &unit);
	if (!isnan(v) && r->p99_us <= 0)
		r->p99_us = in_us(v, unit);
}

int peer_run(const struct peer *p, int port, int seconds, double rate, struct peer_result *ret)
{
	char url[64], duration[16], per_s[32], line[512];
	const char *const argv[] = { "sh", "-c", p->script, p->path, url, duration, per_s, NULL };
	struct rusage used;
	FILE *out;
	int status;
	pid_t pid;

	*ret = (struct peer_result){ 0 };
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	snprintf(duration, sizeof(duration), "%d", seconds);
	snprintf(per_s, sizeof(per_s), "%.0f", rate);
	pid = spawn(argv, NULL, &out, 2, 2);
	if (pid < 0 || !out)
		return -1;
	while (fgets(line, sizeof(line), out))
		read_line(p, line, seconds, ret);
	fclose(out);
	if (wait4(pid, &status, 0, &used) != pid || status || ret->per_s <= 0)
		return -1;
	ret->cpu_us = ((double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
		       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec)) /
		      (ret->per_s * seconds);
	return 0;
}
