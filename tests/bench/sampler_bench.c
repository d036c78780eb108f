/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/sampler_bench.c — what one goroutine count costs: the sampler against curl as a
 * child process.
 * A server in a process of its own answers with a small profile; CPU time is the sampler's whole
 * process, /proc and all, against curl's alone.  Each number is the median of ROUNDS.
 * Owns: the server's process.  Threads: the sampler's.  Privilege: none. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sampler_kit.h"
#include <unistd.h>

#include "httpd.h"

#define ROUNDS 5
#define SAMPLES 100

static const char profile[] = "goroutine profile: total 7\n7 @ 0x47d96e 0x45f146\n"
			      "#\t0x4dc06e\tmain.main.func1+0xe\t/tmp/demo/main.go:4\n\n";

static struct httpd_answer answer(void *self, const char *target, const char *request)
{
	const char *text = self;

	(void)target;
	(void)request;
	return (struct httpd_answer){ HTTPD_SEND, text, strlen(text) };
}

/* The server's process, and the port it says through a pipe. */
static pid_t serve(uint16_t *ret_port)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		struct httpd *h = httpd_start(answer, httpd_text(profile));
		uint16_t port = httpd_port(h);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(fds[1], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], ret_port, sizeof(*ret_port)) != sizeof(*ret_port))
		pid = -1;
	close(fds[0]);
	return pid;
}

static double cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double sampler_us(const char *url)
{
	struct kit *k = kit_new();
	int node = kit_node(k, "bench", BO_ROLE_SUBJECT);
	double before, per_sample;
	size_t n;

	kit_spec(k, node)->probe.pprof_url = url;
	kit_spec(k, node)->probe.interval_ns = 10 * BO_NSEC_PER_MSEC;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, getpid());
	kit_detect(k);
	before = cpu_us(RUSAGE_SELF);
	kit_start(k);
	poll(NULL, 0, SAMPLES * 10);
	bo_sampler_stop(k->sampler);
	n = kit_series(k, BO_SERIES_GOROUTINES, node)->samples.len;
	per_sample = (cpu_us(RUSAGE_SELF) - before) / (double)(n ? n : 1);
	kit_free(k);
	return per_sample;
}

static double curl_us(const char *url)
{
	double before = cpu_us(RUSAGE_CHILDREN);

	for (int i = 0; i < SAMPLES; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			execlp("curl", "curl", "-s", "-o", "/dev/null", url, (char *)NULL);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			return NAN;
	}
	return (cpu_us(RUSAGE_CHILDREN) - before) / SAMPLES;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	double ours[ROUNDS], theirs[ROUNDS];
	char base[64], full[96];
	uint16_t port = 0;
	pid_t server = serve(&port);

	if (server < 0) {
		perror("sampler_bench: server");
		return 1;
	}
	snprintf(base, sizeof(base), "http://127.0.0.1:%u/debug/pprof", port);
	snprintf(full, sizeof(full), "%s/goroutine?debug=1", base);
	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = sampler_us(base);
		theirs[i] = curl_us(full);
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	qsort(ours, ROUNDS, sizeof(*ours), by_value);
	qsort(theirs, ROUNDS, sizeof(*theirs), by_value);
	printf("CPU per goroutine sample: sampler %.0f us (with /proc), ", ours[ROUNDS / 2]);
	if (isnan(theirs[ROUNDS / 2]))
		printf("curl not to be had\n");
	else
		printf("curl as a child %.0f us: %.0f times\n", theirs[ROUNDS / 2],
		       theirs[ROUNDS / 2] / ours[ROUNDS / 2]);
	return 0;
}
